// SPDX-License-Identifier: Apache-2.0

public import RedisClient

/// Whether a Redis server keeps what it acknowledged: its settings, judged.
public struct DurabilityVerdict: Sendable, Equatable {
    /// One setting that is not as it should be.
    public struct Finding: Sendable, Equatable {
        /// The name of the setting in `redis.conf`, or `redis_version`.
        public let setting: String
        /// What it is now.
        public let value: String
        /// What may be lost, and what to set instead.
        public let advice: String
    }

    /// Reasons not to start.
    public var refusals: [Finding] = []
    /// Things an operator should know.
    public var warnings: [Finding] = []
    /// What keeps it from keeping anything at present, whatever its settings say. It may pass.
    public var troubles: [Finding] = []

    /// Judges the settings; a setting that the server does not tell is nil. `isLocal` is true for a server on
    /// the same machine, as in development, which may do without an append-only file. `replicasToWrite` is
    /// given where a replica may take over. `lastWrite` is how the last write of the append-only file went.
    public init(
        version: String?, evictionPolicy: String?, appendOnly: String?, appendSync: String?, isLocal: Bool,
        replicasToWrite: String? = nil, lastWrite: String? = nil
    ) {
        if appendOnly == "yes", let lastWrite, lastWrite != "ok" {
            troubles.append(
                Finding(
                    setting: "aof_last_write_status", value: lastWrite,
                    advice: "it cannot write its append-only file: look at its disk and its log"))
        }
        if let version, let major = Int(version.prefix { $0 != "." }), major < 7 {
            refusals.append(
                Finding(
                    setting: "redis_version", value: version,
                    advice: "use Redis 7.0 or newer: scripts with flags need it"))
        }
        switch evictionPolicy {
        case nil: warnings.append(Self.unknown("maxmemory-policy", "make sure that it is noeviction"))
        case "noeviction": break
        case let policy?:
            refusals.append(
                Finding(
                    setting: "maxmemory-policy", value: policy,
                    advice: "set noeviction: under memory pressure this policy deletes queued jobs"))
        }
        switch appendOnly {
        case nil: warnings.append(Self.unknown("appendonly", "make sure that it is yes"))
        case "yes": break
        case let value?:
            let finding = Finding(
                setting: "appendonly", value: value,
                advice: "set yes: without it every restart of Redis loses jobs that were pushed by hand")
            if isLocal { warnings.append(finding) } else { refusals.append(finding) }
        }
        if appendOnly == "yes", let appendSync, appendSync != "always" {
            warnings.append(
                Finding(
                    setting: "appendfsync", value: appendSync,
                    advice: "a crash may lose the last second or so of acknowledged pushes; always loses none"
                ))
        }
        if replicasToWrite == "0" {
            warnings.append(
                Finding(
                    setting: "min-replicas-to-write", value: "0",
                    advice: "a master that is cut off goes on accepting pushes, which the failover loses; "
                        + "with 1 it stops after min-replicas-max-lag seconds"))
        }
    }

    private static func unknown(_ setting: String, _ advice: String) -> Finding {
        Finding(setting: setting, value: "unknown", advice: "the server does not tell; \(advice)")
    }
}

extension DurabilityVerdict {
    /// Asks the server, which with sentinels or a cluster is the present master, for its settings and judges
    /// them. A server that refuses to tell gets warnings, not refusals.
    public static func check(
        _ redis: RedisClient, at place: RedisConfiguration
    ) async throws(QueueError) -> DurabilityVerdict {
        let queue = JobQueue(redis: redis)
        func line(_ name: String, of section: RedisArgument) async throws(QueueError) -> String? {
            let info = try await queue.command(["INFO", section]).text ?? ""
            return info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(name):") }
                .map { String($0.dropFirst(name.count + 1)) }
        }
        return DurabilityVerdict(
            version: try await line("redis_version", of: "server"),
            evictionPolicy: try await queue.setting("maxmemory-policy"),
            appendOnly: try await queue.setting("appendonly"),
            appendSync: try await queue.setting("appendfsync"), isLocal: place.isLocal,
            replicasToWrite: place.hasFailover ? try await queue.setting("min-replicas-to-write") : nil,
            lastWrite: try await line("aof_last_write_status", of: "persistence"))
    }
}

extension JobQueue {
    /// A setting of the server; nil when CONFIG is not allowed, as on many hosted servers.
    fileprivate func setting(_ name: String) async throws(QueueError) -> String? {
        do {
            return try await command(["CONFIG", "GET", RedisArgument(name)]).array?.last?.text
        } catch  where error.code == .refused {
            return nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A master with replicas and three sentinels that watch it, all of this test process.
public final class SentinelSetup: Sendable {
    /// The servers with the data; the first is the master at the beginning.
    public let servers: [RedisServer]
    /// Where they listen on 127.0.0.1.
    public let ports: [Int]
    /// The sentinels, which call the master `main`.
    public let sentinels: [RedisServer]
    /// Where the sentinels listen.
    public let sentinelPorts: [Int]

    /// The URL by which clients find the master.
    public var url: String { Self.url(sentinelPorts) }

    /// The URL of a master `main` with these sentinels.
    public static func url(_ sentinelPorts: [Int]) -> String {
        "redis+sentinel://" + sentinelPorts.map { "127.0.0.1:\($0)" }.joined(separator: ",") + "/main"
    }

    /// Starts all of them, and returns when the sentinels know each other and the replicas.
    public static func start(replicas: Int = 1, arguments: [String] = []) async throws -> SentinelSetup {
        let setup = try await SentinelSetup(replicas: replicas, arguments: arguments)
        for sentinel in setup.sentinels {
            try await RedisServer.until("the sentinels know each other") {
                try await sentinel.cli("SENTINEL", "CKQUORUM", "main").hasPrefix("OK 3 usable")
            }
            try await RedisServer.until("the sentinels know the replicas") {
                try await sentinel.cli("SENTINEL", "MASTER", "main").contains("num-slaves\n\(replicas)\n")
            }
        }
        return setup
    }

    private init(replicas: Int, arguments: [String]) async throws {
        ports = try (0...replicas).map { _ in try RedisServer.freePort() }
        var servers: [RedisServer] = []
        for (index, port) in ports.enumerated() {
            let role = index == 0 ? [] : ["--replicaof", "127.0.0.1 \(ports[0])"]
            servers.append(
                try await RedisServer(
                    arguments: [
                        "--port", "\(port)", "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0",
                    ]
                        + role + arguments))
        }
        self.servers = servers
        let master = ports[0]
        sentinelPorts = try (0..<3).map { _ in try RedisServer.freePort() }
        var sentinels: [RedisServer] = []
        for port in sentinelPorts { sentinels.append(try await Self.sentinel(port: port, watching: master)) }
        self.sentinels = sentinels
    }

    /// One sentinel of a master `main` on that port.
    public static func sentinel(
        port: Int, watching master: Int, quorum: Int = 2, arguments: [String] = []
    ) async throws -> RedisServer {
        try await RedisServer(
            arguments: ["--port", "\(port)", "--bind", "127.0.0.1"] + arguments,
            sentinelConfiguration: """
                sentinel monitor main 127.0.0.1 \(master) \(quorum)
                sentinel down-after-milliseconds main 1000
                sentinel failover-timeout main 6000
                """)
    }

    /// The index of the server that most sentinels take for the master.
    public func master() async throws -> Int {
        var answers: [String] = []
        for sentinel in sentinels {
            answers.append(try await sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"))
        }
        let agreed = answers.first { answer in answers.count { $0 == answer } > answers.count / 2 }
        return ports.firstIndex { agreed == "127.0.0.1\n\($0)" } ?? -1
    }
}

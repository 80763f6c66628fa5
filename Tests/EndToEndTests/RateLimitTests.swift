// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Model
import PostgresClient
import RedisClient
import Testing

/// Workers that share a limit of 50 requests a second and a burst of 10, all integrations together. LIMITS=long: for a
/// minute; a few seconds otherwise.
@Suite(.serialized) struct `A limit of the cluster` {
    private static let isLong = ProcessInfo.processInfo.environment["LIMITS"] == "long"
    private static let rate = 50
    private static let burst = 10
    private static let length: Duration = isLong ? .seconds(60) : .seconds(8)
    private static let users = 40

    private struct Window: Decodable {
        let highest: Int
        let burst: Double
        let requests: Int
        let forgotten: Int
    }

    private struct LedgerLine: Decodable {
        let us: Int64
        let user: String?
        let status: Int
    }

    private static func run(workers: Int, _ body: (Cluster) async throws -> Void) async throws {
        let environment = [
            // The manifest allows far more: the operator's word counts.
            "LOCKSTEP_LIMITS": "stripe.app=\(rate)/s burst \(burst)",
            "LOCKSTEP_CONNECTORS": URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Connectors").path,
        ]
        try await Cluster.run(workers: workers, users: users, objects: 100, extra: environment) { cluster in
            try await cluster.connect("stripe", users: users)
            try await untilReady(cluster, workers: workers)
            try await withSmallPages(cluster)
            try await body(cluster)
        }
    }

    /// Gives single jobs until each worker has done one. While workers start, or connect for the first time, they need both cores
    /// for longer than a request may be on its way, and what was granted in time would come in bunches.
    private static func untilReady(_ cluster: Cluster, workers: Int) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        let ready = "SELECT count(DISTINCT worker) FROM lockstep.sync_log WHERE status = 'succeeded'"
        var user = 0
        while try await cluster.pool.query(ready).int(0, 0) ?? 0 < Int64(workers) {
            try #require(ContinuousClock.now < deadline, "not all workers are there")
            if try await cluster.queue.statistics().ready.values.reduce(0, +) == 0 {
                user = user % users + 1
                try await cluster.push(
                    "{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
            }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
    }

    /// Runs of many small pages: what a run costs beside its requests is not what is measured.
    private static func withSmallPages(_ cluster: Cluster) async throws {
        _ = try await cluster.pool.query(
            "UPDATE lockstep.integrations SET config = config || '{\"page_size\": 5}'")
    }

    /// Keeps enough full syncs of small pages in the queue for every worker to have something to send.
    private static func keepBusy(
        _ cluster: Cluster, for length: Duration, users: Int = users
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: length)
        while ContinuousClock.now < deadline {
            if try await cluster.queue.statistics().ready.values.reduce(0, +) < users {
                for user in 1...users {
                    try await cluster.push(
                        "{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
                }
            }
            try await ContinuousClock().sleep(for: .milliseconds(100))
        }
    }

    private static func window(_ cluster: Cluster) async throws -> Window {
        try JSONDecoder().decode(
            Window.self,
            from: Data(try await cluster.control("window?ms=1000&service=stripe&rate=\(rate)", method: "GET"))
        )
    }

    private static func ledger(_ cluster: Cluster) async throws -> [LedgerLine] {
        var lines: [LedgerLine] = []
        let text = String(
            decoding: try await cluster.control("ledger?service=stripe&limit=100000", method: "GET"),
            as: UTF8.self)
        for line in text.split(separator: "\n") {
            lines.append(try JSONDecoder().decode(LedgerLine.self, from: Data(line.utf8)))
        }
        return lines
    }

    @Test func `is never exceeded by eight workers, one with a wrong clock, and is used`() async throws {
        try await Self.run(workers: 7) { cluster in
            let strange = try await ChildProcess.start(
                name: "strange", program: "\(Cluster.programs)/lockstep-worker", arguments: [],
                environment: try Cluster.clockAhead(cluster.processes.environment), log: "/dev/null")
            let before: Int
            do {
                try await Self.untilReady(cluster, workers: 8)
                before = try await Self.window(cluster).requests
                try await Self.keepBusy(cluster, for: Self.length)
            } catch {
                await strange.stop()
                throw error
            }

            let window = try await Self.window(cluster)
            await strange.stop()
            #expect(window.forgotten == 0)
            #expect(window.burst <= Double(Self.burst))
            #expect(window.highest <= Self.rate + Self.burst)
            let used = Double(window.requests - before) / (Double(Self.rate) * Self.length.seconds)
            if Self.isLong {
                print("used \(used) of the limit; burst \(window.burst) of \(Self.burst)")
                #expect(used >= 0.97)
            } else {
                #expect(used >= 0.5)
            }
        }
    }

    @Test func `holds back everything while Redis is gone, and lets at most one more burst through after it`()
        async throws
    {
        try await Self.run(workers: 4) { cluster in
            let redis = cluster.processes.servers.redis
            try await Self.keepBusy(cluster, for: .seconds(3))
            let arguments = try await Self.redisArguments(cluster)

            redis.signal(SIGKILL)
            _ = await redis.wait()
            // What was granted may start for the time of a grant, and be on its way a little longer.
            try await ContinuousClock().sleep(for: .milliseconds(300))
            let before = try await Self.window(cluster).requests
            try await ContinuousClock().sleep(for: .seconds(2))
            #expect(try await Self.window(cluster).requests == before)

            let again = try await ChildProcess.start(
                name: "redis", program: "redis-server", arguments: arguments,
                environment: cluster.processes.environment, log: "/dev/null")
            do {
                try await cluster.until(
                    "sync_log WHERE status = 'succeeded' AND completed_at > now() - interval '1 second'",
                    atLeast: 5)
                try await Self.keepBusy(cluster, for: .seconds(3))
                let window = try await Self.window(cluster)
                #expect(window.requests > before + 50)
                #expect(window.burst <= Double(2 * Self.burst))
            } catch {
                await again.stop()
                throw error
            }
            await again.stop(within: .seconds(1))
        }
    }

    @Test func `is closed for the whole fleet by one refusal, until the provider wants to be asked again`()
        async throws
    {
        try await Self.run(workers: 4) { cluster in
            try await Self.keepBusy(cluster, for: .seconds(2))
            _ = try await cluster.control(
                "faults?kind=status&status=429&retry_after=3&service=stripe&times=1")
            try await Self.keepBusy(cluster, for: .seconds(6))

            let lines = try await Self.ledger(cluster)
            let refused = try #require(lines.firstIndex { $0.status == 429 })
            let closed = lines[(refused + 1)...].map { $0.us - lines[refused].us }
            // The answer has to arrive, then the fleet is silent within 50 ms.
            #expect(!closed.contains { $0 > 150_000 && $0 < 2_990_000 }, "\(closed.prefix(20))")
            #expect(closed.contains { $0 >= 2_990_000 })
        }
    }

    @Test func `lets a person's sync go before those that nobody waits for`() async throws {
        try await Self.run(workers: 4) { cluster in
            // The last user has no other job: an equal one would be the same.
            let busy = Task { try await Self.keepBusy(cluster, for: .seconds(6), users: Self.users - 1) }
            try await cluster.until("sync_log WHERE status = 'succeeded'", atLeast: 50)
            let asked = ContinuousClock.now

            try await cluster.push(
                #"{"user_id":"u_40","service":"stripe","type":"full","id":"urgent"}"#, queue: "high")
            try await cluster.until("sync_log WHERE job_id = 'urgent' AND status = 'succeeded'", atLeast: 1)

            let took = ContinuousClock.now - asked
            #expect(took < .seconds(3))
            try await busy.value
        }
    }

    private static func redisArguments(_ cluster: Cluster) async throws -> [String] {
        var arguments: [String] = []
        for name in ["port", "unixsocket", "dir", "appendonly", "save", "maxmemory-policy"] {
            let reply = try await cluster.redis.command(["CONFIG", "GET", RedisArgument(name)])
            arguments += ["--\(name)", reply.array?.last?.text ?? ""]
        }
        return arguments
    }
}

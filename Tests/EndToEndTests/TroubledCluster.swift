// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import TestSupport
import Testing

/// A cluster whose one worker reaches Redis and Postgres through proxies that a test can disturb.
///
/// While the body runs, two users are synced all the time, slowly, so that each trouble meets runs under way; a third one is
/// there to see whether the worker consumes.
struct TroubledCluster {
    let cluster: Cluster
    let redis: FaultProxy
    let postgres: FaultProxy
    let worker: String
    let health: HealthWatch

    /// The user whose syncs are quick.
    static let probe = 3

    /// `redisLogin` goes into the worker's REDIS_URL, `databaseUser` into its DATABASE_URL. `prepare` runs before the worker
    /// starts. Without `isBusy` nothing is synced but what the body asks for. When the body is done, nothing may be lost,
    /// doubled or charged.
    static func run(
        redisLogin: String = "", databaseUser: String = "postgres", lease: String = "3s", isBusy: Bool = true,
        prepare: (Cluster) async throws -> Void = { _ in },
        _ body: (TroubledCluster) async throws -> Void
    ) async throws {
        try await Cluster.run(users: 3, objects: 250, lease: lease, starting: false) { cluster in
            try await cluster.connect("stripe", users: 3)
            try await prepare(cluster)
            let servers = cluster.processes.servers
            let redis = try FaultProxy(to: .unixSocket(servers.redisSocket))
            let postgres = try FaultProxy(to: .unixSocket(servers.postgresSocket))
            let worker = try await cluster.processes.startWorker([
                "REDIS_URL": "redis://\(redisLogin)127.0.0.1:\(redis.port)",
                "DATABASE_URL": "postgresql://\(databaseUser)@127.0.0.1:\(postgres.port)/postgres",
            ])
            let troubled = TroubledCluster(
                cluster: cluster, redis: redis, postgres: postgres, worker: worker,
                health: try await HealthWatch(worker, of: cluster.processes))
            for user in 1..<Self.probe {
                _ = try await cluster.control("faults?kind=slow&milliseconds=200&times=10000&user=u_\(user)")
            }
            let pushing = Task { if isBusy { await Self.keepPushing(cluster) } }
            do {
                try await troubled.consumes(within: .seconds(30))
                try await body(troubled)
            } catch {
                Issue.record(error)
            }
            pushing.cancel()
            await pushing.value
            try await troubled.settle()
        }
    }

    /// Keeps the slow users busy. While Redis refuses there is nothing to push to.
    private static func keepPushing(_ cluster: Cluster) async {
        while !Task.isCancelled {
            do {
                for user in 1..<Self.probe {
                    try await cluster.push(
                        "{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
                }
            } catch {
                // Redis is in trouble; that is what the test is about.
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(300)) } catch { return }
        }
    }

    /// A job that is pushed now is done within that time.
    func consumes(
        within limit: Duration = .seconds(5), queue: String = "default",
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let pushed = try await cluster.pool.query("SELECT now()::text").text(0, 0) ?? ""
        let started = ContinuousClock.now
        try await cluster.push(
            "{\"user_id\":\"u_\(Self.probe)\",\"service\":\"stripe\",\"type\":\"incremental\"}", queue: queue)
        // Perhaps under the id of an equal job that was recovered, and that this one was merged with.
        try await cluster.until(
            "sync_log WHERE status = 'succeeded' AND user_id = 'u_\(Self.probe)' AND completed_at > '\(pushed)'",
            atLeast: 1, within: limit + .seconds(10), location)
        let taken = started.duration(to: .now)
        guard taken > limit else { return }
        let lines = try log().split(separator: "\n").suffix(20).joined(separator: "\n")
        Issue.record(
            "a job took \(taken) after the trouble; the worker said:\n\(lines)", sourceLocation: location)
    }

    /// What the worker logged.
    func log() throws -> String {
        try String(contentsOfFile: cluster.processes.log(of: worker), encoding: .utf8)
    }

    func turnsRed(
        saying words: String = "", _ location: SourceLocation = #_sourceLocation
    ) async throws {
        try await health.turnsRed(saying: words, location)
    }

    func turnsGreen(_ location: SourceLocation = #_sourceLocation) async throws {
        try await health.turnsGreen(location)
    }

    /// Waits until no job is left, and checks that nothing was lost or done twice, and that no job was blamed.
    private func settle() async throws {
        _ = try await cluster.control("faults", method: "DELETE")
        try await waitUntilIdle()
        // What was edited while a job was under way is the next one's; so are the log rows of runs that Redis forgot.
        for user in 1..<Self.probe {
            try await cluster.push("{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
        }
        try await waitUntilIdle()
        try await cluster.until("sync_log WHERE status = 'running'", is: 0, within: .seconds(60))
        try await check()
    }

    private func waitUntilIdle() async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(120))
        var left = 1
        while left > 0, ContinuousClock.now < deadline {
            let statistics = try await cluster.queue.statistics()
            left = statistics.ready.values.reduce(0, +)
            for part in [statistics.inFlight, statistics.delayed, statistics.parked] { left += part ?? 0 }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
        #expect(left == 0, "jobs are left in the queue")
    }

    private func check() async throws {
        #expect(try await cluster.differences("stripe", users: 3) == 0)
        #expect(try await cluster.count("deletions") == 0)
        #expect(try await cluster.count("sync_log WHERE attempt > 1") == 0)
        let letters = try await cluster.queue.deadLetters().letters
        #expect(letters.isEmpty, "\(letters.map { "\($0.code): \($0.reason)" })")
        // Each page counts once, over all runs together.
        let sums = try await cluster.pool.query(
            """
            SELECT sum(records_added)::bigint, (SELECT count(*) FROM lockstep.records r
                JOIN lockstep.integrations i ON i.id = r.integration_id WHERE i.user_id LIKE 'u\\_%')
            FROM lockstep.sync_log
            """)
        #expect(sums.int(0, 0) == sums.int(0, 1))
    }
}

// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import PostgresClient
import RedisClient
import Testing

/// Scheduler processes that are doubled, killed, and told a wrong time.
@Suite(.serialized) struct `Schedulers` {
    /// Runs scheduler processes beside a cluster that has none, and stops those that are left.
    private static func run(
        workers: Bool = false,
        _ body: (Cluster, (String, _ isAhead: Bool) async throws -> ChildProcess) async throws -> Void
    ) async throws {
        try await Cluster.run(workers: 1, users: 5, objects: 10, starting: workers) { cluster in
            var started: [ChildProcess] = []
            do {
                if !workers { _ = try await cluster.pool.query("DELETE FROM lockstep.schedules") }
                try await body(cluster) { name, isAhead in
                    let environment = cluster.processes.environment
                    let process = try await ChildProcess.start(
                        name: name, program: "\(Cluster.programs)/lockstep-scheduler", arguments: [],
                        environment: isAhead ? try Cluster.clockAhead(environment) : environment,
                        log: "/dev/null")
                    started.append(process)
                    return process
                }
            } catch {
                for process in started { await process.stop() }
                throw error
            }
            for process in started { await process.stop() }
        }
    }

    /// The ids of the jobs of slots, of any state but running.
    private static func jobs(_ cluster: Cluster) async throws -> [String] {
        var found: [String] = []
        for queue in ["default", "low"] {
            let key = RedisArgument("lockstep:queue:\(queue)")
            found +=
                try await cluster.redis.command(["LRANGE", key, "0", "-1"]).array?.compactMap(\.text) ?? []
        }
        found +=
            try await cluster.redis.command(["ZRANGE", "lockstep:delayed", "0", "-1"]).array?
            .compactMap(\.text) ?? []
        return found.compactMap { $0.split(separator: " ").dropFirst(3).first.map(String.init) }
    }

    private static func makeSchedule(_ cluster: Cluster, cron: String, catchUp: String = "latest")
        async throws
    {
        _ = try await cluster.pool.query(
            "INSERT INTO lockstep.schedules (name, cron, type, catch_up) VALUES ('test', $1, 'incremental', $2)",
            [.text(cron), .text(catchUp)])
    }

    /// Waits until at least that many slots have all their jobs, ends the schedule, and waits for the last of them.
    private static func waitForSlots(_ count: Int64, _ cluster: Cluster) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(60))
        while try await cluster.count("schedule_fires WHERE state = 'enqueued'") < count {
            try #require(ContinuousClock.now < deadline, "no \(count) slots fired within 60 s")
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
        _ = try await cluster.pool.query("UPDATE lockstep.schedules SET enabled = false")
        try await cluster.until("schedule_fires WHERE state = 'enqueueing'", is: 0)
    }

    /// Slots of that many seconds between the first and the last row that have none.
    private static func silentSlots(_ cluster: Cluster, every seconds: Int64) async throws -> Int64 {
        try await cluster.pool.query(
            """
            SELECT count(*) FROM (SELECT min(fire_at) AS a, max(fire_at) AS b FROM lockstep.schedule_fires) ends,
                generate_series(a, b, make_interval(secs => $1::bigint)) slot
            WHERE NOT EXISTS (SELECT 1 FROM lockstep.schedule_fires f WHERE f.fire_at = slot)
            """, [.int(seconds)]
        ).int(0, 0) ?? -1
    }

    @Test func `of any number fire each slot once, and lose none`() async throws {
        try await Self.run { cluster, start in
            try await cluster.connect("stripe", users: 3)
            try await Self.makeSchedule(cluster, cron: "*/2 * * * * *")

            _ = try await start("one", false)
            _ = try await start("two", false)
            try await Self.waitForSlots(4, cluster)

            let fired = try await cluster.count("schedule_fires WHERE state = 'enqueued' AND enqueued = 3")
            let jobs = try await Self.jobs(cluster)
            #expect(try await cluster.count("schedule_fires") == fired)
            #expect(try await Self.silentSlots(cluster, every: 2) == 0)
            #expect(Set(jobs).count == jobs.count)
            #expect(jobs.count == 3 * Int(fired))
        }
    }

    @Test func `finish the slot of one that was killed in its middle`() async throws {
        try await Self.run { cluster, start in
            let size: Int64 = 60_000
            _ = try await cluster.pool.query(
                """
                INSERT INTO lockstep.integrations (user_id, service)
                SELECT 'u_' || n, 'stripe' FROM generate_series(1, $1::bigint) n
                """, [.int(size)])
            try await Self.makeSchedule(cluster, cron: "0 0 1 1 *")
            _ = try await cluster.pool.query(
                "INSERT INTO lockstep.schedule_fires (schedule_id, fire_at) SELECT id, date_trunc('second', now()) FROM lockstep.schedules"
            )

            let first = try await start("first", false)
            let deadline = ContinuousClock.now.advanced(by: .seconds(90))
            while try await cluster.redis.command(["LLEN", "lockstep:queue:default"]).int ?? 0 < 4_150 {
                try #require(ContinuousClock.now < deadline, "nothing was enqueued within 30 s")
            }
            first.signal(SIGKILL)
            _ = await first.wait()
            #expect(try await cluster.count("schedule_fires WHERE state = 'enqueueing'") == 1)
            _ = try await start("second", false)
            try await cluster.until("schedule_fires WHERE state = 'enqueued'", is: 1)

            let jobs = try await Self.jobs(cluster)
            #expect(jobs.count == Int(size))
            #expect(Set(jobs).count == jobs.count)
        }
    }

    @Test func `follow the clock of Postgres, whatever theirs shows`() async throws {
        try await Self.run { cluster, start in
            try await cluster.connect("stripe", users: 2)
            try await Self.makeSchedule(cluster, cron: "*/2 * * * * *")

            _ = try await start("ahead", true)
            _ = try await start("right", false)
            try await Self.waitForSlots(4, cluster)

            let jobs = try await Self.jobs(cluster)
            let fired = try await cluster.count("schedule_fires WHERE state = 'enqueued'")
            #expect(try await cluster.count("schedule_fires WHERE state = 'skipped'") == 0)
            #expect(
                try await cluster.count("schedule_fires WHERE abs(extract(epoch FROM now() - fire_at)) > 120")
                    == 0)
            #expect(try await Self.silentSlots(cluster, every: 2) == 0)
            #expect(Set(jobs).count == jobs.count)
            #expect(jobs.count == 2 * Int(fired))
        }
    }

    @Test func `bring each integration back on schedule after FLUSHALL`() async throws {
        try await Self.run(workers: true) { cluster, _ in
            try await cluster.connect("stripe", users: 5)
            // Its next slot is months away: only rebuilding brings the jobs back. The spread puts the first of them 13 s after the
            // slot, so that all are lost, and none has run.
            _ = try await cluster.pool.query("DELETE FROM lockstep.schedules")
            _ = try await cluster.pool.query(
                """
                WITH made AS (
                    INSERT INTO lockstep.schedules (name, cron, type, spread_seconds)
                    VALUES ('test', '0 0 1 1 *', 'full', 50) RETURNING id
                )
                INSERT INTO lockstep.schedule_fires (schedule_id, fire_at)
                SELECT id, date_trunc('second', now()) + interval '10 s' FROM made
                """)
            try await cluster.until("schedule_fires WHERE state = 'enqueued'", is: 1)
            #expect(try await cluster.count("sync_log") == 0)

            _ = try await cluster.redis.command(["FLUSHALL"])
            try await cluster.until("schedule_fires WHERE state = 'enqueued' AND round = 1", is: 1)
            try await cluster.until(
                "integrations i WHERE NOT EXISTS (SELECT 1 FROM lockstep.sync_log l "
                    + "WHERE l.integration_id = i.id AND l.status = 'succeeded')", is: 0,
                within: .seconds(180)
            )

            #expect(try await cluster.count("sync_log") == 5)
            #expect(try await cluster.differences("stripe", users: 5) == 0)
        }
    }
}

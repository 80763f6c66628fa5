// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import SyncStore
import TestSupport
import Testing

@testable import SchedulerRuntime

/// A scheduler whose rounds the test calls, on a database and a Redis of its own.
struct SchedulerFixture {
    let pool: PostgresPool
    let server: RedisServer
    let redis: RedisClient
    let queue: JobQueue
    let store: ScheduleStore
    let scheduler: SlotScheduler

    static func run(_ body: (SchedulerFixture) async throws -> Void) async throws {
        var configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        configuration.maxConnections = 4
        let pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        _ = try await pool.query("DELETE FROM lockstep.schedules")
        let server = try await RedisServer()
        var redisSettings = try RedisConfiguration(url: server.url)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: Logger(label: "redis"))
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        let queue = JobQueue(redis: redis)
        let fixture = SchedulerFixture(
            pool: pool, server: server, redis: redis, queue: queue, store: ScheduleStore(pool: pool),
            scheduler: Self.scheduler(pool, queue))
        try await body(fixture)
        await pool.close()
    }

    static func scheduler(_ pool: PostgresPool, _ queue: JobQueue) -> SlotScheduler {
        SlotScheduler(
            store: ScheduleStore(pool: pool), dispatch: DispatchStore(pool: pool), queue: queue,
            logger: Logger(label: "scheduler"))
    }

    func integrations(_ count: Int, service: String = "stripe") async throws {
        _ = try await pool.query(
            """
            INSERT INTO lockstep.integrations (user_id, service, created_at)
            SELECT 'u_' || n, $2, now() - interval '1 day' FROM generate_series(1, $1::bigint) n
            """, [.int(Int64(count)), .text(service)])
    }

    /// Makes a schedule whose slot, a minute ago, waits for its jobs.
    func dueSchedule(
        _ name: String, type: JobType = .incremental, service: String? = nil, integration: Int64? = nil,
        enabled: Bool = true, spread: Int64 = 0
    ) async throws {
        var definition = ScheduleDefinition(name: name, cron: "0 0 1 1 *", type: type)
        definition.service = service
        definition.integrationID = integration
        definition.isEnabled = enabled
        definition.spreadSeconds = spread
        try await store.put(definition)
        guard enabled else { return }
        _ = try await pool.query(
            """
            INSERT INTO lockstep.schedule_fires (schedule_id, fire_at)
            SELECT id, date_trunc('second', now()) - interval '60 s' FROM lockstep.schedules WHERE name = $1
            """, [.text(name)])
    }

    /// The ids of all jobs in Redis, in order.
    func jobs() async throws -> [String] {
        var found: [String] = []
        for queue in ["high", "default", "low"] {
            let list =
                try await redis.command(["LRANGE", RedisArgument("lockstep:queue:\(queue)"), "0", "-1"]).array
                ?? []
            found += list.compactMap(\.text)
        }
        found +=
            try await redis.command(["ZRANGE", "lockstep:delayed", "0", "-1"]).array?.compactMap(\.text) ?? []
        return found.compactMap { $0.split(separator: " ").dropFirst(3).first.map(String.init) }.sorted()
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }

    /// The services that the jobs of a schedule go to.
    func services(of name: String) async throws -> [String] {
        let rows = try await pool.query("SELECT id, service FROM lockstep.integrations")
        let schedule = try await store.schedules().schedules.first { $0.definition.name == name }
        let own = try await jobs().filter { $0.hasPrefix("slot:\(schedule?.id ?? 0):") }
        let ids = Set(own.compactMap { $0.split(separator: ":").last.flatMap { Int64($0) } })
        return (0..<rows.count).filter { ids.contains(rows.int($0, 0) ?? 0) }.compactMap { rows.text($0, 1) }
    }
}

@Suite(.serialized) struct `A scheduler` {
    @Test func `enqueues each job of a slot once, and no other scheduler does so again`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(4_500)
            try await fixture.dueSchedule("s", spread: 3_600)

            _ = await fixture.scheduler.round()

            let jobs = try await fixture.jobs()
            #expect(jobs.count == 4_500)
            #expect(Set(jobs).count == 4_500)
            #expect(
                try await fixture.count("schedule_fires WHERE state = 'enqueued' AND enqueued = 4500") == 1)

            // A scheduler that died before its last note: what it had enqueued is not enqueued again.
            _ = try await fixture.pool.query(
                """
                UPDATE lockstep.schedule_fires SET state = 'enqueueing', last_integration_id = 2000, enqueued = 2000,
                    completed_at = NULL, owner = 'dead', owned_until = now() - interval '1 s'
                """)
            let other = SchedulerFixture.scheduler(fixture.pool, fixture.queue)
            _ = await other.round()

            #expect(other.problem == nil)
            #expect(try await fixture.jobs() == jobs)
            #expect(try await fixture.count("schedule_fires WHERE state = 'enqueued'") == 1)
        }
    }

    @Test func `leaves a slot to its owner while that one lives`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(10)
            try await fixture.dueSchedule("s")
            _ = try await fixture.pool.query(
                "UPDATE lockstep.schedule_fires SET owner = 'other', owned_until = now() + interval '10 s'")

            _ = await fixture.scheduler.round()
            #expect(try await fixture.jobs() == [])

            // A claim for hours comes from a clock that went back: it does not hold.
            _ = try await fixture.pool.query(
                "UPDATE lockstep.schedule_fires SET owned_until = now() + interval '2 hours'")
            _ = await fixture.scheduler.round()
            #expect(try await fixture.jobs().count == 10)
        }
    }

    @Test func `lets the narrowest schedule of a type win`() async throws {
        try await SchedulerFixture.run { fixture in
            for service in ["stripe", "slack", "gmail", "google-calendar"] {
                try await fixture.integrations(1, service: service)
            }
            let rows = try await fixture.pool.query(
                "SELECT id FROM lockstep.integrations WHERE service = 'gmail'")
            let gmail = try #require(rows.int(0, 0))
            try await fixture.dueSchedule("everyone")
            try await fixture.dueSchedule("full", type: .full)
            try await fixture.dueSchedule("stripe", service: "stripe")
            try await fixture.dueSchedule("none-for-slack", service: "slack", enabled: false)
            try await fixture.dueSchedule("all-of-gmail", service: "gmail")
            try await fixture.dueSchedule("one-gmail", integration: gmail)

            _ = await fixture.scheduler.round()

            #expect(try await fixture.services(of: "everyone") == ["google-calendar"])
            #expect(try await fixture.services(of: "full").count == 4)
            #expect(try await fixture.services(of: "stripe") == ["stripe"])
            #expect(try await fixture.services(of: "all-of-gmail") == [])
            #expect(try await fixture.services(of: "one-gmail") == ["gmail"])
            #expect(try await fixture.jobs().count == 7)
        }
    }

    @Test func `enqueues again what an emptied Redis lost, and only that`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(300)
            try await fixture.dueSchedule("s", spread: 3_600)
            _ = await fixture.scheduler.round()
            let before = try await fixture.jobs()
            #expect(before.count == 300)
            // A hundred of them ran since, and one is younger than the slot.
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.sync_state (integration_id, stream, last_success_at)
                SELECT id, 'items', now() FROM lockstep.integrations ORDER BY id LIMIT 100
                """)
            _ = try await fixture.pool.query(
                "INSERT INTO lockstep.integrations (user_id, service) VALUES ('late', 'stripe')")

            _ = try await fixture.redis.command(["FLUSHALL"])
            let other = SchedulerFixture.scheduler(fixture.pool, fixture.queue)
            _ = await other.round()

            let after = try await fixture.jobs()
            #expect(after.count == 200)
            #expect(Set(after).isSubset(of: before))
            #expect(try await fixture.count("dispatch WHERE losses = 1 AND confirmed") == 1)
            #expect(try await fixture.count("schedule_fires WHERE round = 1 AND state = 'enqueued'") == 1)
            // Nobody does it twice.
            _ = await SchedulerFixture.scheduler(fixture.pool, fixture.queue).round()
            #expect(try await fixture.jobs() == after)
        }
    }

    @Test func `sees a Redis that was set back to an old dump`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(5)
            try await fixture.dueSchedule("s")
            _ = await fixture.scheduler.round()
            let old = try #require(try await fixture.queue.dispatchMark())
            _ = await SchedulerFixture.scheduler(fixture.pool, fixture.queue).round()

            _ = try await fixture.redis.command(["FLUSHALL"])
            try await fixture.queue.publish(old)
            _ = await SchedulerFixture.scheduler(fixture.pool, fixture.queue).round()

            #expect(try await fixture.count("dispatch WHERE losses = 1") == 1)
            #expect(try await fixture.jobs().count == 5)
        }
    }

    @Test func `enqueues nothing into a Redis that it has not asked`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(5)
            _ = await fixture.scheduler.round()
            _ = try await fixture.redis.command(["FLUSHALL"])
            let mark = SlotJobs(
                scheduleID: 1, fireAt: Timestamp(seconds: 1), round: 0, type: .full, queue: .low)

            let added = try await fixture.queue.enqueue(
                mark, for: [(integrationID: 1, delay: .zero)], epoch: "of another time")

            #expect(added == nil)
            #expect(try await fixture.jobs() == [])
        }
    }

    @Test func `gives skipped slots of the future back when the clock returns`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(1)
            try await fixture.dueSchedule("s")
            // What a clock three hours ahead had left: one slot fired, the others were skipped.
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.schedule_fires (schedule_id, fire_at, state, skipped_reason)
                SELECT s.id, date_trunc('second', now()) + make_interval(hours => n::integer, secs => -60),
                       CASE WHEN n = 3 THEN 'enqueued' ELSE 'skipped' END, CASE WHEN n < 3 THEN 'late' END
                FROM lockstep.schedules s, generate_series(1, 3) n
                """)
            _ = try await fixture.pool.query(
                "UPDATE lockstep.schedules SET updated_at = now() + interval '3 hours'")

            _ = await fixture.scheduler.round()

            let future = "schedule_fires WHERE fire_at > now() AND state"
            #expect(try await fixture.count("\(future) = 'skipped' AND NOT revived") == 0)
            #expect(try await fixture.count("\(future) = 'skipped' AND revived") == 2)
            #expect(try await fixture.count("\(future) = 'enqueued' AND NOT revived") == 1)
            #expect(try await fixture.count("schedules WHERE updated_at > now()") == 0)
        }
    }

    @Test func `takes a revived slot once more, and others never`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.store.put(ScheduleDefinition(name: "s", cron: "0 0 1 1 *", type: .full))
            let schedule = try #require(try await fixture.store.schedules().schedules.first)
            let slots = (1...3).map { Timestamp(seconds: 1_000_000 * $0) }
            let first = try await fixture.store.take(slots.map { ($0, "late") }, of: schedule)
            #expect(first.sorted() == slots)

            #expect(try await fixture.store.take(slots.map { ($0, nil) }, of: schedule) == [])
            _ = try await fixture.pool.query(
                "UPDATE lockstep.schedule_fires SET revived = true WHERE fire_at <> to_timestamp(2000000)")
            // The schedule does not have the first one any more.
            let again = try await fixture.store.take(slots.dropFirst().map { ($0, nil) }, of: schedule)

            #expect(again == [slots[2]])
            #expect(try await fixture.count("schedule_fires WHERE revived") == 0)
            #expect(try await fixture.count("schedule_fires WHERE state = 'skipped'") == 2)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Alerts
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import SyncStore
import TestSupport
import Testing
import Webhooks

@testable import SchedulerRuntime

extension SchedulerFixture {
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    func watcher(
        _ change: (inout AlertObjectives) -> Void = { _ in },
        durability: @escaping @Sendable () async throws -> DurabilityVerdict = {
            DurabilityVerdict(
                version: "7.0", evictionPolicy: "noeviction", appendOnly: "yes", appendSync: "always",
                isLocal: false)
        }
    ) -> AlertWatcher {
        var objectives = AlertObjectives(
            backlog: [.high: .seconds(60)], errors: 10, deadLetters: 3, allowsLossyRedis: false,
            cooldown: .seconds(600))
        change(&objectives)
        return AlertWatcher(
            store: AlertStore(pool: pool), queue: queue, objectives: objectives, logger: Self.quiet,
            durability: durability)
    }

    /// Looks now, whoever had the turn.
    func look(_ watcher: AlertWatcher) async throws {
        _ = try await pool.query("UPDATE lockstep.alert_watch SET due_at = now()")
        #expect(try await watcher.look())
    }

    func alerts() async throws -> [AlertSummary] {
        try await AlertStore(pool: pool).list(all: true, before: nil, limit: 100).map(\.alert)
    }

    func fail(_ count: Int, of service: String, status: Int64?, ago seconds: Int64 = 10) async throws {
        _ = try await pool.query(
            """
            INSERT INTO lockstep.api_log (at, service, method, endpoint, status_code, duration_ms, bytes)
            SELECT now() - $4::bigint * interval '1 second', $2, 'GET', '/x', $3::bigint, 1, 0
            FROM generate_series(1, $1::bigint)
            """, [.int(Int64(count)), .text(service), status.map { .int($0) } ?? .null, .int(seconds)])
    }

    /// As if so much time had passed.
    func age(_ seconds: Int64) async throws {
        _ = try await pool.query(
            """
            UPDATE lockstep.alerts SET seen_at = seen_at - $1::bigint * interval '1 second',
                resolved_at = resolved_at - $1::bigint * interval '1 second'
            """, [.int(seconds)])
        _ = try await pool.query(
            "UPDATE lockstep.api_log SET at = at - $1::bigint * interval '1 second'", [.int(seconds)])
    }
}

@Suite struct `A watcher of troubles` {
    @Test func `opens one alert for an incident, resolves it once, and cools down`() async throws {
        try await SchedulerFixture.run { fixture in
            let watcher = fixture.watcher()
            try await fixture.fail(6, of: "slack", status: 503)
            try await fixture.fail(4, of: "slack", status: nil)
            try await fixture.fail(50, of: "slack", status: 429)
            try await fixture.fail(50, of: "stripe", status: 500, ago: 400)
            // What a worker gave up itself is not the service's fault.
            try await fixture.fail(50, of: "gmail", status: nil)
            _ = try await fixture.pool.query(
                "UPDATE lockstep.api_log SET error = 'stale_worker' WHERE service = 'gmail'")
            try await fixture.look(watcher)
            #expect(try await fixture.alerts().isEmpty)

            try await fixture.fail(1, of: "slack", status: 500)
            for _ in 0..<3 { try await fixture.look(watcher) }
            let opened = try await fixture.alerts()
            #expect(opened.map(\.kind) == ["error_burst"] && opened.map(\.service) == ["slack"])
            #expect(opened.first?.detail.hasPrefix("11 requests to slack") == true)

            try await fixture.age(301)
            try await fixture.look(watcher)
            let resolved = try await fixture.alerts()
            #expect(resolved.count == 1 && resolved.first?.resolvedAt != nil)

            try await fixture.fail(99, of: "slack", status: 500)
            try await fixture.look(watcher)
            #expect(try await fixture.alerts().count == 1)
            try await fixture.age(601)
            try await fixture.fail(99, of: "slack", status: 500)
            try await fixture.look(watcher)
            #expect(try await fixture.alerts().count == 2)
        }
    }

    @Test func `has its turn once in an interval, and opens one alert however many look at once`()
        async throws
    {
        try await SchedulerFixture.run { fixture in
            let watcher = fixture.watcher()
            let store = AlertStore(pool: fixture.pool)
            #expect(try await watcher.look())
            #expect(try await !watcher.look())
            for _ in 0..<20 {
                _ = try await fixture.pool.query("UPDATE lockstep.alert_watch SET due_at = now()")
                let turns = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for _ in 0..<8 { group.addTask { try await store.turn(every: .seconds(10)) != nil } }
                    return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(turns == 1)
            }

            let ids = try await withThrowingTaskGroup(of: Int64?.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await store.open(
                            AlertCause(kind: "backlog", subject: "low"), title: "t", detail: "d",
                            cooldown: .seconds(600))
                    }
                }
                return try await group.reduce(into: []) { $0 += [$1].compactMap { $0 } }
            }
            #expect(ids.count == 1)
            // Of two watchers, the one that saw the cause last is right.
            #expect(try await store.resolve(ids, unseenFor: .seconds(120)).isEmpty)
        }
    }

    @Test func `sees late slots, dead letters, a backlog and a Redis that may forget`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.dueSchedule("hourly")
            let watcher = fixture.watcher(durability: {
                DurabilityVerdict(
                    version: "7.0", evictionPolicy: "noeviction", appendOnly: "yes", appendSync: "always",
                    isLocal: true, lastWrite: "err")
            })
            for n in 0..<2 { try await fixture.deadLetter(n) }
            try await fixture.look(watcher)
            #expect(try await fixture.alerts().map(\.kind) == ["redis_durability"])

            try await fixture.deadLetter(3)
            _ = try await fixture.pool.query(
                "UPDATE lockstep.schedule_fires SET fire_at = fire_at - interval '2 minutes', state = 'enqueued'"
            )
            try await fixture.queue.enqueue(
                [Array(#"{"user_id":"u_1","service":"stripe","type":"full"}"#.utf8)], in: .high)
            try await fixture.look(fixture.watcher { $0.backlog = [.high: .milliseconds(-1)] })
            #expect(
                Set(try await fixture.alerts().map { "\($0.kind) \($0.subject)" }) == [
                    "redis_durability ", "dead_letters ", "schedule_missed hourly", "backlog high",
                ])
        }
    }

    @Test func `resolves nothing while Redis does not tell`() async throws {
        try await SchedulerFixture.run { fixture in
            struct Silence: Error {}
            let store = AlertStore(pool: fixture.pool)
            for kind in ["redis_durability", "error_burst"] {
                _ = try await store.open(
                    AlertCause(kind: kind, service: nil), title: "t", detail: "d", cooldown: .zero)
            }
            try await fixture.age(10_000)
            try await fixture.look(fixture.watcher(durability: { throw Silence() }))
            let open = try await fixture.alerts().filter { $0.resolvedAt == nil }
            #expect(open.map(\.kind) == ["redis_durability"])
        }
    }

    @Test func `resolves alerts of integrations whose cause ended without it`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(2)
            _ = try await fixture.pool.query(
                """
                UPDATE lockstep.integrations SET status = 'reauth_required' WHERE id = 2
                """)
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail) VALUES
                    ('reauth_required', 'stripe', 1, 't', 'd'), ('reauth_required', 'stripe', 2, 't', 'd'),
                    ('sweep_held', 'stripe', 1, 't', 'd'), ('of somebody else', 'stripe', 1, 't', 'd')
                """)
            try await fixture.look(fixture.watcher())
            let open = try await fixture.alerts().filter { $0.resolvedAt == nil }
            #expect(
                Set(open.map { "\($0.kind) \($0.integrationID ?? 0)" }) == [
                    "reauth_required 2", "of somebody else 1",
                ])
        }
    }
}

extension SchedulerFixture {
    fileprivate func deadLetter(_ n: Int) async throws {
        _ = try await redis.command([
            "LPUSH", "lockstep:queue:high", RedisArgument(#"{"id":"d\#(n)","typo":1}"#),
        ])
        _ = try await queue.claim(limit: 1)
    }
}

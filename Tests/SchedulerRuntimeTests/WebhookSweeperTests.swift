// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import SyncStore
import Testing

@testable import SchedulerRuntime

@Suite struct `A sweeper of webhooks` {
    private static func sweeper(
        _ fixture: SchedulerFixture, isReady: @escaping @Sendable () -> Bool = { true }
    ) -> WebhookSweeper {
        WebhookSweeper(
            store: WebhookStore(pool: fixture.pool), watches: WatchStore(pool: fixture.pool),
            queue: fixture.queue,
            logger: Logger(label: "sweeper") { _ in SwiftLogNoOpLogHandler() }, interval: .milliseconds(5),
            isReady: isReady)
    }

    private static func accept(_ fixture: SchedulerFixture, integration: Int64, _ event: String) async throws
    {
        _ = try await WebhookStore(pool: fixture.pool).accept([
            IncomingWebhook(
                service: "stripe", integrationID: integration, account: "default", eventID: event,
                eventType: "t",
                raw: [])
        ])
    }

    @Test func `enqueues one job of each integration, and all again after Redis lost them`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(3)
            for integration in 1...3 {
                for event in 1...4 {
                    try await Self.accept(fixture, integration: Int64(integration), "e\(event)")
                }
            }
            let sweeper = Self.sweeper(fixture)
            #expect(try await sweeper.sweep() == 0)

            _ = try await fixture.pool.query(
                "UPDATE lockstep.webhook_events SET dispatched_at = now() - interval '1 minute'")
            #expect(try await sweeper.sweep() == 3)
            #expect(try await sweeper.sweep() == 0)
            #expect(try await fixture.queue.statistics().ready[.high] == 3)

            // The round of the scheduler begins an epoch; Redis is emptied; the next one sees it.
            _ = await fixture.scheduler.round()
            _ = try await fixture.redis.command(["FLUSHALL"])
            let other = SchedulerFixture.scheduler(fixture.pool, fixture.queue)
            _ = await other.round()
            #expect(try await sweeper.sweep() == 3)
            let jobs = try await fixture.queue.claim(limit: 10).jobs
            #expect(Set(jobs.map(\.payload.type)) == [.webhook])
            #expect(jobs.count == 3)
        }
    }

    @Test func `waits until the scheduler is well`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(1)
            try await Self.accept(fixture, integration: 1, "e1")
            _ = try await fixture.pool.query(
                "UPDATE lockstep.webhook_events SET dispatched_at = now() - interval '1 minute'")
            let (isReady, asked) = (LockedBox(false), LockedBox(0))
            let sweeper = Self.sweeper(fixture) {
                asked.withLock { $0 += 1 }
                return isReady.withLock { $0 }
            }
            let running = Task { try await sweeper.run() }
            let deadline = ContinuousClock.now + .seconds(60)
            while asked.withLock({ $0 }) < 10, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
            #expect(try await fixture.queue.statistics().ready[.high] == 0)
            isReady.withLock { $0 = true }
            while try await fixture.queue.statistics().ready[.high] == 0, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
            #expect(try await fixture.queue.statistics().ready[.high] == 1)
            running.cancel()
            try await running.value
        }
    }

    @Test func `enqueues a sync for watches that are due, and not again at once`() async throws {
        try await SchedulerFixture.run { fixture in
            try await fixture.integrations(2)
            let store = WatchStore(pool: fixture.pool)
            for integration in 1...2 {
                let row = try await store.begin(
                    WebhookSlice(stream: "s"), of: Int64(integration), channelID: "c\(integration)",
                    tokenHash: [1])
                try await store.granted(
                    row, resource: nil, expiresAt: Timestamp.now().advanced(by: .seconds(7 * 86_400)),
                    renewBefore: .seconds(86_400))
            }
            let sweeper = Self.sweeper(fixture)
            #expect(try await sweeper.nudge() == 0)

            _ = try await fixture.pool.query(
                "UPDATE lockstep.webhook_channels SET renew_at = now() - interval '1 s' WHERE integration_id = 2"
            )
            #expect(try await sweeper.nudge() == 1)
            #expect(try await sweeper.nudge() == 0)

            let job = try #require(try await fixture.queue.claim(limit: 10).jobs.first)
            #expect(job.payload.integration == .id(2))
            #expect(job.payload.type == .incremental)
            // A newer watch of the same slice: the old one is nobody's concern.
            _ = try await store.begin(WebhookSlice(stream: "s"), of: 2, channelID: "c3", tokenHash: [1])
            _ = try await fixture.pool.query("UPDATE lockstep.webhook_channels SET nudged_at = NULL")
            #expect(try await sweeper.nudge() == 0)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresClient
import SyncStore
import TestSupport
import Testing

@testable import SchedulerRuntime

@Suite struct `A housekeeper` {
    @Test func `deletes by the lifetimes it was given, and goes on after a chore that failed`() async throws {
        var configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        configuration.maxConnections = 4
        let pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        _ = try await pool.query(
            """
            INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, deleted_at, sync_id)
            SELECT 1, 's', n::text, 'absence', now() - interval '3 days', 1 FROM generate_series(1, 2500) n
            """)
        _ = try await pool.query(
            """
            INSERT INTO lockstep.webhook_events (service, account, event_id, event_type, received_at, status, raw)
            VALUES ('stripe', 'a', 'e', 't', now() - interval '300 days', 'done', '')
            """)
        // The first of its chores fails.
        _ = try await pool.query("ALTER TABLE lockstep.sync_log RENAME TO sync_log_away")
        let day = Duration.seconds(86_400)

        await Housekeeper(
            store: RetentionStore(pool: pool), lifetimes: [.syncLog: day, .deletions: day * 2],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).round()

        #expect(try await pool.query("SELECT count(*) FROM lockstep.deletions").int(0, 0) == 0)
        // Without a lifetime rows stay.
        #expect(try await pool.query("SELECT count(*) FROM lockstep.webhook_events").int(0, 0) == 1)
        await pool.close()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `Retention` {
    private func days(_ ledger: Ledger) async throws -> [String] {
        let rows = try await ledger.pool.query(
            """
            SELECT c.relname::text FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
            WHERE h.inhparent = 'lockstep.api_log'::regclass ORDER BY 1
            """)
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    private func insertRequest(_ ledger: Ledger, at time: String) async throws {
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.api_log (at, service, method, endpoint, duration_ms, bytes)
            VALUES (\(time), 'stripe', 'GET', '/x', 1, 1)
            """)
    }

    @Test func `makes the days of the request log ahead, and moves what came before its day was made`()
        async throws
    {
        let ledger = try await Ledger()
        let retention = RetentionStore(pool: ledger.pool)
        #expect(try await days(ledger).count == 4)
        #expect(try await retention.makeDays() == 0)

        // A scheduler that was away: tomorrow has no partition.
        _ = try await ledger.pool.query(
            """
            DO $$ BEGIN EXECUTE 'DROP TABLE lockstep.api_log_'
                || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD'); END $$
            """)
        try await insertRequest(ledger, at: "now() + interval '1 day'")
        try await insertRequest(ledger, at: "now()")
        #expect(try await ledger.count("lockstep.api_log_default") == 1)

        #expect(try await retention.makeDays() == 1)
        #expect(try await ledger.count("lockstep.api_log_default") == 0)
        #expect(try await ledger.count("lockstep.api_log") == 2)
        #expect(try await days(ledger).count == 4)
    }

    @Test func `drops whole days of the request log when they are over, and no day before`() async throws {
        let ledger = try await Ledger()
        let retention = RetentionStore(pool: ledger.pool)
        for day in [8, 9, 6] {
            _ = try await ledger.pool.query(
                """
                DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - \(day); BEGIN
                    EXECUTE format('CREATE TABLE lockstep.%I PARTITION OF lockstep.api_log FOR VALUES FROM (%L) TO (%L)',
                        'api_log_' || to_char(d, 'YYYYMMDD'), d::timestamp AT TIME ZONE 'UTC',
                        (d + 1)::timestamp AT TIME ZONE 'UTC'); END $$
                """)
            try await insertRequest(ledger, at: "now() - interval '\(day) days'")
        }
        try await insertRequest(ledger, at: "now() - interval '20 days'")
        try await insertRequest(ledger, at: "now() - interval '2 days'")

        let week = Duration.seconds(7 * 86_400)
        #expect(try await retention.dropDay(olderThan: week))
        #expect(try await retention.dropDay(olderThan: week))
        #expect(try await !retention.dropDay(olderThan: week))
        #expect(try await retention.expire(.apiLog, olderThan: week, limit: 10) == 1)
        #expect(try await ledger.count("lockstep.api_log WHERE at < now() - interval '7 days'") == 0)
        #expect(try await ledger.count("lockstep.api_log") == 2)
    }

    @Test func `keeps of the sync log what runs, what is young, and the newest success of an integration`()
        async throws
    {
        let ledger = try await Ledger()
        let other = try await IntegrationStore(pool: ledger.pool).add(
            IntegrationKey(userID: "u_2", service: "stripe"), configuration: Array("{}".utf8)
        ).id
        func insert(_ job: String, _ integration: Int64, _ status: String, days: Int) async throws {
            let completed = status == "running" ? "NULL" : "now() - interval '\(days) days'"
            _ = try await ledger.pool.query(
                """
                WITH run AS (
                    INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type,
                        status, worker, fence, started_at, completed_at)
                    VALUES ('\(job)', 1, \(integration), 'u', 'stripe', 'default', 'full', '\(status)', 'w', 1,
                        now() - interval '\(days) days', \(completed)) RETURNING id
                ) INSERT INTO lockstep.sync_log_streams (sync_id, stream) SELECT id, 's' FROM run
                """)
        }
        try await insert("superseded success", ledger.integrationID, "succeeded", days: 100)
        try await insert("failure", ledger.integrationID, "failed", days: 99)
        try await insert("newest success", ledger.integrationID, "succeeded", days: 98)
        try await insert("failure after it", ledger.integrationID, "failed", days: 97)
        try await insert("running", ledger.integrationID, "running", days: 96)
        try await insert("young failure", ledger.integrationID, "failed", days: 10)
        try await insert("only success", other, "succeeded", days: 200)
        try await insert("of nobody", 999_999, "succeeded", days: 200)

        let retention = RetentionStore(pool: ledger.pool)
        let age = Duration.seconds(90 * 86_400)
        #expect(try await retention.expire(.syncLog, olderThan: age, limit: 3) == 3)
        #expect(try await retention.expire(.syncLog, olderThan: age, limit: 10) == 1)
        #expect(try await retention.expire(.syncLog, olderThan: age, limit: 10) == 0)

        let rows = try await ledger.pool.query("SELECT job_id FROM lockstep.sync_log ORDER BY 1")
        #expect(
            (0..<rows.count).compactMap { rows.text($0, 0) }
                == ["newest success", "only success", "running", "young failure"])
        #expect(try await ledger.count("lockstep.sync_log_streams") == 4)
    }

    @Test func `deletes old deletions and events that are done with, and none that wait`() async throws {
        let ledger = try await Ledger()
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, deleted_at, sync_id)
            SELECT \(ledger.integrationID), 's', n::text, 'absence', now() - n * interval '1 day' + interval '1 hour', 1
            FROM generate_series(1, 100) n
            """)
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.webhook_events
                (integration_id, service, account, event_id, event_type, received_at, status, raw)
            SELECT \(ledger.integrationID), 'stripe', 'a', status || days, 't', now() - days * interval '1 day', status, ''
            FROM unnest(ARRAY['received', 'processing', 'done', 'failed', 'ignored']) status,
                unnest(ARRAY[1, 40]) days
            """)
        let retention = RetentionStore(pool: ledger.pool)

        let month = Duration.seconds(30 * 86_400)
        #expect(try await retention.expire(.deletions, olderThan: month, limit: 1_000) == 70)
        #expect(try await ledger.count("lockstep.deletions") == 30)
        #expect(try await retention.expire(.webhookEvents, olderThan: month, limit: 1_000) == 3)
        #expect(
            try await ledger.count("lockstep.webhook_events WHERE status IN ('received', 'processing')") == 4)
        #expect(try await ledger.count("lockstep.webhook_events") == 7)
        // Who is out of service for so long does not get what was told meanwhile, but a sync.
        _ = try await ledger.pool.query("UPDATE lockstep.integrations SET status = 'reauth_required'")
        #expect(try await retention.expire(.webhookEvents, olderThan: month, limit: 1_000) == 1)
    }

    @Test func `never deletes the newest slot of a schedule, nor one that still has jobs to enqueue`()
        async throws
    {
        let ledger = try await Ledger()
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.schedule_fires (schedule_id, fire_at, state)
            SELECT s.id, now() - days * interval '1 day', CASE days WHEN 300 THEN 'enqueueing' ELSE 'enqueued' END
            FROM lockstep.schedules s, unnest(ARRAY[100, 200, 300]) days
            """)

        let expired = try await RetentionStore(pool: ledger.pool).expire(
            .scheduleFires, olderThan: .seconds(90 * 86_400), limit: 1_000)

        #expect(expired == 2)
        #expect(
            try await ledger.count("lockstep.schedule_fires WHERE fire_at > now() - interval '150 days'") == 2
        )
        #expect(try await ledger.count("lockstep.schedule_fires WHERE state = 'enqueueing'") == 2)
    }

    @Test func `deletes old dead letters of subscriptions, and none that the feed or a replay needs`()
        async throws
    {
        let ledger = try await Ledger()
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.subscriptions (id, url, key_id, ciphertext, cursor_xid, cursor_row, base_xid, base_row)
            VALUES (1, 'https://receiver.example', 'k', '', 100, 5, 0, 0)
            """)
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.subscription_events (subscription_id, change_xid, change_row, integration_id, stream,
                external_id, event, status, failed_at, due_at)
            SELECT 1, xid, place, 1, 's', name, 'record.added', status, now() - failed * interval '1 day',
                now() - due * interval '1 day'
            FROM (VALUES (90, 1, 'old', 'dead', 40, NULL::int), (100, 5, 'old, the last one', 'dead', 40, NULL),
                (90, 2, 'young', 'dead', 20, NULL), (90, 3, 'replayed', 'dead', 40, 0),
                (90, 4, 'replayed in vain', 'dead', 40, 40), (100, 6, 'not passed', 'dead', 40, NULL),
                (90, 7, 'failing', 'failing', 40, NULL)) AS t (xid, place, name, status, failed, due)
            """)
        let retention = RetentionStore(pool: ledger.pool)
        let month = Duration.seconds(30 * 86_400)

        #expect(try await retention.expire(.subscriptionEvents, olderThan: month, limit: 2) == 2)
        #expect(try await retention.expire(.subscriptionEvents, olderThan: month, limit: 10) == 1)

        let rows = try await ledger.pool.query(
            "SELECT external_id FROM lockstep.subscription_events ORDER BY 1")
        #expect(
            (0..<rows.count).compactMap { rows.text($0, 0) } == [
                "failing", "not passed", "replayed", "young",
            ])
    }
}

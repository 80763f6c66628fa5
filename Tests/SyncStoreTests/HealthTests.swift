// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

/// `integration_health`, and what dashboards may see of alerts and subscriptions.
@Suite struct `The health` {
    /// Adds a finished run of each letter, the oldest first: S succeeded, F failed.
    private func run(_ ledger: Ledger, _ outcomes: String, of integration: Int64 = 1, hours: Int64 = 1)
        async throws
    {
        for outcome in outcomes {
            _ = try await ledger.pool.query(
                """
                INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker,
                    fence, started_at, completed_at)
                SELECT 'j', 1, id, user_id, service, account, 'full', $2, 'w', 1, now() - $3::bigint * interval '1 hour', now()
                FROM lockstep.integrations WHERE id = $1
                """,
                [.int(integration), .text(outcome == "S" ? "succeeded" : "failed"), .int(hours)])
        }
    }

    private func status(_ ledger: Ledger, of integration: Int64? = 1) async throws -> String? {
        let rows = try await ledger.pool.query(
            """
            SELECT status FROM lockstep.integration_health
            WHERE integration_id IS NOT DISTINCT FROM $1::bigint AND service = 'stripe'
            """, [integration.map { .int($0) } ?? .null])
        return rows.count == 1 ? rows.text(0, 0) : nil
    }

    @Test(arguments: [
        // No data is idle, never down.
        ("", "idle"), ("S", "healthy"),
        // Too few runs to be down, whatever their share.
        ("F", "degraded"), ("FF", "degraded"), ("FFF", "down"), ("SSSSSSSSSFFF", "down"),
        // One success ends it; a share counts from five runs on.
        ("FFFS", "healthy"), ("FFFSS", "degraded"), ("SFSS", "healthy"), ("SFSSS", "degraded"),
        ("SFSSSSSSSS", "healthy"), ("SSSSSSSSSF", "degraded"),
    ])
    func `of an integration goes by failures in a row, and by a share of enough runs`(
        _ outcomes: String, _ expected: String
    ) async throws {
        let ledger = try await Ledger()
        try await run(ledger, outcomes)
        #expect(try await status(ledger) == expected)
    }

    @Test func `of an integration without a run in a day is idle`() async throws {
        let ledger = try await Ledger()
        try await run(ledger, "FFFF", hours: 25)
        #expect(try await status(ledger) == "idle")
    }

    @Test func `of a service is down only when enough of its accounts are`() async throws {
        let ledger = try await Ledger()
        for user in 2...4 {
            _ = try await IntegrationStore(pool: ledger.pool).add(
                IntegrationKey(userID: "u_\(user)", service: "stripe"), configuration: Array("{}".utf8))
        }
        #expect(try await status(ledger, of: nil) == "idle")
        try await run(ledger, "FFF", of: 1)
        #expect(try await status(ledger, of: nil) == "degraded")
        try await run(ledger, "FFF", of: 2)
        #expect(try await status(ledger, of: nil) == "down")
        try await run(ledger, "S", of: 3)
        #expect(try await status(ledger, of: nil) == "degraded")
    }

    @Test func `and what is told of alerts may be seen by dashboards, no address, secret or record`()
        async throws
    {
        let ledger = try await Ledger()
        func asks(_ sql: String) async throws -> Bool {
            do {
                try await ledger.pool.transaction { connection in
                    _ = try await connection.query("SET LOCAL ROLE lockstep_dashboard")
                    _ = try await connection.query(sql)
                }
                return true
            } catch let error as PostgresError where error.sqlstate == "42501" {
                return false
            }
        }
        for allowed in [
            "SELECT * FROM lockstep.alerts", "SELECT * FROM lockstep.alert_deliveries",
            "SELECT id, service, status, delivered FROM lockstep.subscriptions",
            "SELECT subscription_id, event, status, attempts FROM lockstep.subscription_events",
            "SELECT * FROM lockstep.integration_health",
        ] {
            #expect(try await asks(allowed), "\(allowed)")
        }
        for refused in [
            "SELECT url FROM lockstep.subscriptions", "SELECT ciphertext FROM lockstep.subscriptions",
            "SELECT user_id FROM lockstep.subscriptions",
            "SELECT external_id FROM lockstep.subscription_events",
            "SELECT data FROM lockstep.records", "UPDATE lockstep.alerts SET resolved_at = now()",
        ] {
            #expect(try await !asks(refused), "\(refused)")
        }
    }
}

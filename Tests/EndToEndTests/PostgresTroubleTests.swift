// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Model
import PostgresClient
import TestSupport
import Testing

/// After each trouble of Postgres the worker consumes again; while one lasts its health says so, its jobs wait in their
/// queues, and none is blamed.
@Suite(.serialized) struct `A worker whose Postgres is in trouble` {
    @Test func `goes on after resets, restarts, and connections that die without a word`() async throws {
        try await TroubledCluster.run { troubled in
            troubled.postgres.cut()
            try await troubled.consumes()

            _ = try await troubled.cluster.pool.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                """)
            try await troubled.consumes()

            try await troubled.cluster.processes.servers.restartPostgres()
            try await troubled.consumes()
            try await troubled.turnsGreen()

            troubled.postgres.refuse()
            troubled.postgres.cut()
            try await troubled.turnsRed(saying: "cannot connect to Postgres")
            troubled.postgres.heal()
            try await troubled.consumes()
            try await troubled.turnsGreen()

            troubled.postgres.swallow()
            try await troubled.turnsRed()
            troubled.postgres.heal()
            try await troubled.consumes()
            try await troubled.turnsGreen()
        }
    }

    @Test func `leaves jobs in their queue while it is read-only, or takes no more connections`() async throws
    {
        try await TroubledCluster.run(
            databaseUser: "app",
            prepare: { cluster in
                for statement in [
                    "CREATE ROLE app LOGIN", "GRANT ALL ON SCHEMA lockstep TO app",
                    "GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO app",
                    "GRANT ALL ON ALL SEQUENCES IN SCHEMA lockstep TO app",
                    "GRANT SELECT ON public.lockstep_migrations TO app",
                ] {
                    _ = try await cluster.pool.query(statement)
                }
            }
        ) { troubled in
            let pool = troubled.cluster.pool
            _ = try await pool.query("ALTER SYSTEM SET default_transaction_read_only = on")
            _ = try await pool.query("SELECT pg_reload_conf()")
            try await troubled.turnsRed(saying: "25006")
            try await troubled.keepsItsJobs()
            _ = try await pool.query("ALTER SYSTEM RESET default_transaction_read_only")
            _ = try await pool.query("SELECT pg_reload_conf()")
            try await troubled.consumes()
            try await troubled.turnsGreen()

            _ = try await pool.query("ALTER ROLE app CONNECTION LIMIT 0")
            _ = try await pool.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
            try await troubled.turnsRed(saying: "53300")
            try await troubled.keepsItsJobs()
            // Enough for the probe and one job at a time.
            _ = try await pool.query("ALTER ROLE app CONNECTION LIMIT 2")
            try await troubled.consumes()
            try await troubled.turnsGreen()
            _ = try await pool.query("ALTER ROLE app CONNECTION LIMIT -1")
            try await troubled.consumes()
        }
    }

    @Test func `waits for locks without holding up others, and tries again after a deadlock`() async throws {
        try await TroubledCluster.run { troubled in
            let pool = troubled.cluster.pool
            // The row of one integration.
            try await pool.transaction { connection in
                _ = try await connection.query(
                    "SELECT 1 FROM lockstep.integrations WHERE user_id = 'u_1' FOR UPDATE")
                _ = try await connection.query("SET LOCAL idle_in_transaction_session_timeout = 0")
                try await troubled.consumes()
                try await troubled.until(
                    """
                    EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock')
                    """)
                try await troubled.consumes()
            }
            let done = try await troubled.cluster.count(
                "sync_log WHERE user_id = 'u_1' AND status = 'succeeded'")
            try await troubled.until(
                "(SELECT count(*) FROM lockstep.sync_log WHERE user_id = 'u_1' AND status = 'succeeded') > \(done)",
                within: .seconds(60))

            // A table that somebody rewrites.
            try await pool.transaction { connection in
                _ = try await connection.query("SET LOCAL idle_in_transaction_session_timeout = 0")
                _ = try await connection.query("LOCK TABLE lockstep.sync_log IN ACCESS EXCLUSIVE MODE")
                try await troubled.turnsRed(saying: "55P03")
            }
            try await troubled.consumes()
            try await troubled.turnsGreen()

            try await deadlock(troubled)
            try await troubled.consumes()
        }
    }

    /// Takes what a checkpoint takes, in the other order; the worker's transaction is the one that is rolled back.
    private func deadlock(_ troubled: TroubledCluster) async throws {
        let pool = troubled.cluster.pool
        let before = try await Self.deadlocks(pool)
        var met = false
        for _ in 0..<20 where !met {
            try await troubled.until(
                "EXISTS (SELECT 1 FROM lockstep.sync_log WHERE user_id = 'u_1' AND status = 'running')")
            try await pool.transaction { connection in
                // Only the other side looks for a deadlock in time.
                _ = try await connection.query("SET LOCAL deadlock_timeout = '60s'")
                _ = try await connection.query("SET LOCAL idle_in_transaction_session_timeout = 0")
                _ = try await connection.query(
                    "SELECT 1 FROM lockstep.sync_log WHERE user_id = 'u_1' AND status = 'running' FOR UPDATE")
                try await ContinuousClock().sleep(for: .milliseconds(800))
                _ = try await connection.query(
                    "SELECT 1 FROM lockstep.integrations WHERE user_id = 'u_1' FOR UPDATE")
            }
            met = try await Self.deadlocks(pool) > before
        }
        #expect(met, "no deadlock came about")
    }

    private static func deadlocks(_ pool: PostgresPool) async throws -> Int64 {
        _ = try await pool.query("SELECT pg_stat_clear_snapshot()")
        return try await pool.query(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).int(0, 0) ?? 0
    }

    @Test func `tries one job at a time while the disk is full`() async throws {
        try await TroubledCluster.run { troubled in
            let pool = troubled.cluster.pool
            try await troubled.cluster.until(
                "integrations i WHERE NOT EXISTS (SELECT 1 FROM lockstep.sync_log l "
                    + "WHERE l.integration_id = i.id AND l.status = 'succeeded')", is: 0)
            // Postgres may write no file beyond this size, and reports that as a full disk. The limit has to be above a segment
            // of the write-ahead log, so the table is filled up to there first, with rows so small that no page has room left.
            let limit = 16 << 20
            _ = try await pool.query(
                "INSERT INTO lockstep.integrations (user_id, service) VALUES ('filler', 'filler')")
            _ = try await pool.query(
                """
                INSERT INTO lockstep.records (integration_id, stream, external_id, sync_id, data)
                SELECT currval('lockstep.integrations_id_seq'), 's', n::text, 0,
                    jsonb_build_object('text', repeat(md5(n::text), 6))
                FROM generate_series(1, 60000) n
                """)
            let size = try await pool.query("SELECT pg_relation_size('lockstep.records')").int(0, 0) ?? 0
            try #require(size > limit)

            // Half a block more than whole ones: a write that is cut short is what Postgres calls a full disk.
            try troubled.limitFiles(to: size + 4_096)
            for user in 1..<TroubledCluster.probe {
                _ = try await troubled.cluster.control("edit?user=u_\(user)&service=stripe&creates=200")
            }
            try await troubled.turnsRed(saying: "53100")
            try await troubled.keepsItsJobs()
            try troubled.limitFiles(to: nil)
            try await troubled.consumes()
            try await troubled.turnsGreen()
        }
    }
}

extension TroubledCluster {
    /// Waits until a condition of the ledger holds.
    fileprivate func until(
        _ condition: String, within limit: Duration = .seconds(90),
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while ContinuousClock.now < deadline {
            if try await cluster.pool.query("SELECT \(condition)").bool(0, 0) == true { return }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        Issue.record("not within \(limit): \(condition)", sourceLocation: location)
    }

    /// For some seconds the worker claims next to nothing: it does not take jobs only to fail them.
    fileprivate func keepsItsJobs() async throws {
        let counter = "lockstep_worker_jobs_claimed_total"
        let before = try await health.counter(counter)
        try await ContinuousClock().sleep(for: .seconds(3))
        let after = try await health.counter(counter)
        #expect(after - before <= 4, "\(after - before) jobs were claimed in 3 s")
    }

    /// Limits the size of the files that Postgres may write; nil for no limit.
    fileprivate func limitFiles(to size: Int64?) throws {
        let postmaster = cluster.processes.servers.postgres.processID
        // First of all the one that makes the others.
        try Self.limitFiles(of: String(postmaster), to: size)
        let children = try String(
            contentsOfFile: "/proc/\(postmaster)/task/\(postmaster)/children", encoding: .utf8)
        for child in children.split(separator: " ") { try Self.limitFiles(of: String(child), to: size) }
    }

    private static func limitFiles(of process: String, to size: Int64?) throws {
        let prlimit = Process()
        prlimit.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Limits may be set by the account alone that the process runs as.
        let account =
            getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
        let soft = size.map { "\($0)" } ?? "unlimited"
        prlimit.arguments = account + ["prlimit", "--pid", process, "--fsize=\(soft):unlimited"]
        prlimit.standardError = FileHandle.nullDevice
        try prlimit.run()
        prlimit.waitUntilExit()
        // A backend may have ended meanwhile.
        let isThere = FileManager.default.fileExists(atPath: "/proc/\(process)")
        #expect(prlimit.terminationStatus == 0 || !isThere)
    }
}

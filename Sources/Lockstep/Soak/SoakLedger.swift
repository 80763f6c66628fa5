// SPDX-License-Identifier: Apache-2.0

import JobQueue
import PostgresClient

/// What a soak asks the ledger.
struct SoakLedger {
    let pool: PostgresPool

    /// Notes each checkpoint that is written with a fence older than its integration's: there must be none.
    func watchFences() async throws {
        for statement in [
            "CREATE SCHEMA IF NOT EXISTS soak",
            "CREATE TABLE IF NOT EXISTS soak.stale (sync_id bigint, fence bigint, newest bigint)",
            """
            CREATE OR REPLACE FUNCTION soak.watch() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO soak.stale SELECT NEW.id, NEW.fence, i.fence FROM lockstep.integrations i
                WHERE i.id = NEW.integration_id AND i.fence > NEW.fence;
                RETURN NULL;
            END $$
            """,
            """
            CREATE OR REPLACE TRIGGER soak_watch AFTER UPDATE ON lockstep.sync_log FOR EACH ROW
            WHEN (NEW.checkpoints > OLD.checkpoints) EXECUTE FUNCTION soak.watch()
            """,
        ] { _ = try await pool.query(statement) }
    }

    /// The id of the newest run.
    func newestRun() async throws -> Int64 {
        try await pool.query("SELECT coalesce(max(id), 0) FROM lockstep.sync_log").int(0, 0) ?? 0
    }

    /// The users whose Stripe account was read whole by a run that began after a certain one: of a job of its own, or of an
    /// equal one that it was merged with.
    func succeeded(after runs: [Int: Int64]) async throws -> Set<Int> {
        let users = runs.keys.sorted()
        let rows = try await pool.query(
            """
            SELECT wanted.user_number FROM unnest($1::bigint[], $2::bigint[]) AS wanted (user_number, run)
            WHERE EXISTS (
                SELECT 1 FROM lockstep.sync_log l WHERE l.user_id = 'u_' || wanted.user_number AND l.service = 'stripe'
                    AND l.status = 'succeeded' AND l.id > wanted.run)
            """, [.intArray(users.map { Int64($0) }), .intArray(users.map { runs[$0] })])
        return Set((0..<rows.count).compactMap { rows.int($0, 0).map { Int($0) } })
    }

    /// The process ids of the workers that run a job, of which at most one is alive.
    func processes(running job: String) async throws -> Set<Int32> {
        let rows = try await pool.query(
            "SELECT worker FROM lockstep.sync_log WHERE status = 'running' AND job_id = $1", [.text(job)])
        // A worker's name is host, process and a random part.
        return Set(
            (0..<rows.count).compactMap {
                rows.text($0, 0)?.split(separator: "-").dropLast().last.flatMap { Int32($0) }
            })
    }

    /// Ends the connections of workers.
    func cutConnections() async throws {
        _ = try await pool.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND query NOT LIKE '%sync_log WHERE status%'
            """)
    }

    func count(_ sql: String) async throws -> Int {
        Int(try await pool.query("SELECT count(*) FROM \(sql)").int(0, 0) ?? -1)
    }

    /// Full syncs that read more or fewer records than there were, over all their attempts: a page took effect twice, or not
    /// at all. A job that was buried and replayed goes on where its first life ended, so its sum is another.
    func jobsWithOtherSums(objects: Int) async throws -> Int {
        let rows = try await pool.query(
            """
            SELECT count(*) FROM (
                SELECT job_id FROM lockstep.sync_log WHERE job_id LIKE 'soak-%' GROUP BY job_id
                HAVING bool_or(status = 'succeeded') AND NOT bool_or(status = 'failed') AND sum(records_read) <> $1
            ) wrong
            """, [.int(Int64(objects))])
        return Int(rows.int(0, 0) ?? -1)
    }
}

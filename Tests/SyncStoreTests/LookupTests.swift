// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `Looking up the records of an account` {
    /// Two accounts: when the table was analyzed it had the records of the first one alone, and the planner expects none of the
    /// second one. Returns its run.
    private static func connected(in fixture: Ledger) async throws -> OpenRun {
        let run = try await fixture.open()
        let rows = """
            INSERT INTO lockstep.records (integration_id, stream, external_id, content_hash, sync_id)
            SELECT $1, 's', 'r' || n, '\\x00', 1 FROM generate_series(1, $2::bigint) n
            """
        _ = try await fixture.pool.query("ALTER TABLE lockstep.records SET (autovacuum_enabled = false)")
        _ = try await fixture.pool.query(rows, [.int(run.integrationID + 1), .int(20_000)])
        _ = try await fixture.pool.query("ANALYZE lockstep.records")
        _ = try await fixture.pool.query(rows, [.int(run.integrationID), .int(10_000)])
        return run
    }

    /// How many rows of the table a statement reads, by the server's count, on a connection that has planned nothing before.
    private static func reads(
        _ fixture: Ledger, _ sql: String, _ parameters: [PostgresParameter]
    ) async throws -> Int64? {
        await fixture.pool.closeIdle()
        return try await fixture.pool.transaction { connection in
            _ = try await connection.query(sql, parameters)
            return try await connection.query(
                "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'records'"
            ).int(0, 0)
        }
    }

    /// A hundred ids, every other of which is stored.
    private static let ids =
        "ARRAY(SELECT CASE WHEN n % 2 = 0 THEN 'r' ELSE 'x' END || n FROM generate_series(1, 100) n)"

    @Test func `reads no more rows than are looked for when a page is compared`() async throws {
        let fixture = try await Ledger()
        let run = try await Self.connected(in: fixture)
        let read = try await Self.reads(
            fixture,
            """
            SELECT lockstep.diff_batch(
                $1, $2, 's', 1, '', 0, \(Self.ids), ARRAY(SELECT '\\x00'::bytea FROM generate_series(1, 100)),
                ARRAY(SELECT NULL::bigint FROM generate_series(1, 100)), ARRAY(SELECT false FROM generate_series(1, 100)))
            """, [.int(run.integrationID), .int(run.fence)])
        #expect(read.map { $0 <= 100 } == true, "\(read ?? -1) rows")
        #expect(try await fixture.count("lockstep.sync_seen WHERE cardinality(seqs) = 50") == 1)
    }

    /// As far as the planner sees no difference, it takes any of them.
    @Test func `has one index to choose from where no condition is repeated`() async throws {
        let fixture = try await Ledger()
        let rows = try await fixture.pool.query(
            """
            SELECT i.indexrelid::regclass::text FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = 'lockstep.records'::regclass AND a.attname = 'integration_id' AND i.indpred IS NULL
            """)
        #expect((0..<rows.count).compactMap { rows.text($0, 0) } == ["lockstep.records_pkey"])
    }

    @Test func `reads no more rows than are looked for when rejected records are noted`() async throws {
        let fixture = try await Ledger()
        let run = try await Self.connected(in: fixture)
        let read = try await Self.reads(
            fixture, "SELECT lockstep.note_rejected($1, 's', 1, '', 0, false, \(Self.ids))",
            [.int(run.integrationID)])
        #expect(read.map { $0 <= 100 } == true, "\(read ?? -1) rows")
        #expect(try await fixture.count("lockstep.sync_seen WHERE cardinality(seqs) = 50") == 1)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner
import PostgresClient
import Testing

@testable import SyncStore

@Suite struct `A batch of megabytes` {
    /// Records of 700 kB: no two fit into a statement.
    private static func large(_ ids: [String], version: Int = 1) -> [String] {
        ids.map { id in
            let letter = version == 1 ? "a" : "b"
            return #"{"id":"\#(id)","v":\#(version),"text":"\#(String(repeating: letter, count: 700_000))"}"#
        }
    }

    @Test func `has as many parts as statements of a megabyte, and each element once`() {
        let sizes = [0, 10, 600_000, 500_000, 2_000_000, 0, 1 << 20, 1]
        let parts = RecordBatch.parts(of: sizes) { $0 }
        #expect(parts == [[0, 10, 600_000], [500_000], [2_000_000], [0, 1 << 20], [1]])
        #expect(RecordBatch.parts(of: [Int]()) { $0 }.isEmpty)
    }

    @Test(arguments: [true, false])
    func `is written in one transaction, whatever it is made of`(byCopy: Bool) async throws {
        let fixture = try await Ledger()
        let run = try await fixture.open()
        let writer = CheckpointWriter(store: fixture.store, run: run)
        let broken = (1...3).map {
            #"{"id":"broken\#($0)","v":1,"text":"\#(String(repeating: "\\u0000", count: 120_000))"}"#
        }
        let counts = try await fixture.write(
            Self.large(["a", "b", "c", "d"]) + broken, in: run, writer: writer, firstLoad: byCopy)
        #expect(counts.added == 4 && counts.quarantined == 3)
        #expect(try await fixture.liveIDs() == ["a", "b", "c", "d"])
        let sizes = "lockstep.records WHERE octet_length(data->>'text') = 700000"
        #expect(try await fixture.count(sizes) == 4)
        #expect(try await fixture.count("lockstep.quarantine WHERE octet_length(raw) > 700000") == 3)
        #expect(try await fixture.count("lockstep.sync_log WHERE checkpoints = 1") == 1)

        let changed = try await fixture.write(
            Self.large(["a", "c", "d"], version: 2), in: run, writer: writer, page: 1)
        #expect(changed.updated == 3)
        #expect(try await fixture.count("lockstep.records WHERE data->>'text' LIKE 'bbb%'") == 3)
    }

    @Test func `is searched for what the server refuses in statements of a megabyte too`() async throws {
        let fixture = try await Ledger()
        // Sequences go on counting in what is rolled back.
        for sql in [
            "CREATE SEQUENCE statements", "CREATE SEQUENCE rows",
            """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM nextval(TG_ARGV[0]::regclass);
                RETURN CASE TG_LEVEL WHEN 'ROW' THEN NEW END;
            END
            $$
            """,
            """
            CREATE TRIGGER note_statement BEFORE INSERT ON lockstep.records
            FOR EACH STATEMENT EXECUTE FUNCTION note('public.statements')
            """,
            """
            CREATE TRIGGER note_row BEFORE INSERT ON lockstep.records
            FOR EACH ROW EXECUTE FUNCTION note('public.rows')
            """,
        ] {
            _ = try await fixture.pool.query(sql)
        }
        let run = try await fixture.open()
        let refused =
            #"{"id":"x","v":1,"n":1e400000,"text":"\#(String(repeating: "x", count: 700_000))"}"#
        let counts = try await fixture.write(
            Self.large(["a", "b", "c", "d"]) + [refused], in: run,
            writer: CheckpointWriter(store: fixture.store, run: run))
        #expect(counts.added == 4 && counts.quarantined == 1)
        #expect(try await fixture.liveIDs() == ["a", "b", "c", "d"])
        // No two of these records fit into a statement.
        let ran = try await fixture.pool.query("SELECT s.last_value, r.last_value FROM statements s, rows r")
        let (statements, rows) = try (#require(ran.int(0, 0)), #require(ran.int(0, 1)))
        #expect(rows >= 8 && rows <= statements, "\(rows) rows in \(statements) statements")
    }

    @Test func `keeps the first megabyte of a record that is too large`() async throws {
        let fixture = try await Ledger()
        let run = try await fixture.open()
        let writer = CheckpointWriter(store: fixture.store, run: run)
        let text = String(repeating: "x", count: 3 << 20)
        // They differ behind what is kept.
        let records = ["1", "2"].map { #"{"v":1,"id":"big","text":"\#(text)","n":\#($0)}"# }
        let counts = try await fixture.write(records, in: run, writer: writer)
        #expect(counts.quarantined == 2)
        #expect(try await fixture.count("lockstep.quarantine WHERE octet_length(raw) = 1048576") == 2)
    }
}

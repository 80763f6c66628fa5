// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing

@Suite struct `A checkpoint` {
    @Test(arguments: [true, false])
    func `counts what it added, changed and left alone`(byCopy: Bool) async throws {
        let ledger = try await Ledger()
        let first = try await ledger.open("1")
        let writer = CheckpointWriter(store: ledger.store, run: first)

        let added = try await ledger.write(makeRecords(0..<10), in: first, writer: writer, firstLoad: byCopy)
        let again = try await ledger.write(
            makeRecords(0..<8) + makeRecords(8..<10, version: 2, content: 1) + makeRecords(10..<11),
            in: first, writer: writer, page: 1)

        #expect(added.added == 10)
        #expect(again.unchanged == 8)
        #expect(again.updated == 2)
        #expect(again.added == 1)
        #expect(try await ledger.liveIDs().count == 11)
        let log = try await ledger.pool.query(
            "SELECT pages, records_added, records_updated, records_unchanged, checkpoints::bigint FROM lockstep.sync_log"
        )
        #expect((0..<5).map { log.int(0, $0) } == [2, 11, 2, 8, 2])
    }

    @Test func `a first load that meets a known record compares instead`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(makeRecords(0..<3), in: run, writer: writer, firstLoad: true)

        let counts = try await ledger.write(
            makeRecords(2..<5), in: run, writer: writer, page: 1, firstLoad: true)

        #expect(counts.added == 2)
        #expect(counts.unchanged == 1)
        #expect(await writer.metKnownRecord)
        #expect(try await ledger.liveIDs().count == 5)
    }

    @Test func `a version never goes backwards, and a tombstone is undone only by a newer version`()
        async throws
    {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write([#"{"id":"a","v":5,"n":5}"#], in: run, writer: writer)

        let older = try await ledger.write([#"{"id":"a","v":4,"n":4}"#], in: run, writer: writer, page: 1)
        let gone = try await ledger.write(
            [#"{"id":"a","v":6,"gone":true}"#], in: run, writer: writer, page: 2)
        let late = try await ledger.write([#"{"id":"a","v":6,"n":6}"#], in: run, writer: writer, page: 3)
        #expect(try await ledger.liveIDs() == [])
        let newer = try await ledger.write([#"{"id":"a","v":7,"n":7}"#], in: run, writer: writer, page: 4)

        #expect(older.unchanged == 1)
        #expect(gone.deleted == 1)
        #expect(late.unchanged == 1)
        #expect(newer.added == 1)
        #expect(try await ledger.count("lockstep.records WHERE data->>'n' = '7' AND version = 7") == 1)
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'tombstone'") == 1)
    }

    @Test func `a run that was closed because its job became a dead letter writes nothing`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open("poison")
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.store.closeRuns(ofJob: "another")
        try await ledger.write(makeRecords(0..<3), in: run, writer: writer)

        try await ledger.store.closeRuns(ofJob: "poison")

        await #expect(throws: StoreError.self) {
            try await ledger.write(makeRecords(3..<5), in: run, writer: writer, page: 1)
        }
        #expect(try await ledger.liveIDs().count == 3)
        let closed = "lockstep.sync_log WHERE status = 'failed' AND error_code = 'worker_died'"
        #expect(try await ledger.count(closed + " AND completed_at IS NOT NULL") == 1)
    }

    @Test(arguments: [true, false])
    func `keeps the response that a run failed of, as long as its row`(hasRecords: Bool) async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        let batch = hasRecords ? try Ledger.batch(makeRecords(0..<2), generation: nil, page: 0) : nil
        let response = KeptResponse(status: 200, size: 70_000, body: [0, 255, 123])
        let state = SliceState(stream: "s", partition: "")
        let update = SliceUpdate(state: state, counters: SyncCounters(), endedBy: nil, isFull: false)
        _ = try await writer.write(
            Checkpoint(
                batch: batch, updates: [update],
                end: RunEnd(.failed, errorCode: "records_missing", errorDetail: "d", response: response)))

        let rows = try await ledger.pool.query(
            "SELECT sync_id, status_code::bigint, size, body, integration_id FROM lockstep.kept_responses")
        #expect(rows.count == 1 && rows.int(0, 0) == run.syncID && rows.int(0, 1) == 200)
        #expect(rows.int(0, 2) == 70_000 && rows.bytes(0, 3) == [0, 255, 123])
        #expect(try await ledger.count("lockstep.sync_log WHERE status = 'failed'") == 1)
        _ = try await ledger.pool.query("DELETE FROM lockstep.sync_log")
        #expect(try await ledger.count("lockstep.kept_responses") == 0)
    }

    @Test func `tells the user when a run that waits continues`() async throws {
        let ledger = try await Ledger()
        func told(_ wait: Duration?) async throws -> String? {
            let run = try await ledger.open("\(wait ?? .zero)")
            let writer = CheckpointWriter(store: ledger.store, run: run)
            let end = RunEnd(
                .yielded, errorCode: "rate_limited",
                errorMessage: "Slack is limiting requests. The sync continues in a while.", errorDetail: "d",
                wait: wait)
            _ = try await writer.write(Checkpoint(batch: nil, updates: [], end: end))
            return try await ledger.pool.query(
                "SELECT error_message FROM lockstep.sync_log ORDER BY id DESC LIMIT 1"
            ).text(0, 0)
        }
        let start = "Slack is limiting requests. The sync continues"

        #expect(try await told(nil) == "\(start) in a while.")
        #expect(try await told(.seconds(20)) == "\(start) in a moment.")
        // The minute in which it continues, by the server's clock, which goes on meanwhile.
        func minutes(_ format: String, in wait: String) async throws -> Set<String> {
            let rows = try await ledger.pool.query(
                """
                SELECT to_char((date_trunc('minute', now() + interval '\(wait)') + n * interval '1 minute')
                    AT TIME ZONE 'UTC', '\(format)') FROM generate_series(-1, 1) n
                """)
            return Set((0..<3).compactMap { rows.text($0, 0) })
        }
        let soon = try #require(try await told(.seconds(330)))
        let allowed = try await minutes("HH24:MI", in: "330 seconds")
        #expect(allowed.contains { soon == "\(start) at \($0) UTC." }, "\(soon)")
        let late = try #require(try await told(.seconds(30 * 3_600)))
        let days = try await minutes("YYYY-MM-DD", in: "30 hours")
        #expect(days.contains { late.hasPrefix("\(start) on \($0) at ") }, "\(late)")
    }

    @Test func `deletes what does not outlive a deleted record, in its slice alone`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        for partition in ["p", "q"] {
            try await ledger.write(
                [
                    #"{"id":"a","v":1}"#, #"{"id":"b","v":1,"of":"a"}"#, #"{"id":"c","of":"a"}"#,
                    #"{"id":"d","v":1,"of":"x"}"#, #"{"id":"e","v":1}"#,
                ], in: run, writer: writer, partition: partition)
        }

        let other = try await ledger.write(
            [#"{"id":"a","v":0,"gone":true}"#], in: run, writer: writer, page: 1, partition: "p")
        let counts = try await ledger.write(
            [#"{"id":"a","v":2,"gone":true}"#, #"{"id":"e","v":2,"gone":true}"#], in: run, writer: writer,
            page: 2, partition: "p")

        // An older tombstone deletes nothing, and nothing with it.
        #expect(other.deleted == 0)
        #expect(counts.deleted == 4)
        #expect(
            try await ledger.liveIDs() == ["p/d", "q/a", "q/b", "q/c", "q/d", "q/e"])
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'gone'") == 2)
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'tombstone'") == 2)
    }

    @Test func `a tombstone of an unknown id keeps an older version out`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)

        try await ledger.write([#"{"id":"a","v":6,"gone":true}"#], in: run, writer: writer)
        try await ledger.write([#"{"id":"a","v":5,"n":5}"#], in: run, writer: writer, page: 1)

        #expect(try await ledger.liveIDs() == [])
        #expect(try await ledger.count("lockstep.deletions") == 0)
    }

    @Test func `of two records with one id in a batch the higher version stays`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)

        let counts = try await ledger.write(
            [#"{"id":"a","v":5}"#, #"{"id":"a","v":7,"n":7}"#, #"{"id":"a","v":6}"#], in: run, writer: writer,
            firstLoad: true)

        #expect(counts.added == 1)
        #expect(try await ledger.count("lockstep.records WHERE version = 7") == 1)
    }

    @Test func `ids that only look alike are two records`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)

        try await ledger.write(["{\"id\":\"\u{E9}\"}", "{\"id\":\"e\u{301}\"}"], in: run, writer: writer)

        #expect(try await ledger.liveIDs().count == 2)
    }

    @Test(arguments: [true, false])
    func `a record that Postgres refuses goes to quarantine and the rest is written`(byCopy: Bool)
        async throws
    {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        let bad = [
            "{\"id\":\"b1\",\"n\":1e400000}", "{\"id\":\"b2\",\"n\":01}", "{\"id\":\"b3\",\"t\":\"\\u0000\"}",
        ]

        let counts = try await ledger.write(
            makeRecords(0..<20) + bad + makeRecords(20..<30), in: run, writer: writer, firstLoad: byCopy)

        #expect(counts.added == 30)
        #expect(counts.quarantined == 3)
        #expect(try await ledger.liveIDs().count == 30)
        let kept = try await ledger.pool.query(
            "SELECT reason, raw FROM lockstep.quarantine ORDER BY external_id")
        #expect(
            (0..<3).map { kept.text($0, 0) } == ["refused_by_store", "refused_by_store", "nul_character"])
        #expect((0..<3).compactMap { kept.bytes($0, 1) }.map { String(decoding: $0, as: UTF8.self) } == bad)
    }

    /// Bytes that cannot be compressed, as the longest index entry is counted after compression.
    private static func text(_ count: Int) -> String {
        var state: UInt64 = 88_172_645_463_325_252
        return String(
            decoding: (0..<count).map { _ -> UInt8 in
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                return Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)[
                    Int(state % 64)]
            }, as: UTF8.self)
    }

    @Test(arguments: [true, false])
    func `the deepest record and the longest ids that are taken can be stored`(byCopy: Bool) async throws {
        let ledger = try await Ledger()
        // Every later session of the database has the smallest stack that a server can be given.
        let name = try await ledger.pool.query("SELECT current_database()").text(0, 0) ?? ""
        _ = try await ledger.pool.query("ALTER DATABASE \(name) SET max_stack_depth = '100kB'")
        _ = try await ledger.pool.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        let deep =
            "{\"id\":\"deep\",\"x\":" + String(repeating: "[", count: 255)
            + String(repeating: "]", count: 255) + "}"
        let deeper =
            "{\"id\":\"deeper\",\"x\":" + String(repeating: "[", count: 20_000)
            + String(repeating: "]", count: 20_000) + "}"

        let whole = try await ledger.write(
            [deep, deeper, "{\"id\":\"\(Self.text(2_000))\"}", "{\"id\":\"\(Self.text(2_001))\"}"], in: run,
            writer: writer, firstLoad: byCopy)
        #expect(whole.added == 2)
        #expect(whole.quarantined == 2)

        // A child's id begins with its parent's, and one index has both.
        let parent = Self.text(1_000)
        let child = try await ledger.write(
            ["{\"id\":\"\(Self.text(499))\"}", "{\"id\":\"\(Self.text(500))\"}"], in: run, writer: writer,
            firstLoad: byCopy, partition: parent)
        #expect(child.added == 1)
        #expect(child.quarantined == 1)
        let reasons = try await ledger.pool.query("SELECT reason FROM lockstep.quarantine ORDER BY 1")
        #expect(
            (0..<reasons.count).compactMap { reasons.text($0, 0) } == [
                "id_too_long", "id_too_long", "too_deep",
            ])
    }

    @Test(arguments: [true, false])
    func `a record that is too much for the server alone goes to quarantine`(byCopy: Bool) async throws {
        let ledger = try await Ledger()
        // What the scanner cannot know: an index that somebody added, whose entries end at 2,704 bytes.
        _ = try await ledger.pool.query("CREATE INDEX own ON lockstep.records ((data ->> 't'))")
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        let bad = "{\"id\":\"b\",\"t\":\"\(Self.text(3_000))\"}"

        let counts = try await ledger.write(
            makeRecords(0..<20) + [bad] + makeRecords(20..<30), in: run, writer: writer, firstLoad: byCopy)

        #expect(counts.added == 30)
        #expect(counts.quarantined == 1)
        let kept = try await ledger.pool.query("SELECT reason, raw FROM lockstep.quarantine")
        #expect(kept.text(0, 0) == "refused_by_store")
    }

    @Test func `a run whose fence was taken writes nothing`() async throws {
        let ledger = try await Ledger()
        let old = try await ledger.open("1")
        let writer = CheckpointWriter(store: ledger.store, run: old)
        _ = try await ledger.open("2")

        for firstLoad in [true, false] {
            let error = await #expect(throws: StoreError.self) {
                try await ledger.write(makeRecords(0..<3), in: old, writer: writer, firstLoad: firstLoad)
            }
            #expect(error?.code == .staleFence)
        }
        #expect(try await ledger.liveIDs() == [])
        let log = try await ledger.pool.query("SELECT status FROM lockstep.sync_log ORDER BY id")
        #expect((0..<2).map { log.text($0, 0) } == ["superseded", "running"])
    }

    @Test func `an ended run takes no more checkpoints`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(makeRecords(0..<3), in: run, writer: writer, end: RunEnd(.succeeded))

        await #expect(throws: StoreError.self) {
            try await ledger.write(makeRecords(3..<6), in: run, writer: writer, page: 1)
        }

        #expect(try await ledger.liveIDs().count == 3)
    }

    @Test func `an integration that is not active opens no run`() async throws {
        let ledger = try await Ledger()
        _ = try await IntegrationStore(pool: ledger.pool).setStatus(
            of: ledger.integrationID, to: "paused", from: ["active"])
        let request = RunRequest(
            jobID: "j", attempt: 1, worker: "w", type: .full, enqueuedAt: nil, integration: .key(ledger.key))

        guard case .inactive(let status) = try await ledger.store.begin(request) else {
            Issue.record("the run was opened")
            return
        }

        #expect(status == "paused")
        #expect(try await ledger.count("lockstep.sync_log") == 0)
    }

    @Test func `a state comes back as it was saved`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        var state = SliceState(stream: "s", partition: "")
        state.cursor = SliceState.StoredCursor(text: "2026-01-01T00:00:00Z", order: 17)
        state.pending = SliceState.StoredCursor(text: "tök", order: nil)
        state.phase = .incremental
        state.generation = 3
        state.position = "{\"p\":1}"
        state.page = 12

        _ = try await CheckpointWriter(store: ledger.store, run: run).write(
            Checkpoint(
                batch: nil,
                updates: [SliceUpdate(state: state, counters: SyncCounters(), endedBy: nil, isFull: false)]))

        #expect(try await ledger.open("2").slices == [state])
    }
}

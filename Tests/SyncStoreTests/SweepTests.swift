// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner
import PostgresClient
import TestSupport
import Testing

@testable import SyncStore

@Suite struct `An absence sweep` {
    /// Runs one complete generation that shows these records, and settles it.
    private func generation(
        _ number: Int64, _ records: [String], in ledger: Ledger, twoRuns: Bool = false, partition: String = ""
    ) async throws -> SweepOutcome {
        let run = try await ledger.open("g\(number)")
        let writer = CheckpointWriter(store: ledger.store, run: run)
        let half = records.count / 2
        try await ledger.write(
            Array(records[..<half]), in: run, writer: writer, generation: number, partition: partition)
        try await ledger.write(
            Array(records[half...]), in: run, writer: writer, generation: number, page: 1, ended: true,
            partition: partition)
        let outcome = try await ledger.store.sweep(
            run, stream: "s", partition: partition, generation: number, guard: .standard,
            needsTwoRuns: twoRuns)
        _ = try await writer.write(Checkpoint(batch: nil, updates: [], end: RunEnd(.succeeded)))
        return outcome
    }

    @Test func `deletes exactly what a complete generation did not show`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<100), in: ledger)

        let outcome = try await generation(2, makeRecords(0..<95) + makeRecords(100..<110), in: ledger)

        #expect(outcome == SweepOutcome(isHeld: false, deleted: 5))
        #expect(try await ledger.liveIDs().count == 105)
        let deleted = try await ledger.pool.query(
            "SELECT external_id, reason FROM lockstep.deletions ORDER BY external_id")
        #expect(
            (0..<deleted.count).map { deleted.text($0, 0) }
                == ["r0095", "r0096", "r0097", "r0098", "r0099"])
        #expect(deleted.text(0, 1) == "absence")
        #expect(try await ledger.count("lockstep.sync_seen") == 0)
        #expect(try await ledger.count("lockstep.sync_log WHERE records_deleted = 5") == 1)
        #expect(
            try await ledger.count("lockstep.sync_state WHERE phase = 'idle' AND last_full_at IS NOT NULL")
                == 1)
    }

    @Test func `a record that was absent and comes back lives again`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<10), in: ledger)
        _ = try await generation(2, makeRecords(0..<9), in: ledger)

        _ = try await generation(3, makeRecords(0..<10), in: ledger)

        #expect(try await ledger.liveIDs().count == 10)
    }

    @Test func `is held when it would delete too much, until a second run agrees`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<200), in: ledger)

        let first = try await generation(2, makeRecords(0..<100), in: ledger)
        #expect(first == SweepOutcome(isHeld: true, deleted: 0))
        #expect(try await ledger.liveIDs().count == 200)
        #expect(
            try await ledger.count("lockstep.alerts WHERE kind = 'sweep_held' AND resolved_at IS NULL") == 1)

        let second = try await generation(3, makeRecords(0..<101), in: ledger)
        #expect(second == SweepOutcome(isHeld: false, deleted: 99))
        #expect(try await ledger.liveIDs().count == 101)
        #expect(try await ledger.count("lockstep.alerts WHERE resolved_at IS NULL") == 0)
    }

    @Test func `a second run that finds other rows absent is held as well`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<200), in: ledger)
        _ = try await generation(2, makeRecords(0..<100), in: ledger)

        let other = try await generation(3, makeRecords(100..<200), in: ledger)

        #expect(other.isHeld)
        #expect(try await ledger.liveIDs().count == 200)
    }

    @Test(arguments: [false, true])
    func `of a list with a record that has no id proves nothing to the next one`(twoRuns: Bool) async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<200), in: ledger, twoRuns: twoRuns)

        let unread = try await generation(
            2, makeRecords(0..<100) + [#"{"v":1}"#], in: ledger, twoRuns: twoRuns)
        let first = try await generation(3, makeRecords(0..<100), in: ledger, twoRuns: twoRuns)
        #expect(unread.isHeld && first.isHeld)
        #expect(try await ledger.liveIDs().count == 200)
        #expect(try await ledger.count("lockstep.sweeps WHERE reason = 'unread' AND generation = 2") == 1)

        let second = try await generation(4, makeRecords(0..<100), in: ledger, twoRuns: twoRuns)
        #expect(second == SweepOutcome(isHeld: false, deleted: 100))
    }

    @Test func `takes an id whose bytes were mended for nobody's`() {
        func named(_ id: String, _ reason: RejectedRecord.Reason) -> [UInt8]? {
            RejectedRecord(reason: reason, externalID: Array(id.utf8), range: 0..<1).namedID
        }
        #expect(named("a?", .invalidUTF8) == nil)
        #expect(named("a", .invalidUTF8) != nil && named("a?", .nulCharacter) != nil)
    }

    @Test func `of a drifting list deletes only what two runs in a row missed`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<30), in: ledger, twoRuns: true)

        let first = try await generation(2, makeRecords(2..<30), in: ledger, twoRuns: true)
        let second = try await generation(
            3, makeRecords([0]) + makeRecords(2..<29), in: ledger, twoRuns: true)

        #expect(first.deleted == 0)
        #expect(second.deleted == 1)
        #expect(try await ledger.liveIDs().count == 29)
        let third = try await generation(4, makeRecords([0]) + makeRecords(2..<29), in: ledger, twoRuns: true)
        #expect(third.deleted == 1)
        #expect(try await ledger.liveIDs().count == 28)
    }

    @Test func `a few rows of a small stream are not held`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<40), in: ledger)

        #expect(
            try await generation(2, makeRecords(0..<2), in: ledger)
                == SweepOutcome(isHeld: false, deleted: 38))
    }

    @Test func `of one parent's slice leaves the others alone`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<5), in: ledger, partition: "cal_a")
        _ = try await generation(1, makeRecords(0..<5), in: ledger, partition: "cal_b")

        let outcome = try await generation(2, makeRecords(0..<4), in: ledger, partition: "cal_a")

        #expect(outcome.deleted == 1)
        #expect(try await ledger.liveIDs().filter { $0.hasPrefix("cal_a/") }.count == 4)
        #expect(try await ledger.liveIDs().filter { $0.hasPrefix("cal_b/") }.count == 5)
    }

    @Test func `children of a deleted parent are gone`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(makeRecords(0..<5), in: run, writer: writer, partition: "cal_a")
        try await ledger.write(makeRecords(0..<5), in: run, writer: writer, partition: "cal_b")
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id, deleted_at, deleted_by)
            VALUES ($1, 'calendars', 'cal_a', '{}', 1, now(), 'tombstone'), ($1, 'calendars', 'cal_b', '{}', 1, NULL, NULL)
            """, [.int(ledger.integrationID)])

        #expect(try await ledger.store.deleteOrphans(run, stream: "s", parent: "calendars") == 5)
        #expect(try await ledger.store.deleteOrphans(run, stream: "s", parent: "calendars") == 0)
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'gone'") == 5)
        #expect(try await ledger.count("lockstep.sync_state WHERE partition = 'cal_a'") == 0)
    }

    @Test func `an interrupted sweep starts over and deletes the same rows`() async throws {
        let ledger = try await Ledger()
        _ = try await generation(1, makeRecords(0..<20), in: ledger)
        let dead = try await ledger.open("2")
        let writer = CheckpointWriter(store: ledger.store, run: dead)
        try await ledger.write(makeRecords(0..<18), in: dead, writer: writer, generation: 2, ended: true)

        let heir = try await ledger.open("2", attempt: 2)
        #expect(heir.slices.first?.phase == .sweep)
        let stale = await #expect(throws: StoreError.self) {
            try await ledger.store.sweep(
                dead, stream: "s", partition: "", generation: 2, guard: .standard, needsTwoRuns: false)
        }
        #expect(stale?.code == .staleFence)
        let outcome = try await ledger.store.sweep(
            heir, stream: "s", partition: "", generation: 2, guard: .standard, needsTwoRuns: false)

        #expect(outcome.deleted == 2)
    }
}

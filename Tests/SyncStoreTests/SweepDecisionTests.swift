// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `A decision about a held sweep` {
    /// A ledger with 200 records, of which a complete generation showed 100.
    private func held() async throws -> (Ledger, HeldSweep) {
        let ledger = try await Ledger()
        try await generation(1, makeRecords(0..<200), in: ledger)
        try await generation(2, makeRecords(0..<100), in: ledger)
        let sweep = try #require(
            try await SweepDecisions(pool: ledger.pool).held(after: 0, limit: 10).first)
        return (ledger, sweep)
    }

    private func generation(_ number: Int64, _ records: [String], in ledger: Ledger) async throws {
        let run = try await ledger.open("g\(number)")
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(records, in: run, writer: writer, generation: number, ended: true)
        _ = try await ledger.store.sweep(
            run, stream: "s", partition: "", generation: number, guard: .standard, needsTwoRuns: false)
        _ = try await writer.write(Checkpoint(batch: nil, updates: [], end: RunEnd(.succeeded)))
    }

    @Test func `that approves deletes what was absent, once`() async throws {
        let (ledger, sweep) = try await held()
        #expect(sweep.absent == 100 && sweep.live == 200 && sweep.key == ledger.key)
        let decisions = SweepDecisions(pool: ledger.pool)

        #expect(try await decisions.decide(sweep.id, approve: true) == .decided(deleted: 100))

        #expect(try await ledger.liveIDs().count == 100)
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'absence'") == 100)
        #expect(try await ledger.count("lockstep.alerts WHERE resolved_at IS NULL") == 0)
        #expect(try await ledger.count("lockstep.sweep_items") == 0)
        #expect(try await decisions.decide(sweep.id, approve: true) == .notHeld("published"))
        #expect(try await decisions.decide(sweep.id + 1_000, approve: true) == .unknown)
    }

    @Test func `that rejects deletes nothing, and the next full sync is weighed anew`() async throws {
        let (ledger, sweep) = try await held()
        #expect(
            try await SweepDecisions(pool: ledger.pool).decide(sweep.id, approve: false)
                == .decided(deleted: 0))
        #expect(try await ledger.liveIDs().count == 200)
        #expect(try await ledger.count("lockstep.alerts WHERE resolved_at IS NULL") == 0)

        try await generation(3, makeRecords(0..<100), in: ledger)
        #expect(try await ledger.liveIDs().count == 200)
        #expect(try await ledger.count("lockstep.sweeps WHERE status = 'held'") == 1)
    }

    @Test func `spares what was written or seen since`() async throws {
        let (ledger, sweep) = try await held()
        // A newer enumeration is under way: it changed one of the absent records and saw another as it was.
        let run = try await ledger.open("g3")
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(
            makeRecords(150..<151, version: 2, content: 1) + makeRecords(160..<161), in: run, writer: writer,
            generation: 3)

        let outcome = try await SweepDecisions(pool: ledger.pool).decide(sweep.id, approve: true)

        #expect(outcome == .decided(deleted: 98))
        let live = try await ledger.liveIDs()
        #expect(live.contains("r0150") && live.contains("r0160") && live.count == 102)
    }

    @Test func `spares what a newer list of a stretch of time has seen, and not what an older one has`()
        async throws
    {
        let (ledger, sweep) = try await held()
        // Their generations are the negative numbers of their runs; the held sweep is of the second run.
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.sync_seen (integration_id, stream, generation, partition, page, seqs)
            SELECT r.integration_id, r.stream, n.generation, '', 1, ARRAY[r.seq]
            FROM lockstep.records r JOIN (VALUES ('r0150', -9), ('r0160', -1)) n (id, generation)
                ON n.id = r.external_id
            """)

        #expect(
            try await SweepDecisions(pool: ledger.pool).decide(sweep.id, approve: true)
                == .decided(deleted: 99))

        let live = try await ledger.liveIDs()
        #expect(live.contains("r0150") && !live.contains("r0160"))
    }
}

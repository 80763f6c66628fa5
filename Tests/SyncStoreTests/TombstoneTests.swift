// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `A tombstone without a version` {
    /// A ledger whose record `a` has version 5 and was deleted by a tombstone without one in a run of its own.
    private func deleted(ago minutes: Int64, version: Int = 5) async throws -> Ledger {
        let ledger = try await Ledger()
        try await write([#"{"id":"a","v":\#(version),"n":1}"#], in: ledger)
        try await write([#"{"id":"a","gone":true}"#], in: ledger, generation: nil)
        #expect(try await ledger.liveIDs() == [])
        #expect(try await ledger.count("lockstep.records WHERE deleted_by = 'gone' AND version = 5") == 1)
        #expect(try await ledger.count("lockstep.deletions WHERE reason = 'tombstone'") == 1)
        for relation in ["records", "deletions"] {
            _ = try await ledger.pool.query(
                "UPDATE lockstep.\(relation) SET deleted_at = deleted_at - $1::bigint * interval '1 minute'",
                [.int(minutes)])
        }
        return ledger
    }

    /// Writes a page in a run of its own.
    private func write(_ records: [String], in ledger: Ledger, generation: Int64? = 1, page: Int64 = 0)
        async throws
    {
        let run = try await ledger.open("\(records)")
        let writer = CheckpointWriter(store: ledger.store, run: run)
        if let generation {
            try await ledger.write(records, in: run, writer: writer, generation: generation, page: page)
        } else {
            _ = try await writer.write(
                Checkpoint(batch: try Ledger.batch(records, generation: nil, page: page), updates: []))
        }
    }

    private static let unchanged = [#"{"id":"a","v":5,"n":1}"#]

    @Test func `is undone by the unchanged object when a later sync shows it`() async throws {
        let ledger = try await deleted(ago: 60)
        try await write(Self.unchanged, in: ledger, generation: 2)
        #expect(try await ledger.liveIDs() == ["a"])
    }

    @Test func `is undone by it when it is fetched later, or among changes`() async throws {
        let ledger = try await deleted(ago: 60)
        try await write(Self.unchanged, in: ledger, generation: nil)
        #expect(try await ledger.liveIDs() == ["a"])
    }

    @Test(arguments: [2, nil] as [Int64?])
    func `stands against a list that lags`(generation: Int64?) async throws {
        let ledger = try await deleted(ago: 5)
        try await write(Self.unchanged, in: ledger, generation: generation)
        #expect(try await ledger.liveIDs() == [])
    }

    @Test func `stands against a late page of a full sync that began before`() async throws {
        let ledger = try await deleted(ago: 30)
        try await write([#"{"id":"b","v":1}"#], in: ledger, generation: 2)
        _ = try await ledger.pool.query(
            "UPDATE lockstep.sync_state SET generation_started_at = now() - interval '1 hour'")

        try await write(Self.unchanged, in: ledger, generation: 2, page: 1)

        #expect(try await ledger.liveIDs() == ["b"])
    }

    @Test func `stands against a late page of its own run`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(Self.unchanged, in: run, writer: writer)
        try await ledger.write([#"{"id":"a","gone":true}"#], in: run, writer: writer, page: 1)

        try await ledger.write(Self.unchanged, in: run, writer: writer, page: 2)
        #expect(try await ledger.liveIDs() == [])
        try await ledger.write([#"{"id":"a","v":6,"n":1}"#], in: run, writer: writer, page: 3)
        #expect(try await ledger.liveIDs() == ["a"])
    }

    @Test func `is never undone by an older version, and at once by a newer one`() async throws {
        let ledger = try await deleted(ago: 60)
        try await write([#"{"id":"a","v":4,"n":1}"#], in: ledger, generation: 2)
        #expect(try await ledger.liveIDs() == [])
        let fresh = try await deleted(ago: 0)
        try await write([#"{"id":"a","v":6,"n":1}"#], in: fresh, generation: nil)
        #expect(try await fresh.liveIDs() == ["a"])
    }

    @Test func `is no tombstone with one: that stands until a newer version comes`() async throws {
        let ledger = try await Ledger()
        try await write([#"{"id":"a","v":5,"n":1}"#], in: ledger)
        try await write([#"{"id":"a","v":5,"gone":true}"#], in: ledger)
        _ = try await ledger.pool.query(
            "UPDATE lockstep.records SET deleted_at = deleted_at - interval '1 day'")
        try await write(Self.unchanged, in: ledger, generation: 2)
        #expect(try await ledger.liveIDs() == [])
    }

    @Test func `of an object without versions is undone by any later appearance`() async throws {
        let ledger = try await Ledger()
        try await write([#"{"id":"a","n":1}"#], in: ledger)
        try await write([#"{"id":"a","gone":true}"#], in: ledger)
        try await write([#"{"id":"a","n":1}"#], in: ledger, generation: 2)
        #expect(try await ledger.liveIDs() == ["a"])
    }

    @Test func `of a parent takes children that come back with it at once`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        let writer = CheckpointWriter(store: ledger.store, run: run)
        try await ledger.write(Self.unchanged, in: run, writer: writer, partition: "p")
        _ = try await ledger.pool.query(
            """
            INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id, deleted_at, deleted_by)
            VALUES ($1, 'parents', 'p', '{}', 1, now(), 'gone')
            """, [.int(ledger.integrationID)])
        #expect(try await ledger.store.deleteOrphans(run, stream: "s", parent: "parents") == 1)

        try await ledger.write(Self.unchanged, in: run, writer: writer, partition: "p")

        #expect(try await ledger.liveIDs() == ["p/a"])
    }
}

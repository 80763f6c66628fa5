// SPDX-License-Identifier: Apache-2.0

import Model
import TestSupport
import Testing

@testable import PostgresClient
@testable import SyncStore

/// Ids that begin with a parent's of 1,000 bytes make small records large, where they are written and where they are compared.
@Suite struct `Small records below a long id` {
    private static let parent = String(repeating: "p", count: 1_000)
    private static let count = 3_000

    private static func size(_ statement: PostgresStatement) -> Int {
        statement.parameters.reduce(into: 0) { sum, parameter in
            var bytes: [UInt8] = []
            _ = parameter.encode(into: &bytes)
            sum += bytes.count
        }
    }

    @Test func `are copied, compared, written and put aside a megabyte at a time`() async throws {
        let run = try await Ledger().open()
        let refused = (0..<Self.count).map { #"{"id":"x\#($0)","v":1,"n":"\u0000"}"# }
        let batch = try Ledger.batch(
            makeRecords(0..<Self.count) + refused, generation: 1, page: 0, partition: Self.parent)
        let rejected = batch.rejectedParts()
        let verdicts = batch.parts(of: (0..<Self.count).map { Int64($0 * 4) })
        let sizes = [
            "copied": RecordBatch.CopyData(batch, run).map(\.count),
            "compared": batch.diffParts().map { Self.size(batch.diffStatement(run, $0)) },
            "written": verdicts.map { Self.size(batch.writeStatement(run, $0)) },
            "quarantined": rejected.map { Self.size(batch.quarantineStatement(run, $0)) },
            "noted": rejected.compactMap { batch.rejectedStatement(run, $0) }.map(Self.size),
        ]
        for (what, sizes) in sizes {
            #expect(sizes.allSatisfy { $0 <= RecordBatch.statementBytes }, "\(what): \(sizes)")
            #expect(sizes.count > 2, "\(what)")
        }
        #expect(verdicts.map(\.count).reduce(0, +) == Self.count)
        #expect(rejected.map(\.count).reduce(0, +) == Self.count)
    }

    @Test func `are compared as one batch, of which all that was seen is remembered`() async throws {
        let fixture = try await Ledger()
        let run = try await fixture.open()
        let writer = CheckpointWriter(store: fixture.store, run: run)
        let first = try await fixture.write(
            makeRecords(0..<Self.count), in: run, writer: writer, firstLoad: true, partition: Self.parent)
        #expect(first.added == Self.count)

        // The first and the last ones differ, and one of them cannot be stored any more.
        let records =
            makeRecords(0..<2, content: 1) + makeRecords(2..<Self.count - 2)
            + makeRecords(Self.count - 2..<Self.count - 1, content: 1)
            + [#"{"id":"r\#(Self.count - 1)","v":1,"n":"\u0000"}"#]
        let second = try await fixture.write(
            records, in: run, writer: writer, page: 1, partition: Self.parent)
        #expect(second.updated == 3 && second.unchanged == Self.count - 4 && second.quarantined == 1)
        let rows = try await fixture.pool.query(
            "SELECT right(external_id, 5) FROM lockstep.records WHERE data->>'n' = '1' ORDER BY external_id")
        #expect((0..<rows.count).map { rows.text($0, 0) } == ["r0000", "r0001", "r2998"])
        let seen = "(SELECT DISTINCT unnest(seqs) FROM lockstep.sync_seen WHERE page >= 0) seen"
        #expect(try await fixture.count(seen) == Self.count - 3)
    }
}

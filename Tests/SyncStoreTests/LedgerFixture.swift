// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model
import PageScanner
import PostgresClient
import SyncStore
import TestSupport
import Testing

/// A migrated database of its own, with one integration.
struct Ledger {
    let pool: PostgresPool
    let store: SyncStore
    let integrationID: Int64
    let key = IntegrationKey(userID: "u_1", service: "stripe")

    init() async throws {
        var configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        configuration.maxConnections = 4
        pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        store = SyncStore(pool: pool)
        integrationID = try await IntegrationStore(pool: pool).add(key, configuration: Array("{}".utf8)).id
    }

    /// Opens a run of the integration.
    func open(_ job: String = "job", attempt: Int = 1, type: JobType = .full) async throws -> OpenRun {
        let start = try await store.begin(
            RunRequest(
                jobID: job, attempt: attempt, worker: "w", type: type, enqueuedAt: nil,
                integration: .key(key)))
        guard case .opened(let run) = start else {
            throw UnexpectedStart(start: start)
        }
        return run
    }

    /// Writes one page of the stream `s`, and ends the enumeration when told.
    @discardableResult
    func write(
        _ records: [String], in run: OpenRun, writer: CheckpointWriter, generation: Int64 = 1,
        page: Int64 = 0,
        ended: Bool = false, firstLoad: Bool = false, end: RunEnd? = nil, partition: String = ""
    ) async throws -> CheckpointCounts {
        var state = SliceState(stream: "s", partition: partition)
        state.generation = generation
        state.phase = ended ? .sweep : .full
        state.page = page + 1
        let batch = try Self.batch(records, generation: generation, page: page, partition: partition)
        var counters = SyncCounters()
        counters.pages = 1
        counters.recordsRead = Int64(records.count)
        return try await writer.write(
            Checkpoint(
                batch: batch,
                updates: [
                    SliceUpdate(
                        state: state, counters: counters, endedBy: ended ? "has_more_false" : nil,
                        isFull: true)
                ], end: end, isFirstLoad: firstLoad))
    }

    static func batch(
        _ records: [String], generation: Int64?, page: Int64, partition: String = ""
    ) throws -> RecordBatch {
        var batch = RecordBatch(
            stream: "s", partition: partition, generation: generation, firstPage: page,
            memberOf: try JSONPointer("/of"))
        let plan = ScanPlan(
            records: try JSONPointer("/data"), id: [try JSONPointer("/id")],
            version: ScalarRule(pointer: try JSONPointer("/v"), kind: .integer),
            tombstones: [TombstoneRule(pointer: try JSONPointer("/gone"), equals: .bool(true))])
        let scanned = try PageScanner(plan: plan).scan(
            Array("{\"data\":[\(records.joined(separator: ","))]}".utf8))
        let hashes = scanned.records.map { record in
            scanned.withUnsafeBytes { _, identifiers in
                IdentifierHash.of(UnsafeRawBufferPointer(rebasing: identifiers[record.identifierRange]))
            }
        }
        batch.append(scanned, identifierHashes: hashes, hasher: ContentHasher())
        return batch
    }

    /// The live ids of the stream `s`, in order.
    func liveIDs() async throws -> [String] {
        let rows = try await pool.query(
            "SELECT external_id FROM lockstep.records WHERE deleted_at IS NULL ORDER BY external_id")
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM \(sql)").int(0, 0) ?? -1
    }

    struct UnexpectedStart: Error {
        let start: RunStart
    }
}

/// Records `{"id":"r0001","v":1,"n":…}`.
func makeRecords(_ numbers: some Sequence<Int>, version: Int = 1, content: Int = 0) -> [String] {
    numbers.map { number in
        let digits = String(number)
        let padded = String(repeating: "0", count: 4 - digits.count) + digits
        return "{\"id\":\"r\(padded)\",\"v\":\(version),\"n\":\(content)}"
    }
}

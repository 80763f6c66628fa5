// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner
import PostgresClient

/// What a checkpoint did to the records.
public struct CheckpointCounts: Sendable, Equatable {
    /// Records that were not there before, or were deleted.
    public var added = 0
    /// Records whose content changed.
    public var updated = 0
    /// Records that became tombstones.
    public var deleted = 0
    /// Records with the same content hash as before.
    public var unchanged = 0
    /// Records that were put aside with a reason.
    public var quarantined = 0

    /// All zero.
    public init() {}
}

/// One transaction of a run: a slice's records, its state, and the end of the run if this is it.
public struct Checkpoint: Sendable {
    /// The records of the pages; nil when only the state of slices changes.
    public var batch: RecordBatch?
    /// The slice of the batch, or further slices that only moved.
    public var updates: [SliceUpdate]
    /// Ends the run in the same transaction; nil while it goes on.
    public var end: RunEnd?
    /// The slice has no records yet: load them with COPY, and compare only if one turns out to be known.
    public var isFirstLoad: Bool

    /// What is committed together, in one transaction.
    public init(
        batch: RecordBatch?, updates: [SliceUpdate], end: RunEnd? = nil, isFirstLoad: Bool = false
    ) {
        self.batch = batch
        self.updates = updates
        self.end = end
        self.isFirstLoad = isFirstLoad
    }
}

/// Writes the checkpoints of one run, in their order; its caller waits for one before it asks for the next.
///
/// It counts the committed ones: after a lost connection that count tells whether the last one took effect.
public actor CheckpointWriter {
    private let store: SyncStore
    private let run: OpenRun
    private var committed: Int64 = 0
    /// A first load met a known record: the rest of the slice is compared.
    public private(set) var metKnownRecord = false

    /// A writer for one run; it commits under the run's fence.
    public init(store: SyncStore, run: OpenRun) {
        self.store = store
        self.run = run
    }

    private func note(_ checkpoint: Checkpoint) {
        committed += 1
        var sum = SyncCounters()
        for update in checkpoint.updates { sum += update.counters }
        store.committed(run, sum)
    }

    /// Writes one checkpoint, all of it or nothing. A record that the server refuses is moved to quarantine, and the rest
    /// is written.
    public func write(_ checkpoint: Checkpoint) async throws(StoreError) -> CheckpointCounts {
        var checkpoint = checkpoint
        var attempt = 0
        while true {
            do throws(StoreError) {
                let counts = try await writeOnce(checkpoint)
                note(checkpoint)
                return counts
            } catch {
                switch error.code {
                case .duplicate where checkpoint.isFirstLoad:
                    checkpoint.isFirstLoad = false
                    metKnownRecord = true
                case .badData:
                    guard let batch = checkpoint.batch else { throw error }
                    checkpoint.batch = try await quarantiningRefused(batch)
                    checkpoint.isFirstLoad = false
                case .contended where error.underlying?.sqlstate?.hasPrefix("40") == true:
                    attempt += 1
                    guard attempt < 3 else { throw error }
                case .commitUnknown:
                    let isThere = try await tookEffect()
                    store.resolvedCommit(isThere)
                    if isThere {
                        note(checkpoint)
                        return CheckpointCounts(verdictUnknown: checkpoint)
                    }
                    attempt += 1
                    guard attempt < 3 else { throw error }
                default:
                    throw error
                }
            }
        }
    }

    private func writeOnce(_ checkpoint: Checkpoint) async throws(StoreError) -> CheckpointCounts {
        guard let batch = checkpoint.batch, !batch.isEmpty else {
            if let response = checkpoint.end?.response {
                try await writeEnd(checkpoint, response)
                return CheckpointCounts()
            }
            let known = parameters(checkpoint, CheckpointCounts())
            _ = try await store.grouped {
                PostgresStatement(StoreSQL.checkpoint, known + [.text($0), Self.wait(checkpoint)])
            }
            return CheckpointCounts()
        }
        let byCopy = checkpoint.isFirstLoad && !batch.hasTombstones
        let compared = byCopy ? [] : batch.diffParts()
        let opening =
            compared.first.map { batch.diffStatement(run, $0) }
            ?? PostgresStatement(StoreSQL.checkFence, [.int(run.integrationID), .int(run.fence)])
        let outcome = LockedBox(CheckpointCounts())
        do {
            try await store.pool.transaction(
                opening: [opening], lockLimit: SyncStore.lockLimit, longest: Self.deadline
            ) {
                connection, rows in
                var counts = CheckpointCounts()
                var closing: [PostgresStatement] = []
                if byCopy {
                    counts.added = try await connection.copyIn(
                        StoreSQL.copyRecords, data: RecordBatch.CopyData(batch, run), deadline: Self.deadline)
                } else {
                    var verdicts: [Int64] = []
                    for part in compared {
                        let answers =
                            part.number == 0
                            ? rows : try await connection.pipeline([batch.diffStatement(run, part)])
                        verdicts += batch.verdicts(answers.first, of: part)
                    }
                    counts = CheckpointCounts(verdicts: verdicts, of: batch)
                    let parts = batch.parts(of: verdicts)
                    for part in parts.dropLast() {
                        _ = try await connection.pipeline([batch.writeStatement(run, part)])
                    }
                    let last = parts.last.map { batch.writeStatement(run, $0) }
                    if let last, let members = batch.membersStatement(run, verdicts) {
                        let answers = try await connection.pipeline([last, members])
                        counts.deleted += Int(answers.last?.int(0, 0) ?? 0)
                    } else if let last {
                        closing.append(last)
                    }
                }
                let rejected = batch.rejectedParts()
                for part in rejected.dropLast() {
                    let statements = [batch.quarantineStatement(run, part)]
                    _ = try await connection.pipeline(
                        statements + [batch.rejectedStatement(run, part)].compactMap { $0 })
                }
                if let last = rejected.last {
                    closing.append(batch.quarantineStatement(run, last))
                    if let statement = batch.rejectedStatement(run, last) { closing.append(statement) }
                }
                counts.quarantined = batch.rejected.count
                outcome.withLock { $0 = counts }
                if let response = checkpoint.end?.response { closing.append(statement(response)) }
                closing.append(
                    PostgresStatement(
                        StoreSQL.checkpoint, parameters(checkpoint, counts) + [.null, Self.wait(checkpoint)]))
                return closing
            }
        } catch {
            throw StoreError(mapping: error)
        }
        return outcome.withLock { $0 }
    }

    /// The end of a run without further records, with the response that it failed of.
    private func writeEnd(_ checkpoint: Checkpoint, _ response: KeptResponse) async throws(StoreError) {
        let opening = PostgresStatement(StoreSQL.checkFence, [.int(run.integrationID), .int(run.fence)])
        let closing = [
            statement(response),
            PostgresStatement(
                StoreSQL.checkpoint,
                parameters(checkpoint, CheckpointCounts()) + [.null, Self.wait(checkpoint)]),
        ]
        do {
            try await store.pool.transaction(opening: [opening], lockLimit: SyncStore.lockLimit) { _, _ in
                closing
            }
        } catch {
            throw StoreError(mapping: error)
        }
    }

    private func statement(_ response: KeptResponse) -> PostgresStatement {
        PostgresStatement(
            StoreSQL.keepResponse,
            [
                .int(run.integrationID), .int(run.syncID), .optional(response.status.map { Int64($0) }),
                .int(Int64(response.size)), .bytea(response.body),
            ])
    }

    /// Waits for the transaction of the lost connection to end, and reads whether it was committed.
    private func tookEffect() async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.countCheckpoints, [.int(run.integrationID), .int(run.syncID)])
        return (rows.int(0, 0) ?? 0) > committed
    }

    /// Finds the records whose data the server refuses, by halves, each half tried in a transaction that is rolled back.
    private func quarantiningRefused(_ batch: RecordBatch) async throws(StoreError) -> RecordBatch {
        var result = batch
        var suspects = [0..<batch.entries.count]
        var refused: [Int] = []
        while let range = suspects.popLast() {
            guard try await isRefused(batch.part(range)) else { continue }
            if range.count == 1 {
                refused.append(range.lowerBound)
            } else {
                let middle = range.lowerBound + range.count / 2
                suspects += [range.lowerBound..<middle, middle..<range.upperBound]
            }
        }
        guard !refused.isEmpty else {
            throw StoreError(.unexpectedReply, "Postgres refused a batch, and none of its records alone")
        }
        for index in refused.sorted(by: >) { result.reject(entryAt: index, reason: .refusedByStore) }
        return result
    }

    private func isRefused(_ part: RecordBatch) async throws(StoreError) -> Bool {
        let verdicts = (0..<part.entries.count).map { Int64($0 * 4) }
        do {
            try await store.pool.transaction(opening: []) { connection, _ in
                for piece in part.parts(of: verdicts) {
                    _ = try await connection.pipeline([part.writeStatement(run, piece)])
                }
                throw TrialEnd()
            }
        } catch is TrialEnd {
            return false
        } catch {
            let mapped = StoreError(mapping: error)
            if case .badData = mapped.code { return true }
            throw mapped
        }
        return false
    }

    private static func wait(_ checkpoint: Checkpoint) -> PostgresParameter {
        .optional(checkpoint.end?.wait?.wholeMilliseconds)
    }

    /// All but the limit of waits for locks, and the wait until the job continues.
    private func parameters(_ checkpoint: Checkpoint, _ counts: CheckpointCounts) -> [PostgresParameter] {
        var counters: [Int64?] = []
        for (index, update) in checkpoint.updates.enumerated() {
            var total = update.counters
            if index == 0 {
                total.recordsAdded += Int64(counts.added)
                total.recordsUpdated += Int64(counts.updated)
                total.recordsDeleted += Int64(counts.deleted)
                total.recordsUnchanged += Int64(counts.unchanged)
                total.recordsQuarantined += Int64(counts.quarantined)
            }
            counters += total.columns
        }
        let states = checkpoint.updates.map(\.state)
        func texts(_ values: [String?]) -> PostgresParameter {
            .textArray(values.map { $0.map { Array($0.utf8) } })
        }
        return [
            .int(run.integrationID), .int(run.fence), .int(run.syncID),
            texts(states.map(\.stream)), texts(states.map(\.partition)),
            texts(states.map { $0.cursor?.text }), .intArray(states.map { $0.cursor?.order }),
            texts(states.map { $0.pending?.text }), .intArray(states.map { $0.pending?.order }),
            texts(states.map(\.phase.rawValue)), .intArray(states.map(\.generation)),
            texts(states.map(\.position)), .intArray(states.map(\.page)),
            texts(checkpoint.updates.map(\.endedBy)), .boolArray(checkpoint.updates.map(\.isFull)),
            .intArray(counters), .optional(checkpoint.end?.status.rawValue),
            .optional(checkpoint.end?.errorCode), .optional(checkpoint.end?.errorMessage),
            .optional(checkpoint.end?.errorDetail),
        ]
    }

    /// A batch is bounded, so this much time means a server in distress.
    private static let deadline: Duration = .seconds(60)
}

/// Ends a trial transaction without keeping what it did.
private struct TrialEnd: Error {}

extension CheckpointCounts {
    /// The counts that the verdicts of `diff_batch` stand for.
    init(verdicts: [Int64], of batch: RecordBatch) {
        for verdict in verdicts {
            switch verdict & 3 {
            case 0: added += 1
            case 1: updated += 1
            case 2: deleted += 1
            default: break
            }
        }
        // A tombstone of an unknown id changes no record that anyone could see.
        let kept = verdicts.count { $0 & 3 == 3 }
        unchanged = batch.recordCount - batch.rejected.count - added - updated - deleted - kept
    }

    /// Stands in where the answer to a committed checkpoint was lost: the log in Postgres has the real counts.
    init(verdictUnknown checkpoint: Checkpoint) {
        quarantined = checkpoint.batch?.rejected.count ?? 0
    }
}

extension SyncCounters {
    /// In the order of the columns of `sync_log_streams`.
    var columns: [Int64] {
        [
            pages, apiCalls, bytesRead, recordsRead, recordsAdded, recordsUpdated, recordsDeleted,
            recordsUnchanged, recordsQuarantined, throttledMilliseconds,
        ]
    }
}

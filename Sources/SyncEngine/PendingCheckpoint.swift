// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import Model
import PageScanner
import SyncStore

/// What a run has read and not yet written. It holds the records of one slice at a time, and any number of slices that
/// only moved.
struct PendingCheckpoint {
    private(set) var batch: RecordBatch?
    private var updates: [SliceUpdate] = []
    private var isFirstLoad = false
    private(set) var oldest: ContinuousClock.Instant?

    var isEmpty: Bool { batch == nil && updates.isEmpty }

    /// Whether it should be written now.
    func isDue(_ limits: EngineConfiguration, now: ContinuousClock.Instant) -> Bool {
        if updates.count >= Self.updateLimit { return true }
        if let oldest, now - oldest >= limits.batchAge { return true }
        guard let batch else { return false }
        return batch.recordCount >= limits.batchRecords || batch.byteCount >= limits.batchBytes
    }

    /// Whether records of this slice and generation may be added to what is there.
    func accepts(_ state: SliceState, generation: Int64?) -> Bool {
        guard let batch else { return true }
        return batch.stream == state.stream && isPartition(batch.partition, of: state)
            && batch.generation == generation
    }

    /// Adds a page's records.
    mutating func add(
        _ page: Page, identifierHashes: [UInt64], of state: SliceState, generation: Int64?,
        pageNumber: Int64, memberOf: JSONPointer? = nil, isFirstLoad: Bool, hasher: ContentHasher,
        now: ContinuousClock.Instant
    ) {
        oldest = oldest ?? now
        let (scanned, unnamed) = (page.scanned, page.unnamed)
        guard !scanned.records.isEmpty || !scanned.rejected.isEmpty || !unnamed.isEmpty else { return }
        var grown =
            batch
            ?? RecordBatch(
                stream: state.stream, partition: state.partition, generation: generation,
                firstPage: pageNumber, memberOf: memberOf)
        // Taken out while it grows, so that it is never copied.
        batch = nil
        grown.append(scanned, identifierHashes: identifierHashes, hasher: hasher)
        if let listed = page.listed { grown.append(unnamed: unnamed, of: listed) }
        batch = grown
        self.isFirstLoad = isFirstLoad
    }

    /// Notes a slice's newest state and what it counted.
    mutating func note(
        _ state: SliceState, counters: SyncCounters = SyncCounters(),
        ended: (by: String, isFull: Bool)? = nil
    ) {
        let index = updates.firstIndex {
            $0.state.stream == state.stream && isPartition($0.state.partition, of: state)
        }
        var sum = counters
        if let index { sum += updates[index].counters }
        let update = SliceUpdate(
            state: state, counters: sum, endedBy: ended?.by, isFull: ended?.isFull ?? false)
        if let index { updates[index] = update } else { updates.append(update) }
    }

    /// Empties it into a checkpoint; the store counts the batch's records for the first update.
    mutating func take(end: RunEnd? = nil) -> Checkpoint {
        defer { self = PendingCheckpoint() }
        if let batch,
            let index = updates.firstIndex(where: {
                $0.state.stream == batch.stream && isPartition(batch.partition, of: $0.state)
            })
        {
            updates.swapAt(0, index)
        }
        return Checkpoint(batch: batch, updates: updates, end: end, isFirstLoad: isFirstLoad)
    }

    private func isPartition(_ partition: String, of state: SliceState) -> Bool {
        ExactText(partition) == ExactText(state.partition)
    }

    /// Slices that only moved are cheap, but a dead worker would read them again.
    private static let updateLimit = 64
}

// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// What Redis has to hold, as the ledger knows it.
public struct DispatchRecord: Sendable, Equatable {
    /// Changes when Redis lost its content.
    public let epoch: String
    /// The last beat that Redis has acknowledged in this epoch.
    public let beat: Int64
    /// Whether Redis has acknowledged the epoch.
    public let isConfirmed: Bool

    /// A row of the ledger.
    public init(epoch: String, beat: Int64, isConfirmed: Bool) {
        self.epoch = epoch
        self.beat = beat
        self.isConfirmed = isConfirmed
    }
}

/// The ledger's side of the mark by which schedulers see that Redis lost what was enqueued.
public struct DispatchStore: Sendable {
    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Nil before the first scheduler of this ledger.
    public func read() async throws(StoreError) -> DispatchRecord? {
        let rows = try await store.query(StoreSQL.dispatchRead, [])
        guard rows.count > 0 else { return nil }
        guard let epoch = rows.text(0, 0), let beat = rows.int(0, 1), let isConfirmed = rows.bool(0, 2) else {
            throw StoreError(.unexpectedReply, "the dispatch row has a missing value")
        }
        return DispatchRecord(epoch: epoch, beat: beat, isConfirmed: isConfirmed)
    }

    /// Begins the first epoch, unless another scheduler did.
    public func start(_ epoch: String) async throws(StoreError) {
        _ = try await store.query(StoreSQL.dispatchStart, [.text(epoch)])
    }

    /// Notes that Redis has acknowledged a beat.
    public func confirm(_ epoch: String, beat: Int64) async throws(StoreError) {
        _ = try await store.query(StoreSQL.dispatchBeat, [.text(epoch), .int(beat)])
    }

    /// Ends an epoch whose content Redis lost, and opens the newest slot of each schedule again. Nil when another
    /// scheduler did it; else how many slots were opened.
    public func lose(_ epoch: String, next: String) async throws(StoreError) -> Int64? {
        let rows = try await store.query(StoreSQL.dispatchLose, [.text(epoch), .text(next)])
        return rows.bool(0, 0) == true ? rows.int(0, 1) : nil
    }
}

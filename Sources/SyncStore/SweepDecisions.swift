// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// A sweep that waits for a decision.
public struct HeldSweep: Sendable {
    /// The sweep's own number.
    public let id: Int64
    /// The integration's number.
    public let integrationID: Int64
    /// Whose account it is.
    public let key: IntegrationKey
    /// The stream that was enumerated.
    public let stream: String
    /// Records that the enumeration did not show.
    public let absent: Int64
    /// Records that were live then.
    public let live: Int64
    /// Live records of child streams that belong to the absent ones: they go with them.
    public let children: Int64
    /// Why it is held: `many`, `children`, `unread` or `second_run`; nil when that was not noted.
    public let reason: String?
    /// When it was made.
    public let heldSince: Timestamp
    /// The run that made it.
    public let runID: Int64
}

/// Decides about sweeps that are held because they would delete too much.
public struct SweepDecisions: Sendable {
    /// What came of a decision.
    public enum Outcome: Sendable, Equatable {
        /// It was held, and is decided now; how many records were deleted.
        case decided(deleted: Int64)
        /// It is not held; its status, such as `published`.
        case notHeld(String)
        /// There is no such sweep.
        case unknown
    }

    private let store: SyncStore

    /// Decisions in that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Sweeps that are held, after an id, the oldest first.
    public func held(after id: Int64, limit: Int) async throws(StoreError) -> [HeldSweep] {
        let rows = try await store.query(StoreSQL.heldSweeps, [.int(id), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            HeldSweep(
                id: rows.int(row, 0) ?? 0, integrationID: rows.int(row, 1) ?? 0,
                key: IntegrationKey(
                    userID: rows.text(row, 2) ?? "", service: rows.text(row, 3) ?? "",
                    account: rows.text(row, 4) ?? ""), stream: rows.text(row, 5) ?? "",
                absent: rows.int(row, 6) ?? 0, live: rows.int(row, 7) ?? 0,
                children: rows.int(row, 10) ?? 0, reason: rows.text(row, 11),
                heldSince: rows.timestamp(row, 8) ?? Timestamp(seconds: 0), runID: rows.int(row, 9) ?? 0)
        }
    }

    /// Deletes what the sweep marked, but for rows that were written or seen since; or rejects it, which deletes nothing.
    public func decide(_ id: Int64, approve: Bool) async throws(StoreError) -> Outcome {
        let rows = try await store.query(
            StoreSQL.decideSweep, [.int(id), .bool(approve)], deadline: .seconds(300))
        guard rows.count > 0 else { return .unknown }
        guard rows.bool(0, 0) == true else { return .notHeld(rows.text(0, 1) ?? "") }
        return .decided(deleted: rows.int(0, 2) ?? 0)
    }
}

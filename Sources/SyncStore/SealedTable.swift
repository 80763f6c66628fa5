// SPDX-License-Identifier: Apache-2.0

import PostgresClient

/// A table whose rows are sealed by a key of the vault, so that a rotation can reach them.
public protocol SealedTable: Sendable {
    /// The next rows, by id, that another key than `keyID` seals.
    func sealed(notWith keyID: String, after id: Int64, limit: Int) async throws(StoreError) -> [SealedRow]

    /// Puts bytes that `keyID` wraps in place of the old ones, where these are still there; the ids of the rows that changed.
    func replace(_ changes: [SealedChange], keyID: String) async throws(StoreError) -> [Int64]
}

/// Sealed bytes, with what they are bound to.
public struct SealedRow: Sendable {
    /// The integration, or the subscription.
    public let id: Int64
    /// What the bytes hold.
    public let kind: String
    /// Which of the row's values it is.
    public let version: Int64
    /// The sealed bytes.
    public let ciphertext: [UInt8]
}

/// Sealed bytes, and what is to stand in their place.
public struct SealedChange: Sendable {
    let id: Int64
    let old: [UInt8]
    let fresh: [UInt8]

    /// `fresh` in place of the bytes of `row`.
    public init(_ row: SealedRow, fresh: [UInt8]) {
        id = row.id
        old = row.ciphertext
        self.fresh = fresh
    }
}

extension SyncStore {
    /// Runs a statement that replaces sealed bytes.
    func replace(
        _ sql: String, _ changes: [SealedChange], keyID: String
    ) async throws(StoreError) -> [Int64] {
        let rows = try await query(
            sql,
            [
                .text(keyID), .intArray(changes.map(\.id)), .byteaArray(changes.map(\.old)),
                .byteaArray(changes.map(\.fresh)),
            ])
        return (0..<rows.count).compactMap { rows.int($0, 0) }
    }
}

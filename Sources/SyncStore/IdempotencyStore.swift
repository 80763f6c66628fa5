// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// Answers to requests that change something, kept for a day by the key that their sender chose.
public struct IdempotencyStore: Sendable {
    /// What a key means for a request.
    public enum Claim: Sendable, Equatable {
        /// The request is the first; settle or release the key afterwards.
        case first
        /// It was answered before.
        case answered(status: Int, body: [UInt8])
        /// It is being answered.
        case underWay
        /// The key belongs to another request.
        case otherRequest
    }

    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Claims a key for a request, both by their hashes. `owner` are bytes that no other claim has.
    public func claim(
        _ key: [UInt8], request: [UInt8], owner: [UInt8]
    ) async throws(StoreError) -> Claim {
        let claimed = try await store.query(
            StoreSQL.idempotencyClaim, [.bytea(key), .bytea(request), .bytea(owner)])
        if claimed.count > 0 { return .first }
        let rows = try await store.query(StoreSQL.idempotencyRead, [.bytea(key)])
        // Whoever had it gave it back in this moment; the sender asks again.
        guard rows.count > 0 else { return .underWay }
        guard rows.bytes(0, 0) == request else { return .otherRequest }
        guard let status = rows.int(0, 1) else { return .underWay }
        return .answered(status: Int(status), body: rows.bytes(0, 2) ?? [])
    }

    /// Keeps the answer. False when the claim was too slow and the key is another's: its answer counts.
    public func settle(
        _ key: [UInt8], owner: [UInt8], status: Int, body: [UInt8]
    ) async throws(StoreError) -> Bool {
        try await store.query(
            StoreSQL.idempotencySettle,
            [.bytea(key), .bytea(owner), .int(Int64(status)), .bytea(body)]
        ).count > 0
    }

    /// Lets the request be sent again with the key, unless the key is another's by now.
    public func release(_ key: [UInt8], owner: [UInt8]) async throws(StoreError) {
        _ = try await store.query(StoreSQL.idempotencyRelease, [.bytea(key), .bytea(owner)])
    }
}

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

    /// Claims a key for a request, both by their hashes.
    public func claim(_ key: [UInt8], request: [UInt8]) async throws(StoreError) -> Claim {
        let claimed = try await store.query(StoreSQL.idempotencyClaim, [.bytea(key), .bytea(request)])
        if claimed.count > 0 { return .first }
        let rows = try await store.query(StoreSQL.idempotencyRead, [.bytea(key)])
        // Whoever had it gave it back in this moment; the sender asks again.
        guard rows.count > 0 else { return .underWay }
        guard rows.bytes(0, 0) == request else { return .otherRequest }
        guard let status = rows.int(0, 1) else { return .underWay }
        return .answered(status: Int(status), body: rows.bytes(0, 2) ?? [])
    }

    /// Keeps the answer.
    public func settle(_ key: [UInt8], status: Int, body: [UInt8]) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.idempotencySettle, [.bytea(key), .int(Int64(status)), .bytea(body)])
    }

    /// Lets the request be sent again with the key.
    public func release(_ key: [UInt8]) async throws(StoreError) {
        _ = try await store.query(StoreSQL.idempotencyRelease, [.bytea(key)])
    }
}

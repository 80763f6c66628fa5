// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// A link by which a user connects an account, as far as the ledger has to know it.
public struct ConnectTicket: Sendable, Equatable {
    /// The hash of the link.
    public let hash: [UInt8]
    /// When it works no more.
    public let expiresAt: Timestamp

    /// A link that works until then, once.
    public init(hash: [UInt8], expiresAt: Timestamp) {
        self.hash = hash
        self.expiresAt = expiresAt
    }
}

/// Which links were used.
public struct ConnectLinkStore: Sendable {
    /// Whether a link works.
    public enum State: Sendable, Equatable {
        case open
        case used
        case expired
    }

    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The time by which links expire.
    public func now() async throws(StoreError) -> Timestamp {
        guard let now = try await store.query(StoreSQL.clock, []).timestamp(0, 0) else {
            throw StoreError(.unexpectedReply, "the clock gave no time")
        }
        return now
    }

    /// Whether a link works now; somebody else may use it up in the next moment.
    public func state(of ticket: ConnectTicket) async throws(StoreError) -> State {
        let rows = try await store.query(
            StoreSQL.linkCheck, [.bytea(ticket.hash), .int(ticket.expiresAt.microseconds)])
        if rows.bool(0, 1) == true { return .used }
        return rows.bool(0, 0) == false ? .open : .expired
    }
}

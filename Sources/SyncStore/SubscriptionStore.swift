// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// Which changes a subscription is about; nil does not matter.
public struct SubscriptionFilter: Sendable, Equatable {
    /// Only of this service.
    public var service: String?
    /// Only of this stream.
    public var stream: String?
    /// Only of this user.
    public var userID: String?

    /// A filter; without arguments all changes pass.
    public init(service: String? = nil, stream: String? = nil, userID: String? = nil) {
        self.service = service
        self.stream = stream
        self.userID = userID
    }
}

/// A subscription as an operator sees it.
public struct SubscriptionSummary: Sendable {
    /// The subscription's number.
    public let id: Int64
    /// Where its events go.
    public let url: String
    /// What it is about.
    public let filter: SubscriptionFilter
    /// `active`, `paused`, or `gone` when the receiver said so.
    public let status: String
    /// Everything up to here is done with.
    public let cursor: ChangeCursor
    /// Events that were acknowledged.
    public let delivered: Int64
    /// When it was made.
    public let createdAt: Timestamp
    /// When an event was last acknowledged; nil when none was.
    public let lastDeliveredAt: Timestamp?
    /// When a delivery last failed; nil when none did.
    public let lastFailedAt: Timestamp?
    /// What was wrong then.
    public let lastError: String?
    /// Events that were given up.
    public let dead: Int64
    /// Events that are tried again.
    public let failing: Int64
    /// When it is looked at next.
    public let dueAt: Timestamp
}

/// An event that was given up.
public struct DeadChange: Sendable {
    /// Its place.
    public let cursor: ChangeCursor
    /// The record's integration.
    public let integrationID: Int64
    /// The record's stream.
    public let stream: String
    /// The record's id.
    public let externalID: String
    /// Such as `record.updated`.
    public let event: String
    /// Attempts so far, or since it was last replayed.
    public let attempts: Int64
    /// Why the last attempt failed.
    public let error: String?
    /// When it failed last.
    public let failedAt: Timestamp?
    /// When it is tried again; nil when it is not.
    public let dueAt: Timestamp?
}

/// The subscriptions of the ledger, as an operator handles them.
public struct SubscriptionStore: Sendable {
    /// What a secret is sealed as, beside the subscription's number.
    public static let secretKind = "subscription"
    /// The version of a secret: it does not change.
    public static let secretVersion: Int64 = 1

    let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// A number that no other subscription has: its secret is sealed for it.
    public func reserve() async throws(StoreError) -> Int64 {
        guard let id = try await store.query(StoreSQL.subscriptionReserve, []).int(0, 0) else {
            throw StoreError(.unexpectedReply, "a subscription got no number")
        }
        return id
    }

    /// Adds a subscription of what changes behind a place; nil is now.
    public func add(
        _ id: Int64, url: String, _ filter: SubscriptionFilter, keyID: String, ciphertext: [UInt8],
        after cursor: ChangeCursor?
    ) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.subscriptionAdd,
            [
                .int(id), .text(url), .optional(filter.service), .optional(filter.stream),
                .optional(filter.userID), .text(keyID), .bytea(ciphertext), .optional(cursor?.transaction),
                .optional(cursor?.row),
            ])
    }

    /// Subscriptions after a number, in order.
    public func list(after id: Int64, limit: Int) async throws(StoreError) -> [SubscriptionSummary] {
        let rows = try await store.query(StoreSQL.subscriptionList, [.int(id), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            SubscriptionSummary(
                id: rows.int(row, 0) ?? 0, url: rows.text(row, 1) ?? "",
                filter: SubscriptionFilter(
                    service: rows.text(row, 2), stream: rows.text(row, 3), userID: rows.text(row, 4)),
                status: rows.text(row, 5) ?? "",
                cursor: ChangeCursor(transaction: rows.int(row, 6) ?? 0, row: rows.int(row, 7) ?? 0),
                delivered: rows.int(row, 8) ?? 0,
                createdAt: rows.timestamp(row, 9) ?? Timestamp(seconds: 0),
                lastDeliveredAt: rows.timestamp(row, 10), lastFailedAt: rows.timestamp(row, 11),
                lastError: rows.text(row, 12), dead: rows.int(row, 13) ?? 0, failing: rows.int(row, 14) ?? 0,
                dueAt: rows.timestamp(row, 15) ?? Timestamp(seconds: 0))
        }
    }

    /// Nil when there is no such subscription.
    public func find(_ id: Int64) async throws(StoreError) -> SubscriptionSummary? {
        try await list(after: id - 1, limit: 1).first { $0.id == id }
    }

    /// The newest events of a subscription that were given up.
    public func dead(of id: Int64, limit: Int) async throws(StoreError) -> [DeadChange] {
        let rows = try await store.query(StoreSQL.subscriptionDead, [.int(id), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            DeadChange(
                cursor: ChangeCursor(transaction: rows.int(row, 0) ?? 0, row: rows.int(row, 1) ?? 0),
                integrationID: rows.int(row, 2) ?? 0, stream: rows.text(row, 3) ?? "",
                externalID: rows.text(row, 4) ?? "", event: rows.text(row, 5) ?? "",
                attempts: rows.int(row, 6) ?? 0, error: rows.text(row, 7), failedAt: rows.timestamp(row, 8),
                dueAt: rows.timestamp(row, 9))
        }
    }

    /// Holds deliveries back; what changes meanwhile is delivered later. False when there is no such subscription.
    public func pause(_ id: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.subscriptionStatus, [.int(id), .text("paused")]).count > 0
    }

    /// Goes on where it stopped. False when there is no such subscription.
    public func resume(_ id: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.subscriptionStatus, [.int(id), .text("active")]).count > 0
    }

    /// Deletes a subscription. False when there is none.
    public func remove(_ id: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.subscriptionRemove, [.int(id)]).count > 0
    }

    /// Delivers everything behind a place once more. False when there is no such subscription.
    public func replay(_ id: Int64, after cursor: ChangeCursor) async throws(StoreError) -> Bool {
        try await store.query(
            StoreSQL.subscriptionRewind, [.int(id), .int(cursor.transaction), .int(cursor.row)]
        ).count > 0
    }

    /// Delivers what was given up once more; how many events that are.
    public func replayDead(_ id: Int64) async throws(StoreError) -> Int64 {
        try await store.query(StoreSQL.subscriptionRevive, [.int(id)]).int(0, 0) ?? 0
    }
}

extension SubscriptionStore: SealedTable {
    /// The next subscriptions whose secret another key than `keyID` seals.
    public func sealed(
        notWith keyID: String, after id: Int64, limit: Int
    ) async throws(StoreError) -> [SealedRow] {
        let rows = try await store.query(
            StoreSQL.subscriptionStale, [.text(keyID), .int(id), .int(Int64(limit))])
        return (0..<rows.count).map {
            SealedRow(
                id: rows.int($0, 0) ?? 0, kind: Self.secretKind, version: Self.secretVersion,
                ciphertext: rows.bytes($0, 1) ?? [])
        }
    }

    /// Puts bytes that another key wraps in place of the old ones; the subscriptions whose secret was changed.
    public func replace(_ changes: [SealedChange], keyID: String) async throws(StoreError) -> [Int64] {
        try await store.replace(StoreSQL.subscriptionRewrap, changes, keyID: keyID)
    }
}

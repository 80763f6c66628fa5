// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// How far a subscription has been told.
public struct FeedPlace: Sendable, Equatable {
    /// Everything up to here is done with.
    public var cursor: ChangeCursor
    /// What became alive behind it is new to the receiver, and what is older is not, where no mark says otherwise.
    public var base: ChangeCursor

    /// A place.
    public init(cursor: ChangeCursor, base: ChangeCursor) {
        self.cursor = cursor
        self.base = base
    }
}

/// A subscription that is the caller's for one pass.
public struct ClaimedSubscription: Sendable {
    /// The subscription's number.
    public let id: Int64
    /// Where its events go.
    public let url: String
    /// What it is about.
    public let filter: SubscriptionFilter
    /// The signing secret, sealed.
    public let ciphertext: [UInt8]
    /// How far it has been told.
    public let place: FeedPlace
    /// A transaction before which all have ended.
    public let horizon: Int64
    /// The time, by the clock of Postgres.
    public let now: Timestamp
}

/// A change that is to be told.
public struct FeedChange: Sendable {
    /// Its place.
    public let cursor: ChangeCursor
    /// The record's integration.
    public let integrationID: Int64
    /// The record's stream.
    public let stream: String
    /// The record's id.
    public let externalID: String
    /// Whether the record is deleted.
    public let isDeleted: Bool
    /// The transaction since which it is alive; nil when it is older than that is noted.
    public let aliveSince: Int64?
    /// What it was told as before; nil for a change that the feed has come to.
    public let event: String?
    /// When it changed.
    public let changedAt: Timestamp
    /// A JSON object: whose record it is, and the record itself.
    public let data: [UInt8]
    /// Attempts that failed.
    public let attempts: Int
    /// Whether it was acknowledged, or given up, already.
    public let isDone: Bool
    /// Whether the receiver has been told of the record since it is alive, where that does not follow from the base.
    public let isKnown: Bool?
}

/// A stretch of changes.
public struct FeedPage: Sendable {
    /// The changes that the subscription is about, in order, each of another record.
    public let changes: [FeedChange]
    /// The last place that was looked at, when no change before it was left out; nil when nothing was looked at.
    public let end: ChangeCursor?
    /// Whether there may be more before the horizon.
    public let hasMore: Bool
}

/// What became of a change that needs an entry of its own.
public struct FeedEntry: Sendable, Equatable {
    /// What became of it.
    public enum Outcome: String, Sendable {
        /// It was acknowledged, or has not to be told any more.
        case done
        /// It is tried again before anything behind it is.
        case failing
        /// It is given up, and waits for a person.
        case dead
    }

    /// The change's place.
    public let cursor: ChangeCursor
    /// The record's integration.
    public let integrationID: Int64
    /// The record's stream.
    public let stream: String
    /// The record's id.
    public let externalID: String
    /// Such as `record.updated`.
    public let event: String
    /// What became of it.
    public let outcome: Outcome
    /// Why it was not acknowledged.
    public let error: String?
    /// Of a dead letter that is replayed: the wait before the next attempt.
    public let wait: Duration?

    /// What became of a change.
    public init(
        _ change: FeedChange, event: String, _ outcome: Outcome, error: String? = nil, wait: Duration? = nil
    ) {
        cursor = change.cursor
        integrationID = change.integrationID
        stream = change.stream
        externalID = change.externalID
        self.event = event
        self.outcome = outcome
        self.error = error
        self.wait = wait
    }
}

/// How a pass ends.
public struct FeedSave: Sendable, Equatable {
    /// Everything up to here is done with.
    public var cursor: ChangeCursor
    /// The transaction before which everything is told; nil when there is more to tell.
    public var horizon: Int64?
    /// When it is looked at again.
    public var wait: Duration
    /// Whether the receiver said that it is gone.
    public var isGone = false
    /// Events that were acknowledged.
    public var delivered = 0
    /// What was wrong; nil when nothing was.
    public var error: String?
    /// The changes that need an entry.
    public var entries: [FeedEntry] = []
    /// Records that were acknowledged as new.
    public var added: [AddedRecord] = []
    /// Records that were acknowledged as deleted, by their rows.
    public var deleted: [Int64] = []

    /// A record that the receiver has heard of.
    public struct AddedRecord: Sendable, Equatable {
        /// Its row.
        public let row: Int64
        /// The transaction since which it is alive.
        public let aliveSince: Int64
        /// Its integration.
        public let integrationID: Int64

        /// The record of a change.
        public init(_ change: FeedChange) {
            row = change.cursor.row
            aliveSince = change.aliveSince ?? 0
            integrationID = change.integrationID
        }
    }

    /// The end of a pass.
    public init(cursor: ChangeCursor, wait: Duration) {
        self.cursor = cursor
        self.wait = wait
    }
}

/// What deliverers of the change feed do in the ledger.
public struct ChangeFeedStore: Sendable {
    private let store: SyncStore

    /// Records that one page looks at, so that a narrow filter reads no whole table at once.
    public static let scanLimit = 1_000

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Takes a subscription whose turn it is; nil when there is none. After `lease` somebody else may take it.
    public func claim(owner: String, lease: Duration) async throws(StoreError) -> ClaimedSubscription? {
        let rows = try await store.query(
            StoreSQL.subscriptionClaim, [.text(owner), .int(lease.wholeMilliseconds)])
        guard rows.count > 0 else { return nil }
        guard let id = rows.int(0, 0), let url = rows.text(0, 1), let ciphertext = rows.bytes(0, 5),
            let cursor = rows.cursor(0, 6), let base = rows.cursor(0, 8), let horizon = rows.int(0, 10),
            let now = rows.timestamp(0, 11)
        else { throw StoreError(.unexpectedReply, "a claimed subscription lacks a value") }
        return ClaimedSubscription(
            id: id, url: url,
            filter: SubscriptionFilter(
                service: rows.text(0, 2), stream: rows.text(0, 3), userID: rows.text(0, 4)),
            ciphertext: ciphertext,
            place: FeedPlace(cursor: cursor, base: base), horizon: horizon, now: now)
    }

    /// The next changes behind the subscription's place, up to the horizon.
    public func page(
        of subscription: ClaimedSubscription, limit: Int
    ) async throws(StoreError) -> FeedPage {
        let (filter, cursor) = (subscription.filter, subscription.place.cursor)
        // Without a filter nearly each record that is looked at is told.
        let scanned = filter == SubscriptionFilter() ? limit : Self.scanLimit
        let rows = try await store.query(
            StoreSQL.subscriptionPage,
            [
                .int(subscription.id), .optional(filter.service), .optional(filter.stream),
                .optional(filter.userID), .int(cursor.transaction), .int(cursor.row),
                .int(subscription.horizon),
                .int(Int64(scanned)), .int(Int64(limit)),
            ])
        var changes: [FeedChange] = []
        for row in 0..<rows.count where !rows.isNull(row, 3) {
            guard let cursor = rows.cursor(row, 3), let integration = rows.int(row, 5),
                let changedAt = rows.timestamp(row, 10), let data = rows.text(row, 11)
            else { throw StoreError(.unexpectedReply, "a change lacks a value") }
            changes.append(
                FeedChange(
                    cursor: cursor, integrationID: integration, stream: rows.text(row, 6) ?? "",
                    externalID: rows.text(row, 7) ?? "", isDeleted: rows.bool(row, 8) ?? false,
                    aliveSince: rows.int(row, 9), event: nil, changedAt: changedAt, data: Array(data.utf8),
                    attempts: Int(rows.int(row, 12) ?? 0), isDone: rows.bool(row, 13) ?? false,
                    isKnown: rows.bool(row, 14)))
        }
        let isCut = changes.count == limit
        let looked = rows.int(0, 2) ?? 0
        return FeedPage(
            changes: changes, end: isCut ? changes.last?.cursor : rows.cursor(0, 0),
            hasMore: isCut || looked == Int64(scanned))
    }

    /// Dead letters that are to be told once more and are due. Those whose record has moved on come second: the feed tells of
    /// them.
    public func revived(
        of id: Int64, limit: Int
    ) async throws(StoreError) -> (changes: [FeedChange], movedOn: [FeedChange]) {
        let rows = try await store.query(StoreSQL.subscriptionRevived, [.int(id), .int(Int64(limit))])
        var (changes, movedOn): ([FeedChange], [FeedChange]) = ([], [])
        for row in 0..<rows.count {
            guard let cursor = rows.cursor(row, 0), let integration = rows.int(row, 2) else {
                throw StoreError(.unexpectedReply, "a dead letter lacks a value")
            }
            let data = rows.text(row, 8)
            let change = FeedChange(
                cursor: cursor, integrationID: integration, stream: rows.text(row, 3) ?? "",
                externalID: rows.text(row, 4) ?? "", isDeleted: rows.text(row, 5) == "record.deleted",
                aliveSince: nil, event: rows.text(row, 5),
                changedAt: rows.timestamp(row, 7) ?? Timestamp(seconds: 0),
                data: Array((data ?? "").utf8), attempts: Int(rows.int(row, 6) ?? 0), isDone: false,
                isKnown: nil)
            if data == nil { movedOn.append(change) } else { changes.append(change) }
        }
        return (changes, movedOn)
    }

    /// Saves a pass and gives the subscription back. False when it was somebody else's by now; then nothing is changed.
    public func save(_ save: FeedSave, of id: Int64, owner: String) async throws(StoreError) -> Bool {
        let entries = save.entries
        func texts(_ value: (FeedEntry) -> String?) -> PostgresParameter {
            .textArray(entries.map { value($0).map { Array($0.utf8) } })
        }
        return try await store.query(
            StoreSQL.subscriptionSave,
            [
                .int(id), .text(owner), .int(save.cursor.transaction), .int(save.cursor.row),
                .optional(save.horizon), .int(save.wait.wholeMilliseconds), .bool(save.isGone),
                .int(Int64(save.delivered)), .optional(save.error), .intArray(save.added.map(\.row)),
                .intArray(save.added.map(\.aliveSince)), .intArray(save.added.map(\.integrationID)),
                .intArray(save.deleted), .intArray(entries.map(\.cursor.transaction)),
                .intArray(entries.map(\.cursor.row)), .intArray(entries.map(\.integrationID)),
                texts { $0.stream }, texts { $0.externalID }, texts { $0.event },
                texts { $0.outcome.rawValue }, texts { $0.error },
                .intArray(entries.map { $0.wait?.wholeMilliseconds }),
            ]
        ).bool(0, 0) ?? false
    }
}

extension PostgresRows {
    /// A place in two columns; nil when there is none.
    fileprivate func cursor(_ row: Int, _ column: Int) -> ChangeCursor? {
        guard let transaction = int(row, column), let place = int(row, column + 1) else { return nil }
        return ChangeCursor(transaction: transaction, row: place)
    }
}

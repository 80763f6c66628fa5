// SPDX-License-Identifier: Apache-2.0

import Model
public import PostgresClient

/// What grows with time and is deleted after some.
public enum ExpiringTable: String, Sendable, CaseIterable {
    case apiLog = "api_log"
    case syncLog = "sync_log"
    case deletions
    case scheduleFires = "schedule_fires"
    case webhookEvents = "webhook_events"
    /// Those that are resolved.
    case alerts
    /// The dead letters among them.
    case subscriptionEvents = "subscription_events"
}

/// Deletes rows whose time is over, a few at a time, and makes room for those of the next days.
public struct RetentionStore: Sendable {
    private let store: SyncStore

    /// Making or dropping a day waits no longer for those who use the log, as everybody waits behind it.
    private static let lockLimit: Duration = .seconds(1)
    /// Days of the request log that are there ahead of time.
    private static let daysAhead: Int64 = 2

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Makes the partitions of today and of the next two days of the request log; how many were missing.
    public func makeDays() async throws(StoreError) -> Int64 {
        try await store.query(StoreSQL.apiLogMakeDays, [.int(Self.daysAhead)], lockLimit: Self.lockLimit)
            .int(0, 0) ?? 0
    }

    /// Drops the oldest day of the request log that ended so long ago; false when there is none.
    public func dropDay(olderThan age: Duration) async throws(StoreError) -> Bool {
        try await store.query(
            StoreSQL.apiLogDropDay, [.int(age.wholeMilliseconds)], lockLimit: Self.lockLimit
        ).bool(0, 0) ?? false
    }

    /// Deletes at most `limit` rows of a table that are older than that; their number. Of the request log these are the
    /// rows that found no day of theirs.
    public func expire(
        _ table: ExpiringTable, olderThan age: Duration, limit: Int
    ) async throws(StoreError) -> Int64 {
        let sql =
            switch table {
            case .apiLog: StoreSQL.expireAPILogDefault
            case .syncLog: StoreSQL.expireSyncLog
            case .deletions: StoreSQL.expireDeletions
            case .scheduleFires: StoreSQL.expireScheduleFires
            case .webhookEvents: StoreSQL.expireWebhookEvents
            case .alerts: StoreSQL.expireAlerts
            case .subscriptionEvents: StoreSQL.expireSubscriptionEvents
            }
        return try await store.query(sql, [.int(age.wholeMilliseconds), .int(Int64(limit))]).int(0, 0) ?? 0
    }
}

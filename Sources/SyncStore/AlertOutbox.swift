// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// A way on which alerts are told.
public enum AlertChannel: String, Sendable, CaseIterable {
    /// A signed request to the operator's address.
    case webhook
    /// A message of Lockstep's own connector.
    case slack
}

/// One attempt to tell of an alert.
public struct AlertDelivery: Sendable {
    /// What is told.
    public enum Event: String, Sendable {
        case opened
        case resolved
    }

    /// The delivery's number.
    public let id: Int64
    /// Counts the attempts, this one included.
    public let attempt: Int
    /// What is told.
    public let event: Event
    /// On which way.
    public let channel: AlertChannel
    /// The alert.
    public let alert: AlertSummary
    /// When the attempt began, by the clock of Postgres.
    public let now: Timestamp
}

/// What has to be told of alerts. A row is there from the transaction on that opened or resolved the alert, until it was
/// delivered or given up.
public struct AlertOutbox: Sendable {
    private let store: SyncStore

    /// An outbox on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Notes that alerts are told on these ways: what happens from now on is.
    public func announce(_ channels: [AlertChannel]) async throws(StoreError) {
        _ = try await store.query(StoreSQL.alertChannelsSeen, [Self.names(channels)])
    }

    /// Takes what is due on these ways, for one attempt each; after `lease` somebody else may take it.
    public func claim(
        _ channels: [AlertChannel], lease: Duration, limit: Int
    ) async throws(StoreError) -> [AlertDelivery] {
        let rows = try await store.query(
            StoreSQL.alertClaim,
            [Self.names(channels), .int(lease.wholeMilliseconds), .int(Int64(limit))])
        var deliveries: [AlertDelivery] = []
        for row in 0..<rows.count {
            guard let id = rows.int(row, 0), let attempt = rows.int(row, 1),
                let event = rows.text(row, 2).flatMap(AlertDelivery.Event.init(rawValue:)),
                let channel = rows.text(row, 3).flatMap(AlertChannel.init(rawValue:)),
                let now = rows.timestamp(row, 13)
            else { throw StoreError(.unexpectedReply, "a delivery of an alert lacks a value") }
            deliveries.append(
                AlertDelivery(
                    id: id, attempt: Int(attempt), event: event, channel: channel,
                    alert: AlertSummary(rows, row: row, column: 4), now: now))
        }
        return deliveries
    }

    /// Notes that a delivery was made.
    public func sent(_ delivery: AlertDelivery) async throws(StoreError) {
        _ = try await store.query(StoreSQL.alertSent, [.int(delivery.id)])
    }

    /// Notes that an attempt failed; without a wait it was the last one.
    public func failed(
        _ delivery: AlertDelivery, error: String, retryAfter wait: Duration?
    ) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.alertUnsent,
            [
                .int(delivery.id), .int(Int64(delivery.attempt)), .text(error),
                .optional(wait?.wholeMilliseconds),
            ])
    }

    private static func names(_ channels: [AlertChannel]) -> PostgresParameter {
        .textArray(channels.map { Array($0.rawValue.utf8) })
    }
}

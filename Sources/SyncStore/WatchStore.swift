// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// The channels and watches of the ledger.
public struct WatchStore: Sendable {
    private let store: SyncStore

    /// How long a channel is waited for that the provider never answered about.
    private static let silence: Int64 = 300

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The next slices of a stream that no watch is kept for; of a child stream with the parents' records as JSON.
    public func slices(
        of integrationID: Int64, stream: String, parentStream: String?, limit: Int
    ) async throws(StoreError) -> [(partition: String, parent: [UInt8])] {
        let rows = try await store.query(
            StoreSQL.watchSlices,
            [.int(integrationID), .text(stream), .optional(parentStream), .int(Int64(limit))])
        return (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.bytes($0, 1) ?? []) }
    }

    /// Keeps a channel before it is asked for, and returns its row: a notification may come before the provider's answer.
    public func begin(
        _ slice: WebhookSlice, of integrationID: Int64, channelID: String, tokenHash: [UInt8]
    ) async throws(StoreError) -> Int64 {
        let rows = try await store.query(
            StoreSQL.watchBegin,
            [
                .int(integrationID), .text(slice.stream), .text(slice.partition), .text(channelID),
                .bytea(tokenHash), .int(Self.silence),
            ])
        guard let id = rows.int(0, 0) else { throw StoreError(.unexpectedReply, "a channel got no row") }
        return id
    }

    /// Notes what the provider granted.
    public func granted(
        _ row: Int64, resource: String?, expiresAt: Timestamp, renewBefore: Duration
    ) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.watchGranted,
            [
                .int(row), .optional(resource), .int(expiresAt.milliseconds),
                .int(renewBefore.wholeMilliseconds),
            ])
    }

    /// Notes that the provider refused, and when it is asked again.
    public func failed(_ row: Int64, error: String, tryAgainAfter wait: Duration) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.watchFailed, [.int(row), .text(error), .int(wait.components.seconds)])
    }

    /// The watches that the provider granted and that have not ended, and until when each one goes on.
    public func held(
        of integrationID: Int64, limit: Int
    ) async throws(StoreError) -> [(id: String, stream: String, resource: String?, end: Timestamp)] {
        let rows = try await store.query(StoreSQL.watchHeld, [.int(integrationID), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            (
                rows.text(row, 0) ?? "", rows.text(row, 1) ?? "", rows.text(row, 2),
                Timestamp(milliseconds: rows.int(row, 3) ?? 0)
            )
        }
    }

    /// Notes that a watch was ended before its time.
    public func ended(_ channelID: String) async throws(StoreError) {
        _ = try await store.query(StoreSQL.watchEnded, [.text(channelID)])
    }

    /// Active integrations whose watches are due; each is named again after ten minutes at the earliest.
    public func nudge(limit: Int) async throws(StoreError) -> [Int64] {
        let rows = try await store.query(StoreSQL.watchNudge, [.int(Int64(limit))])
        return (0..<rows.count).compactMap { rows.int($0, 0) }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// What programs and pages read of the ledger: JSON as the database writes it, in pages.
public struct LedgerReader: Sendable {
    /// A row of a list.
    public struct Item: Sendable {
        /// Its place in the list.
        public let id: Int64
        /// A JSON object.
        public let json: [UInt8]
    }

    /// Where a reader of changes has got to. The order of positions is that of changes, and no change appears behind one
    /// that was read.
    public struct ChangePosition: Sendable, Equatable {
        /// The transaction that changed the row.
        public let transaction: Int64
        /// The row among those of the transaction.
        public let row: Int64

        /// Before the first change.
        public static let start = ChangePosition(transaction: 0, row: 0)

        /// A position that was given before.
        public init(transaction: Int64, row: Int64) {
            self.transaction = transaction
            self.row = row
        }
    }

    /// Changes in their order.
    public struct Changes: Sendable {
        /// JSON objects.
        public let items: [[UInt8]]
        /// Where to go on, also when nothing was found.
        public let position: ChangePosition
        /// Whether there is more to read now.
        public let hasMore: Bool
    }

    let store: SyncStore

    /// A reader of that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The next integrations after an id; what is nil does not matter.
    public func integrations(
        service: String? = nil, userID: String? = nil, status: String? = nil, after id: Int64, limit: Int
    ) async throws(StoreError) -> [Item] {
        try await items(
            StoreSQL.readIntegrations,
            [
                .optional(service), .optional(userID), .optional(status), .int(id), .int(Int64(limit)),
            ])
    }

    /// One integration; nil when there is none.
    public func integration(_ id: Int64) async throws(StoreError) -> Item? {
        try await integrations(after: id - 1, limit: 1).first { $0.id == id }
    }

    /// A JSON array of an integration's streams, with the number of their live records.
    public func streams(of id: Int64) async throws(StoreError) -> [UInt8] {
        try await array(StoreSQL.readStreams, [.int(id)])
    }

    /// Rows of the sync log before an id, the newest first; what is nil does not matter. With `action` the attempts of that action.
    public func runs(
        of integration: Int64? = nil, service: String? = nil, status: String? = nil, action: Int64? = nil,
        before id: Int64, limit: Int
    ) async throws(StoreError) -> [Item] {
        try await items(
            StoreSQL.readRuns,
            [
                .optional(integration), .optional(service), .optional(status), .int(id), .int(Int64(limit)),
                .optional(action),
            ])
    }

    /// One run; nil when there is none.
    public func run(_ id: Int64) async throws(StoreError) -> Item? {
        guard id < Int64.max else { return nil }
        return try await runs(before: id + 1, limit: 1).first { $0.id == id }
    }

    /// A JSON array of the streams of a run.
    public func streams(ofRun id: Int64) async throws(StoreError) -> [UInt8] {
        try await array(StoreSQL.readRunStreams, [.int(id)])
    }

    /// The next changes of an integration's records. Up to `limit` rows are looked at; those of other streams than
    /// `stream` are passed over, so that a page may be short, or empty with more to come.
    public func records(
        of id: Int64, stream: String?, after position: ChangePosition, limit: Int
    ) async throws(StoreError) -> Changes {
        try await changes(StoreSQL.readRecords, id, stream, position, limit)
    }

    /// The next deletions of an integration, as `records`.
    public func deletions(
        of id: Int64, stream: String?, after position: ChangePosition, limit: Int
    ) async throws(StoreError) -> Changes {
        try await changes(StoreSQL.readDeletions, id, stream, position, limit)
    }

    /// A JSON array of the services with their health.
    public func health() async throws(StoreError) -> [UInt8] {
        try await array(StoreSQL.readHealth, [], deadline: Self.countLimit)
    }

    /// A JSON array of the last 24 hours: runs that succeeded and failed, and records that changed; of one integration, or
    /// of all.
    public func activity(of id: Int64? = nil) async throws(StoreError) -> [UInt8] {
        try await array(StoreSQL.readActivity, [id.map { .int($0) } ?? .null], deadline: Self.countLimit)
    }

    /// What looks at all runs of a day may take long when there are many millions.
    private static let countLimit: Duration = .seconds(60)

    /// The time by which all that is stored is dated.
    public func now() async throws(StoreError) -> Timestamp {
        guard let now = try await store.query(StoreSQL.clock, []).timestamp(0, 0) else {
            throw StoreError(.unexpectedReply, "the clock gave no time")
        }
        return now
    }

    /// A JSON array of the newest open alerts.
    public func alerts() async throws(StoreError) -> [UInt8] { try await array(StoreSQL.readAlerts, []) }

    func items(
        _ sql: String, _ parameters: [PostgresParameter]
    ) async throws(StoreError) -> [Item] {
        let rows = try await store.query(sql, parameters)
        return (0..<rows.count).map { row in
            Item(id: rows.int(row, 0) ?? 0, json: Array((rows.text(row, 1) ?? "null").utf8))
        }
    }

    private func array(
        _ sql: String, _ parameters: [PostgresParameter], deadline: Duration? = nil
    ) async throws(StoreError) -> [UInt8] {
        Array((try await store.query(sql, parameters, deadline: deadline).text(0, 0) ?? "[]").utf8)
    }

    private func changes(
        _ sql: String, _ id: Int64, _ stream: String?, _ position: ChangePosition, _ limit: Int
    ) async throws(StoreError) -> Changes {
        let rows = try await store.query(
            sql,
            [
                .int(id), .optional(stream), .int(position.transaction), .int(position.row),
                .int(Int64(limit)),
            ])
        guard rows.count > 0 else { return Changes(items: [], position: position, hasMore: false) }
        guard let transaction = rows.int(rows.count - 1, 0), let last = rows.int(rows.count - 1, 1) else {
            throw StoreError(.unexpectedReply, "a change has no position")
        }
        return Changes(
            items: (0..<rows.count).compactMap { rows.text($0, 2).map { Array($0.utf8) } },
            position: ChangePosition(transaction: transaction, row: last), hasMore: rows.count == limit)
    }
}

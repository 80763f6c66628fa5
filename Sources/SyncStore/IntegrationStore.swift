// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// An integration as an operator sees it.
public struct IntegrationSummary: Sendable {
    /// The row's id, which payloads may name.
    public let id: Int64
    /// User, service and account.
    public let key: IntegrationKey
    /// `active`, `paused` or `reauth_required`.
    public let status: String
    /// Records that are not deleted.
    public let liveRecords: Int64
    /// When a run of it last succeeded; nil when none did.
    public let lastSuccess: Timestamp?
}

/// One stream of an integration as an operator sees it.
public struct StreamSummary: Sendable {
    /// The stream's name in its connector.
    public let stream: String
    /// `idle`, or what an unfinished enumeration does.
    public let phase: String
    /// The newest generation among its slices.
    public let generation: Int64
    /// When a run of it last succeeded; nil when none did.
    public let lastSuccess: Timestamp?
    /// When everything was last read; nil when it never was.
    public let lastFull: Timestamp?
    /// The number of its slices; 1 for a stream without a parent.
    public let slices: Int64
    /// Records that are not deleted.
    public let liveRecords: Int64
    /// Rows in the log of deletions.
    public let deletions: Int64
}

/// A row of the sync log as an operator sees it.
public struct RunSummary: Sendable {
    /// The id of the log row.
    public let id: Int64
    /// The type of the job, as in its payload.
    public let type: String
    /// `running`, `succeeded`, `failed` and so on, as in `sync_log`.
    public let status: String
    /// When the run began.
    public let startedAt: Timestamp
    /// When it ended; nil while it runs.
    public let completedAt: Timestamp?
    /// Pages that were committed.
    public let pages: Int64
    /// Records on these pages.
    public let recordsRead: Int64
    /// Records that were not there before, or were deleted.
    public let added: Int64
    /// Records whose content changed.
    public let updated: Int64
    /// Records that became tombstones.
    public let deleted: Int64
    /// Records with the same content hash as before.
    public let unchanged: Int64
    /// A word for programs; nil when nothing went wrong.
    public let errorCode: String?
    /// A sentence for the user; nil when nothing went wrong.
    public let errorMessage: String?
    /// What an operator needs to know; nil when nothing went wrong.
    public let errorDetail: String?
}

/// The integrations of the ledger, for the operator's commands.
public struct IntegrationStore: Sendable {
    let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Adds an integration, or replaces the configuration of one that exists. `configuration` is a JSON object.
    public func add(
        _ key: IntegrationKey, configuration: [UInt8]
    ) async throws(StoreError) -> (id: Int64, isNew: Bool) {
        try Self.added(
            try await store.query(StoreSQL.integrationAdd, Self.parameters(key, configuration)), key)
    }

    static func parameters(_ key: IntegrationKey, _ configuration: [UInt8]) -> [PostgresParameter] {
        [.text(key.userID), .text(key.service), .text(key.account), .textBytes(configuration)]
    }

    /// Reads the reply of the statement that adds.
    static func added(
        _ rows: PostgresRows, _ key: IntegrationKey
    ) throws(StoreError) -> (id: Int64, isNew: Bool) {
        guard rows.count > 0 else {
            throw StoreError(.duplicate, "\(key) is being erased; add it again when that is done")
        }
        guard let id = rows.int(0, 0), let isNew = rows.bool(0, 1) else {
            throw StoreError(.unexpectedReply, "adding an integration gave no id")
        }
        return (id, isNew)
    }

    /// The next integrations after an id.
    public func list(
        service: String?, userID: String?, after id: Int64, limit: Int
    ) async throws(StoreError) -> [IntegrationSummary] {
        let rows = try await store.query(
            StoreSQL.integrationList,
            [.optional(service), .optional(userID), .int(id), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            IntegrationSummary(
                id: rows.int(row, 0) ?? 0, key: Self.key(rows, row), status: rows.text(row, 4) ?? "",
                liveRecords: rows.int(row, 5) ?? 0, lastSuccess: rows.timestamp(row, 6))
        }
    }

    /// Nil when there is no such integration.
    public func find(
        _ reference: IntegrationReference
    ) async throws(StoreError) -> (id: Int64, key: IntegrationKey, status: String)? {
        let parameters: [PostgresParameter] =
            switch reference {
            case .id(let id): [.int(id), .null, .null, .null]
            case .key(let key): [.null, .text(key.userID), .text(key.service), .text(key.account)]
            }
        let rows = try await store.query(StoreSQL.integrationFind, parameters)
        guard rows.count > 0, let id = rows.int(0, 0) else { return nil }
        return (id, Self.key(rows, 0), rows.text(0, 4) ?? "")
    }

    /// The configuration of an integration, a JSON object; nil when there is no such integration.
    public func configuration(of id: Int64) async throws(StoreError) -> String? {
        try await store.query(StoreSQL.integrationConfig, [.int(id)]).text(0, 0)
    }

    /// The streams of an integration that were synced before, by name.
    public func streams(of id: Int64) async throws(StoreError) -> [StreamSummary] {
        let rows = try await store.query(StoreSQL.integrationStreams, [.int(id)])
        return (0..<rows.count).map { row in
            StreamSummary(
                stream: rows.text(row, 0) ?? "", phase: rows.text(row, 1) ?? "",
                generation: rows.int(row, 2) ?? 0, lastSuccess: rows.timestamp(row, 3),
                lastFull: rows.timestamp(row, 4), slices: rows.int(row, 5) ?? 0,
                liveRecords: rows.int(row, 6) ?? 0, deletions: rows.int(row, 7) ?? 0)
        }
    }

    /// The newest runs first.
    public func runs(of id: Int64, limit: Int) async throws(StoreError) -> [RunSummary] {
        let rows = try await store.query(StoreSQL.integrationRuns, [.int(id), .int(Int64(limit))])
        return (0..<rows.count).map { row in
            RunSummary(
                id: rows.int(row, 0) ?? 0, type: rows.text(row, 1) ?? "", status: rows.text(row, 2) ?? "",
                startedAt: rows.timestamp(row, 3) ?? Timestamp(seconds: 0),
                completedAt: rows.timestamp(row, 4), pages: rows.int(row, 5) ?? 0,
                recordsRead: rows.int(row, 6) ?? 0, added: rows.int(row, 7) ?? 0,
                updated: rows.int(row, 8) ?? 0, deleted: rows.int(row, 9) ?? 0,
                unchanged: rows.int(row, 10) ?? 0, errorCode: rows.text(row, 11),
                errorMessage: rows.text(row, 12), errorDetail: rows.text(row, 13))
        }
    }

    /// Moves an integration to `status` if it is in one of `allowed`; false when it is in none of them.
    public func setStatus(
        of id: Int64, to status: String, from allowed: [String]
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.integrationSetStatus,
            [.int(id), .text(status), .textArray(allowed.map { Array($0.utf8) })])
        return rows.count > 0
    }

    private static func key(_ rows: PostgresRows, _ row: Int) -> IntegrationKey {
        IntegrationKey(
            userID: rows.text(row, 1) ?? "", service: rows.text(row, 2) ?? "",
            account: rows.text(row, 3) ?? "")
    }
}

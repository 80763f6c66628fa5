// SPDX-License-Identifier: Apache-2.0

import PostgresClient

extension IntegrationStore {
    /// Ends all work on an integration: nothing starts, and no open run commits. The records stay.
    public func disconnect(_ id: Int64) async throws(StoreError) {
        _ = try await store.query(StoreSQL.integrationDisconnect, [.int(id)])
    }

    /// Begins an erasure: as `disconnect`, and the credential is deleted. False when there is no such integration.
    public func beginErasure(of id: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.erasureBegin, [.int(id)]).bool(0, 0) ?? false
    }

    /// Deletes up to `limit` rows of an integration that is being erased, beginning with a table. Returns the table to go on
    /// with; nil when nothing is left.
    public func eraseBatch(
        of id: Int64, from table: String, limit: Int
    ) async throws(StoreError) -> String? {
        try await store.query(StoreSQL.erasureBatch, [.int(id), .text(table), .int(Int64(limit))]).text(0, 0)
    }

    /// How many rows of which tables an erasure deleted.
    public func erasedRows(of id: Int64) async throws(StoreError) -> [(table: String, count: Int64)] {
        let rows = try await store.query(StoreSQL.erasureReport, [.int(id)])
        return (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.int($0, 1) ?? 0) }
    }
}

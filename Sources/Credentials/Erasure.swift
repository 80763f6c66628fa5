// SPDX-License-Identifier: Apache-2.0

public import SyncStore

/// Deletes all that is known of an integration from Postgres. An audit row without personal data stays.
///
/// An erasure that stops goes on by being started again.
public struct Erasure: Sendable {
    private let integrations: IntegrationStore

    /// Rows of one transaction: short enough that nothing waits long for its locks.
    private static let batchSize = 5_000

    /// An erasure in that ledger.
    public init(integrations: IntegrationStore) {
        self.integrations = integrations
    }

    /// Stops all work for good and deletes the credential. False when there is no such integration.
    public func begin(_ id: Int64) async throws(StoreError) -> Bool {
        try await integrations.beginErasure(of: id)
    }

    /// Deletes the rows in bounded transactions, the integration's own last. `progress` is told the table at hand.
    public func deleteRows(
        of id: Int64, progress: (String) -> Void = { _ in }
    ) async throws(StoreError) -> [(table: String, count: Int64)] {
        var table: String? = ""
        while let current = table {
            table = try await integrations.eraseBatch(of: id, from: current, limit: Self.batchSize)
            if let table, !table.isEmpty { progress(table) }
        }
        return try await integrations.erasedRows(of: id)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
public import PostgresClient

/// When a run of a service last succeeded.
public struct ServiceFreshness: Sendable {
    /// The service's name.
    public let service: String
    /// The time since then; nil when no run ever succeeded.
    public let age: Duration?

    /// Reads it for up to 100 services, with one look into an index for each.
    public static func read(from pool: PostgresPool) async throws(StoreError) -> [ServiceFreshness] {
        let rows = try await SyncStore(pool: pool).query(StoreSQL.serviceFreshness, [])
        return (0..<rows.count).map { row in
            let now = rows.timestamp(row, 2) ?? Timestamp(seconds: 0)
            let age = rows.timestamp(row, 1).map { now.microseconds - $0.microseconds }
            return ServiceFreshness(
                service: rows.text(row, 0) ?? "", age: age.map { .microseconds(max(0, $0)) })
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// The ledger in numbers.
public struct ClusterStatus: Sendable {
    public let activeIntegrations: Int64
    public let inactiveIntegrations: Int64
    public let liveRecords: Int64
    public let deletions: Int64
    public let quarantined: Int64
    public let openAlerts: Int64
    public let services: [Service]
    /// Runs of the last 24 hours.
    public let runs: [Runs]

    /// One service's share.
    public struct Service: Sendable {
        public let name: String
        public let integrations: Int64
        public let active: Int64
        public let liveRecords: Int64
        public let deletions: Int64
    }

    /// Runs of one service, type and status.
    public struct Runs: Sendable {
        public let service: String
        public let type: String
        public let status: String
        public let count: Int64
        public let added: Int64
        public let updated: Int64
        public let deleted: Int64
        public let unchanged: Int64
    }

    /// Reads the numbers; on a large ledger the counts take seconds.
    public static func read(from pool: PostgresPool) async throws(StoreError) -> ClusterStatus {
        let store = SyncStore(pool: pool)
        let totals = try await store.query(StoreSQL.statusSummary, [])
        let services = try await store.query(StoreSQL.statusServices, [])
        let runs = try await store.query(StoreSQL.statusRuns, [])
        func total(_ column: Int) -> Int64 { totals.int(0, column) ?? 0 }
        return ClusterStatus(
            activeIntegrations: total(0), inactiveIntegrations: total(1), liveRecords: total(2),
            deletions: total(3), quarantined: total(4), openAlerts: total(5),
            services: (0..<services.count).map { row in
                Service(
                    name: services.text(row, 0) ?? "", integrations: services.int(row, 1) ?? 0,
                    active: services.int(row, 2) ?? 0, liveRecords: services.int(row, 3) ?? 0,
                    deletions: services.int(row, 4) ?? 0)
            },
            runs: (0..<runs.count).map { row in
                Runs(
                    service: runs.text(row, 0) ?? "", type: runs.text(row, 1) ?? "",
                    status: runs.text(row, 2) ?? "", count: runs.int(row, 3) ?? 0,
                    added: runs.int(row, 4) ?? 0, updated: runs.int(row, 5) ?? 0,
                    deleted: runs.int(row, 6) ?? 0, unchanged: runs.int(row, 7) ?? 0)
            })
    }
}

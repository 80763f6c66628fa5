// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// The ledger in numbers.
public struct ClusterStatus: Sendable {
    /// Integrations that jobs may work on.
    public let activeIntegrations: Int64
    /// Integrations that are paused or need a new credential.
    public let inactiveIntegrations: Int64
    /// Records that are not deleted.
    public let liveRecords: Int64
    /// Rows in the log of deletions.
    public let deletions: Int64
    /// Records that were put aside with a reason.
    public let quarantined: Int64
    /// Alerts that nobody closed.
    public let openAlerts: Int64
    /// The same by service, in the order of their names.
    public let services: [Service]
    /// Runs of the last 24 hours.
    public let runs: [Runs]

    /// One service's share.
    public struct Service: Sendable {
        /// The service's name.
        public let name: String
        /// Its integrations, whatever their status.
        public let integrations: Int64
        /// Its active integrations.
        public let active: Int64
        /// Its records that are not deleted.
        public let liveRecords: Int64
        /// Its rows in the log of deletions.
        public let deletions: Int64
    }

    /// Runs of one service, type and status.
    public struct Runs: Sendable {
        /// The service's name.
        public let service: String
        /// The type of the jobs.
        public let type: String
        /// How the runs ended, or `running`.
        public let status: String
        /// The number of runs.
        public let count: Int64
        /// Records that were not there before, or were deleted.
        public let added: Int64
        /// Records whose content changed.
        public let updated: Int64
        /// Records that became tombstones.
        public let deleted: Int64
        /// Records with the same content hash as before.
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

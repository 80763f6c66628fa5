// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// How far a wave of jobs of one type is.
public struct WaveProgress: Sendable {
    /// Integrations with a run of the type that started since and succeeded.
    public let succeeded: Int64
    /// Runs that have not ended.
    public let running: Int64
    /// Records that are not deleted.
    public let liveRecords: Int64
    /// Rows in the log of deletions.
    public let deletions: Int64
    /// Integrations that jobs may work on.
    public let activeIntegrations: Int64
    /// Runs since whose worker died or was overtaken.
    public let superseded: Int64
    /// The time of the server.
    public let now: Timestamp

    /// Reads all of it in one statement.
    public static func read(
        from pool: PostgresPool, type: JobType, since: Timestamp
    ) async throws(StoreError) -> WaveProgress {
        let rows = try await SyncStore(pool: pool).query(
            StoreSQL.statusProgress, [.text(type.rawValue), .int(since.microseconds)])
        func value(_ column: Int) -> Int64 { rows.int(0, column) ?? 0 }
        return WaveProgress(
            succeeded: value(0), running: value(1), liveRecords: value(2), deletions: value(3),
            activeIntegrations: value(4), superseded: value(5), now: Timestamp(microseconds: value(6)))
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// How far a wave of jobs of one type is.
public struct WaveProgress: Sendable {
    /// Integrations with a run of the type that started since and succeeded.
    public let succeeded: Int64
    public let running: Int64
    public let liveRecords: Int64
    public let deletions: Int64
    public let activeIntegrations: Int64
    /// Runs since whose worker died or was overtaken.
    public let superseded: Int64
    /// The time of the server.
    public let now: Timestamp

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

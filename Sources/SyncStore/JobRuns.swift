// SPDX-License-Identifier: Apache-2.0

public import Model
import PostgresClient

/// A run of a job: its row of the sync log.
public struct JobRun: Sendable {
    /// The id of the log row.
    public let id: Int64
    /// The job.
    public let jobID: String
    /// Counts the job's charged attempts, from 1.
    public let attempt: Int64
    /// The integration that it worked on.
    public let integrationID: Int64
    /// The type of the job, as in its payload.
    public let type: String
    /// `running`, `succeeded`, `failed` and so on, as in `sync_log`.
    public let status: String
    /// The worker's id.
    public let worker: String
    /// When the run began.
    public let startedAt: Timestamp
    /// When it ended; nil while it runs.
    public let completedAt: Timestamp?
    /// A word for programs; nil when nothing went wrong.
    public let errorCode: String?
    /// A sentence for the user; nil when nothing went wrong.
    public let errorMessage: String?
    /// What an operator needs to know; nil when nothing went wrong.
    public let errorDetail: String?
}

extension IntegrationStore {
    /// The runs of a job, the newest first.
    public func runs(ofJob id: String, limit: Int) async throws(StoreError) -> [JobRun] {
        try await jobRuns([.text(id), .null, .int(Int64(limit))])
    }

    /// The runs of an integration with the jobs they belong to, the newest first.
    public func jobRuns(ofIntegration id: Int64, limit: Int) async throws(StoreError) -> [JobRun] {
        try await jobRuns([.null, .int(id), .int(Int64(limit))])
    }

    private func jobRuns(_ parameters: [PostgresParameter]) async throws(StoreError) -> [JobRun] {
        let rows = try await store.query(StoreSQL.jobRuns, parameters)
        return (0..<rows.count).map { row in
            JobRun(
                id: rows.int(row, 0) ?? 0, jobID: rows.text(row, 1) ?? "", attempt: rows.int(row, 2) ?? 0,
                integrationID: rows.int(row, 3) ?? 0, type: rows.text(row, 4) ?? "",
                status: rows.text(row, 5) ?? "", worker: rows.text(row, 6) ?? "",
                startedAt: rows.timestamp(row, 7) ?? Timestamp(seconds: 0),
                completedAt: rows.timestamp(row, 8), errorCode: rows.text(row, 9),
                errorMessage: rows.text(row, 10), errorDetail: rows.text(row, 11))
        }
    }
}

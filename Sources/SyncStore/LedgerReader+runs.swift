// SPDX-License-Identifier: Apache-2.0

public import Model
import PostgresClient

/// A record that could not be stored, with the beginning of its bytes.
public struct QuarantinedRecord: Sendable {
    /// The row.
    public let id: Int64
    /// Whose record it is.
    public let integrationID: Int64
    /// The stream that brought it.
    public let stream: String
    /// The beginning of its id, as far as it has one; not always UTF-8.
    public let externalID: [UInt8]?
    /// A word for programs, such as `missing_id`.
    public let reason: String
    /// The beginning of what came; not always UTF-8.
    public let excerpt: [UInt8]
    /// How many bytes came.
    public let byteCount: Int64
    /// The run that met it first.
    public let runID: Int64
    /// When that was.
    public let quarantinedAt: Timestamp
}

extension LedgerReader {
    /// JSON objects: the requests of a run that are in the request log, in the order in which they were sent, after some.
    public func requests(
        ofRun id: Int64, passing offset: Int, limit: Int
    ) async throws(StoreError) -> [[UInt8]] {
        let rows = try await store.query(
            StoreSQL.readRequests, [.int(id), .int(Int64(offset)), .int(Int64(limit))])
        return (0..<rows.count).compactMap { rows.text($0, 0).map { Array($0.utf8) } }
    }

    /// How many requests of a run are in the request log.
    public func requestCount(ofRun id: Int64) async throws(StoreError) -> Int {
        Int(try await store.query(StoreSQL.countRequests, [.int(id)]).int(0, 0) ?? 0)
    }

    /// Records that were put aside before an id, the newest first, with at most `excerpt` bytes of each; what is nil does not
    /// matter.
    public func quarantine(
        of integration: Int64? = nil, run: Int64? = nil, stream: String? = nil, before id: Int64, limit: Int,
        excerpt: Int
    ) async throws(StoreError) -> [QuarantinedRecord] {
        let rows = try await store.query(
            StoreSQL.readQuarantine,
            [
                .optional(integration), .optional(run), .optional(stream), .int(id), .int(Int64(limit)),
                .int(Int64(excerpt)),
            ])
        return (0..<rows.count).map { row in
            QuarantinedRecord(
                id: rows.int(row, 0) ?? 0, integrationID: rows.int(row, 1) ?? 0,
                stream: rows.text(row, 2) ?? "", externalID: rows.bytes(row, 3),
                reason: rows.text(row, 4) ?? "", excerpt: rows.bytes(row, 5) ?? [],
                byteCount: rows.int(row, 6) ?? 0, runID: rows.int(row, 7) ?? 0,
                quarantinedAt: rows.timestamp(row, 8) ?? Timestamp(seconds: 0))
        }
    }

    /// How many of the newest `limit` records that were put aside have a stream and a reason in common, the largest group first.
    public func quarantineGroups(
        of integration: Int64, limit: Int
    ) async throws(StoreError) -> [(stream: String, reason: String, count: Int64)] {
        let rows = try await store.query(
            StoreSQL.countQuarantine, [.int(integration), .int(Int64(limit))])
        return (0..<rows.count).map {
            (rows.text($0, 0) ?? "", rows.text($0, 1) ?? "", rows.int($0, 2) ?? 0)
        }
    }
}

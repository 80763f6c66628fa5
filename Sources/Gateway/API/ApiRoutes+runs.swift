// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

extension ApiRoutes {
    var runRoutes: [Route] {
        [
            read("/runs") { request in
                try request.allow(["integration_id", "service", "status", "cursor", "limit"])
                let integration = try request.number("integration_id")
                let limit = try request.limit
                let items = try await reader.runs(
                    of: integration, service: request.query["service"], status: request.query["status"],
                    before: try request.cursor(.runs)?[0] ?? .max, limit: limit)
                return Self.list(items, .runs, limit)
            },
            read("/runs/{id}") { request in
                try request.allow([])
                let run = try await run(try request.id64)
                let streams = try await reader.streams(ofRun: run.id)
                return JSON.text(
                    run.json.dropLast() + Array(",\"streams\":".utf8) + streams + [UInt8(ascii: "}")]
                ).response()
            },
            read("/runs/{id}/requests") { request in
                try request.allow(["cursor", "limit"])
                let run = try await run(try request.id64)
                let limit = try request.limit
                let offset = Int(try request.cursor(.requests)?[0] ?? 0)
                let items = try await reader.requests(ofRun: run.id, passing: offset, limit: limit)
                let hasMore = items.count == limit
                return JSON.page(
                    items, next: hasMore ? PageCursor.make(.requests, [Int64(offset + limit)]) : nil,
                    hasMore: hasMore
                ).response()
            },
            read("/quarantine") { request in
                try request.allow(["integration_id", "run_id", "stream", "cursor", "limit"])
                let limit = try request.limit
                let found = try await reader.quarantine(
                    of: try request.number("integration_id"), run: try request.number("run_id"),
                    stream: request.query["stream"], before: try request.cursor(.quarantine)?[0] ?? .max,
                    limit: limit, excerpt: Self.excerptBytes)
                let hasMore = found.count == limit
                return JSON.page(
                    found.map { Self.quarantined($0).bytes },
                    next: found.last.flatMap { hasMore ? PageCursor.make(.quarantine, [$0.id]) : nil },
                    hasMore: hasMore
                ).response()
            },
        ]
    }

    /// How much of a record that was put aside the API gives.
    private static let excerptBytes = 1_000

    private func run(_ id: Int64) async throws -> LedgerReader.Item {
        guard let run = try await reader.run(id) else { throw Operations.unknownRun(id) }
        return run
    }

    private static func quarantined(_ record: QuarantinedRecord) -> JSON {
        .object([
            ("id", .integer(record.id)), ("integration_id", .integer(record.integrationID)),
            ("stream", .string(record.stream)),
            ("external_id", record.externalID.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null),
            ("reason", .string(record.reason)),
            ("excerpt", .string(String(decoding: record.excerpt, as: UTF8.self))),
            ("bytes", .integer(record.byteCount)), ("run_id", .integer(record.runID)),
            ("quarantined_at", .string(record.quarantinedAt.rfc3339)),
        ])
    }
}

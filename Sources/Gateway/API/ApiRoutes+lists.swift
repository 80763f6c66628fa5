// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model
import SyncStore

extension ApiRoutes {
    var listRoutes: [Route] {
        [
            Route("GET", "/api/v1/openapi.json") { _ in
                GatewayResponse(
                    status: 200, headers: [("Content-Type", "application/json")],
                    body: ApiDescription.bytes)
            },
            read("/integrations/{id}/records") { request in
                try await changes(request) {
                    try await reader.records(of: $0, stream: $1, after: $2, limit: $3)
                }
            },
            read("/integrations/{id}/deletions") { request in
                try await changes(request) {
                    try await reader.deletions(of: $0, stream: $1, after: $2, limit: $3)
                }
            },
            read("/health") { request in
                try request.allow([])
                let fleet = try await counter.value().0
                return JSON.object([
                    ("services", .text(fleet.services)), ("counted_at", .string(fleet.at.rfc3339)),
                    ("alerts", .text(try await reader.alerts())),
                ]).response()
            },
            read("/dead-letters") { request in
                try request.allow(["cursor", "limit"])
                let limit = min(try request.limit, 100)
                let offset = Int(try request.cursor(.dead)?[0] ?? 0)
                let page = try await queue.deadLetters(offset: offset, limit: limit)
                let next = offset + limit
                let hasMore = next < page.total
                return JSON.object([
                    ("items", .array(page.letters.map(Self.letter))),
                    ("next_cursor", hasMore ? .string(PageCursor.make(.dead, [Int64(next)])) : .null),
                    ("has_more", .bool(hasMore)), ("total", .integer(Int64(page.total))),
                ]).response()
            },
        ]
    }

    /// A page of changes. The cursor is there at the end too: the next change is asked for with it.
    private func changes(
        _ request: GatewayRequest,
        _ read: (Int64, String?, LedgerReader.ChangePosition, Int) async throws -> LedgerReader.Changes
    ) async throws -> GatewayResponse {
        try request.allow(["stream", "cursor", "limit"])
        let id = try request.id64
        guard try await reader.integration(id) != nil else { throw Operations.unknownIntegration(id) }
        let position = try request.cursor(.changes).map {
            LedgerReader.ChangePosition(transaction: $0[0], row: $0[1])
        }
        let page = try await read(id, request.query["stream"], position ?? .start, try request.limit)
        return JSON.page(
            page.items, next: PageCursor.make(.changes, [page.position.transaction, page.position.row]),
            hasMore: page.hasMore
        ).response()
    }

    private static func letter(_ letter: DeadLetter) -> JSON {
        .object([
            ("id", .string(letter.id)), ("code", .string(letter.code)), ("reason", .string(letter.reason)),
            ("detail", .string(letter.detail)), ("queue", .string(letter.queue.rawValue)),
            ("attempts", .integer(Int64(letter.attempts))),
            ("failed_at", .string(letter.failedAt.rfc3339)),
            ("payload", .string(String(decoding: letter.payload, as: UTF8.self))),
        ])
    }
}

/// What the API says of itself (OpenAPI 3.1).
enum ApiDescription {
    static var bytes: [UInt8] { PackageResources.openapi_json }
}

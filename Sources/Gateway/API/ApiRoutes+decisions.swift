// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

extension ApiRoutes {
    var decisionRoutes: [Route] {
        [
            write("/dead-letters/{id}/replay") { request in
                _ = try request.object([])
                try await operations.replay(request.parameters["id"] ?? "")
                return JSON.object([("replayed", .bool(true))]).response(202)
            },
            read("/sweeps") { request in
                try request.allow(["cursor", "limit"])
                let limit = try request.limit
                let sweeps = try await operations.heldSweeps(
                    after: try request.cursor(.sweeps)?[0] ?? 0, limit: limit)
                return JSON.page(
                    sweeps.map { Self.sweep($0).bytes },
                    next: sweeps.last.flatMap {
                        sweeps.count == limit ? PageCursor.make(.sweeps, [$0.id]) : nil
                    },
                    hasMore: sweeps.count == limit
                ).response()
            },
            write("/sweeps/{id}/approve") { try await decide($0, approve: true) },
            write("/sweeps/{id}/reject") { try await decide($0, approve: false) },
        ]
    }

    private static func sweep(_ sweep: HeldSweep) -> JSON {
        .object([
            ("id", .integer(sweep.id)), ("integration_id", .integer(sweep.integrationID)),
            ("user_id", .string(sweep.key.userID)), ("service", .string(sweep.key.service)),
            ("account", .string(sweep.key.account)), ("stream", .string(sweep.stream)),
            ("live", .integer(sweep.live)), ("absent", .integer(sweep.absent)),
            ("children", .integer(sweep.children)), ("reason", sweep.reason.map { .string($0) } ?? .null),
            ("held_since", .string(sweep.heldSince.rfc3339)), ("run_id", .integer(sweep.runID)),
        ])
    }

    private func decide(_ request: GatewayRequest, approve: Bool) async throws -> GatewayResponse {
        _ = try request.object([])
        let deleted = try await operations.decide(try request.id64, approve: approve)
        return JSON.object([
            ("status", .string(approve ? "published" : "rejected")), ("deleted", .integer(deleted)),
        ]).response()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Credentials
import Foundation
import Model
import SyncStore

extension ApiRoutes {
    var integrationRoutes: [Route] {
        [
            read("/integrations") { request in
                try request.allow(["service", "user_id", "status", "cursor", "limit"])
                let limit = try request.limit
                let items = try await reader.integrations(
                    service: request.query["service"], userID: request.query["user_id"],
                    status: request.query["status"], after: try request.cursor(.integrations)?[0] ?? 0,
                    limit: limit)
                return Self.list(items, .integrations, limit)
            },
            read("/integrations/{id}") { request in
                try request.allow([])
                return try await integration(try request.id64).response()
            },
            write("/integrations/{id}/sync") { request in
                let body = try request.object(["type", "streams", "since", "until"])
                var more: [(String, JSON)] = []
                if let value = body["streams"] {
                    guard let streams = value as? [String] else {
                        throw Problem(422, "bad_member", "'streams' is a list of names.")
                    }
                    more.append(("streams", .array(streams.map { .string($0) })))
                }
                for name in ["since", "until"] {
                    if let time = try body.text(name) { more.append((name, .string(time))) }
                }
                let type = try body.text("type") ?? "incremental"
                guard ["full", "incremental", "backfill"].contains(type) else {
                    throw Problem(422, "bad_member", "'type' is full, incremental or backfill.")
                }
                let id = try await operations.sync(try request.id64, type: type, more: more)
                return JSON.object([("job_id", .string(id))]).response(202)
            },
            write("/integrations/{id}/pause") { request in
                _ = try request.object([])
                try await operations.move(try request.id64, to: "paused", from: ["active"])
                return try await integration(try request.id64).response()
            },
            write("/integrations/{id}/resume") { request in
                _ = try request.object([])
                try await operations.move(
                    try request.id64, to: "active", from: ["paused", "reauth_required"])
                return try await integration(try request.id64).response()
            },
            write("/integrations/{id}/disconnect") { request in
                let body = try request.object(["force"])
                guard let force = body["force"] ?? false as Any?, let force = force as? Bool else {
                    throw Problem(422, "bad_member", "'force' is true or false.")
                }
                let (outcome, watches) = try await operations.disconnect(try request.id64, force: force)
                return JSON.object([
                    ("status", .string("disconnected")), ("tokens", .string(outcome.word)),
                    ("reason", outcome.reason.map { .string($0) } ?? .null),
                    ("watches_ended", .integer(Int64(watches.ended))),
                    ("watches_left", .integer(Int64(watches.left))),
                    ("watches_reason", watches.reason.map { .string($0) } ?? .null),
                    ("watches_left_until", watches.leftUntil.map { .string($0.rfc3339) } ?? .null),
                ]).response()
            },
            write("/connect-links", isKept: false) { request in
                let body = try request.object(["user_id", "service", "account", "expires_in"])
                return try await link(body).response(201)
            },
        ]
    }

    /// An integration with its streams.
    private func integration(_ id: Int64) async throws -> JSON {
        guard let item = try await reader.integration(id) else { throw Operations.unknownIntegration(id) }
        // The object of the list, with one more member before its end.
        let streams = try await reader.streams(of: id)
        return .text(item.json.dropLast() + Array(",\"streams\":".utf8) + streams + [UInt8(ascii: "}")])
    }

    private func link(_ body: [String: Any]) async throws -> JSON {
        guard let user = try body.text("user_id"), let service = try body.text("service"), !user.isEmpty
        else {
            throw Problem(422, "missing_member", "'user_id' and 'service' are required.")
        }
        guard directory.connector(service) != nil else {
            throw Problem(
                422, "unknown_service",
                "'\(service.prefix(40))' is no service; there are: \(directory.services.joined(separator: ", "))."
            )
        }
        let longest = ConnectLink.maximumLifetime.components.seconds
        let seconds = body["expires_in"].map { ($0 as? Int).map(Int64.init) ?? 0 } ?? 86_400
        guard (1...longest).contains(seconds) else {
            throw Problem(422, "bad_member", "'expires_in' is a number of seconds from 1 to \(longest).")
        }
        let account = try body.text("account") ?? IntegrationKey.defaultAccount
        let end = try await links.now().advanced(by: .seconds(seconds))
        let key = IntegrationKey(userID: user, service: service, account: account)
        let text = try ConnectLink.make(
            for: key, configuration: try await operations.configuration(of: key), until: end, keys: keys)
        return .object([
            ("url", .string(ConnectLink.url(text, service: service, publicURL: publicURL()))),
            ("expires_at", .string(Timestamp(seconds: end.seconds).rfc3339)),
        ])
    }

    static func list(_ items: [LedgerReader.Item], _ kind: PageCursor.Kind, _ limit: Int) -> GatewayResponse {
        let hasMore = items.count == limit
        let next = items.last.flatMap { hasMore ? PageCursor.make(kind, [$0.id]) : nil }
        return JSON.page(items.map(\.json), next: next, hasMore: hasMore).response()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Actions
import Foundation
import Logging
import Model
import SyncStore

extension ApiRoutes {
    var actionRoutes: [Route] {
        [
            // The ledger keeps an action's key for ever, and with it more than an answer: the same wish is the same action.
            write("/actions", isKept: false) { request in
                let wish = try ActionWish(request)
                let accepted: AcceptedAction
                do throws(ActionRefusal) {
                    accepted = try await desk.request(
                        wish.name, input: wish.input, for: wish.integration,
                        idempotencyKey: wish.key)
                } catch {
                    throw Problem.refusing(error)
                }
                if let problem = accepted.queueProblem {
                    logger.warning(
                        "an action was accepted, but not enqueued yet",
                        metadata: ["action": "\(accepted.id)", "reason": "\(problem)"])
                }
                var response = try await action(accepted.id).response(202)
                response.headers.append(("Location", "/api/v1/actions/\(accepted.id)"))
                if !accepted.isNew { response.headers.append(("Idempotent-Replayed", "true")) }
                return response
            },
            read("/actions") { request in
                try request.allow(["integration_id", "status", "name", "cursor", "limit"])
                let limit = try request.limit
                let items = try await reader.actions(
                    ActionFilter(
                        integration: try request.number("integration_id"), status: try request.actionStatus,
                        name: request.query["name"]),
                    before: try request.cursor(.actions)?[0] ?? .max, limit: limit)
                return Self.list(items, .actions, limit)
            },
            read("/actions/{id}") { request in
                try request.allow([])
                return try await action(try request.id64).response()
            },
        ]
    }

    private func action(_ id: Int64) async throws -> JSON {
        guard let found = try await reader.action(id) else { throw Operations.unknownAction(id) }
        return .text(found.json)
    }
}

extension GatewayRequest {
    /// The status that a list of actions is filtered by; nil, as an empty one of a form, for all.
    var actionStatus: String? {
        get throws {
            guard let status = query["status"], !status.isEmpty else { return nil }
            guard ActionFilter.statuses.contains(status) else {
                throw Problem(
                    400, "bad_parameter", "status: \(ActionFilter.statuses.joined(separator: ", ")).")
            }
            return status
        }
    }
}

/// What a request for an action says.
private struct ActionWish {
    let integration: IntegrationReference
    let name: String
    /// The bytes that were sent: its numbers are kept as they are.
    let input: [UInt8]
    let key: String?

    init(_ request: GatewayRequest) throws {
        let members = try request.texts(["integration_id", "user_id", "service", "account", "name", "input"])
        func text(_ name: String) throws -> String? {
            guard let bytes = members[name] else { return nil }
            let problem = Problem(422, "bad_member", "'\(name)' is a text without control characters.")
            let text: String
            do {
                text = try JSONDecoder().decode(String.self, from: Data(bytes))
            } catch {
                throw problem
            }
            guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
                throw problem
            }
            return text
        }
        let names = (user: try text("user_id"), service: try text("service"), account: try text("account"))
        switch (members["integration_id"], names.user, names.service) {
        case (let bytes?, nil, nil) where names.account == nil:
            guard let id = Int64(String(decoding: bytes, as: UTF8.self)) else {
                throw Problem(422, "bad_member", "'integration_id' is a whole number.")
            }
            integration = .id(id)
        case (nil, let user?, let service?):
            integration = .key(
                IntegrationKey(
                    userID: user, service: service, account: names.account ?? IntegrationKey.defaultAccount))
        default:
            throw Problem(
                422, "missing_member",
                "The integration is named by 'integration_id', or by 'user_id', 'service' and, of several, 'account'."
            )
        }
        guard let name = try text("name") else {
            throw Problem(422, "missing_member", "'name' is required: what is to be done.")
        }
        self.name = name
        input = members["input"] ?? Array("{}".utf8)
        key = try request.idempotencyKey
    }
}

extension Problem {
    /// Why a wish for an action was not accepted.
    fileprivate static func refusing(_ refusal: ActionRefusal) -> any Error {
        let detail = refusal.message.split(separator: "\n").joined(separator: "; ") + "."
        return switch refusal.code {
        case .unknownIntegration: Problem(404, "unknown_integration", detail)
        case .inactive: Problem(409, "not_active", detail)
        case .unknownAction: Problem(422, "unknown_action", detail)
        case .invalidInput: Problem(422, "invalid_input", detail)
        case .invalidKey: Problem(400, "bad_idempotency_key", detail)
        case .keyInUse: Problem(409, "idempotency_key_reused", detail)
        case .ledger(let error): error
        }
    }
}

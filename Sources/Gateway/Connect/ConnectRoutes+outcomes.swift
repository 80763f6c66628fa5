// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Logging
import Model

extension ConnectRoutes {
    /// Counts what comes of a step, by the service that the path names, or that `body` finds.
    func counted(
        _ request: GatewayRequest, _ body: (LockedBox<String>) async throws -> GatewayResponse
    ) async throws -> GatewayResponse {
        let service = LockedBox(request.parameters["service"] ?? "")
        func count(_ outcome: GatewayMetrics.Connection) {
            metrics.connecting(service.withLock { $0 }, outcome)
        }
        do {
            let response = try await known { try await body(service) }
            let isBegin = request.method == "GET" && request.path != "/oauth/callback"
            count(response.status >= 400 ? .refused : isBegin ? .begun : .connected)
            return response
        } catch {
            switch error as? Problem {
            case let problem? where problem.code == "denied": count(.denied)
            case let problem? where problem.status < 500: count(.refused)
            default: count(.failed)
            }
            throw error
        }
    }

    /// An outage of the ledger, or of the queue, is no fault of ours: it says when to try again.
    func known<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch {
            if let problem = Problem(error) { throw problem }
            throw error
        }
    }

    /// A failure in words for the user; the operator's are logged.
    func mapping<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as CredentialError {
            logger.warning(
                "an account was not connected",
                metadata: ["code": "\(error.code.rawValue)", "reason": "\(error.message)"])
            switch error.code {
            case .invalidCallback:
                throw Problem(
                    400, "foreign_callback",
                    "This was not begun in this browser, was finished already, or took too long. Open your link again."
                )
            case .linkOver: throw Self.usedLink
            case .denied:
                throw Problem(
                    422, "denied",
                    "The access was not granted. To connect, open your link again and allow it.")
            case .invalid:
                throw Problem(422, "invalid_values", "These values cannot be stored. Open your link again.")
            case .config:
                throw Problem(
                    500, "not_set_up",
                    "This service is not set up completely. Those who sent you the link can mend it.")
            case .unavailable:
                throw Problem(
                    503, "unavailable", "That did not work just now. Open your link again in a minute.",
                    headers: [("Retry-After", "60")])
            }
        }
    }

    /// The secret that proves a connector's notifications: it outlives the credential that its account is read with.
    static func notifying(_ connector: any Connector) -> Set<String> {
        connector.webhook.map { [$0.secret] } ?? []
    }

    var unreadable: @Sendable (Int64, String) -> Void {
        let logger = logger
        return { id, reason in
            logger.warning(
                "the credential that is replaced cannot be opened; nothing of it stays",
                metadata: ["integration": "\(id)", "reason": "\(reason)"])
        }
    }
}

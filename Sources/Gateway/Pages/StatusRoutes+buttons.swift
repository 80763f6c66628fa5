// SPDX-License-Identifier: Apache-2.0

import Credentials
import Model
import SyncStore

extension StatusRoutes {
    /// What the buttons of the pages do.
    var buttonRoutes: [Route] {
        [
            action("/integrations/{id}/sync") { request, _, _ in
                let id = try request.id64
                _ = try await operations.sync(id, type: "incremental")
                return Self.back(to: id)
            },
            action("/integrations/{id}/full") { request, _, _ in
                let id = try request.id64
                _ = try await operations.sync(id, type: "full")
                return Self.back(to: id)
            },
            action("/integrations/{id}/pause") { request, _, _ in
                let id = try request.id64
                try await operations.move(id, to: "paused", from: ["active"])
                return Self.back(to: id)
            },
            action("/integrations/{id}/resume") { request, _, _ in
                let id = try request.id64
                try await operations.move(id, to: "active", from: ["paused", "reauth_required"])
                return Self.back(to: id)
            },
            action("/integrations/{id}/disconnect") { request, _, check in
                let id = try request.id64
                let (tokens, watches) = try await operations.disconnect(id, force: false)
                guard case .failed(let reason) = tokens else {
                    return watches.reason == nil ? Self.back(to: id) : goingOn(watches, of: id, check)
                }
                return framed(
                    "Disconnected", check, status: 409,
                    """
                    <div class="card narrow"><h1>Disconnected, but the provider kept the access</h1>
                    <p>Nothing is synced any more. The provider did not take the tokens back: \(reason)\(watches.sentence)</p>
                    <p>Try again later, or use <code>lockstep integrations disconnect \(id) --force</code>.</p>
                    <p><a href="/integrations/\(id)">Back</a></p></div>
                    """)
            },
            action("/integrations/{id}/link") { request, _, check in
                try await reconnect(try request.id64, check)
            },
            action("/dead-letters/{id}/replay") { request, _, _ in
                try await operations.replay(request.parameters["id"] ?? "")
                return GatewayResponse(status: 303, headers: [("Location", "/dead-letters")])
            },
            action("/sweeps/{id}/approve") { request, _, _ in
                _ = try await operations.decide(try request.id64, approve: true)
                return GatewayResponse(status: 303, headers: [("Location", "/sweeps")])
            },
            action("/sweeps/{id}/reject") { request, _, _ in
                _ = try await operations.decide(try request.id64, approve: false)
                return GatewayResponse(status: 303, headers: [("Location", "/sweeps")])
            },
        ]
    }

    private static func back(to id: Int64) -> GatewayResponse {
        GatewayResponse(status: 303, headers: [("Location", "/integrations/\(id)")])
    }

    /// The account is disconnected, and the provider notifies of it for a while.
    private func goingOn(
        _ watches: WatchEnding.Outcome, of id: Int64, _ check: String
    ) -> GatewayResponse {
        framed(
            "Disconnected", check,
            """
            <div class="card narrow"><h1>Disconnected, but the provider may go on notifying</h1>
            <p>Nothing is synced any more\(watches.sentence).</p>
            <p><a href="/integrations/\(id)">Back</a></p></div>
            """)
    }

    /// A link for the account's user: only they can let somebody in at the provider.
    private func reconnect(_ id: Int64, _ check: String) async throws -> GatewayResponse {
        guard let found = try await reader.integration(id) else { throw Operations.unknownIntegration(id) }
        let item: PageModels.Integration = try PageModels.read(found.json)
        let end = try await links.now().advanced(by: .seconds(86_400))
        let text = try ConnectLink.make(
            for: IntegrationKey(userID: item.userId, service: item.service, account: item.account),
            configuration: try await operations.configuration(of: id), until: end, keys: keys)
        let url = ConnectLink.url(text, service: item.service, publicURL: publicURL())
        return framed(
            "Reconnect", check,
            """
            <div class="card narrow"><h1>Reconnect \(.name(title(of: item.service)))</h1>
            <p>Send this link to \(.name(item.userId)), and to nobody else: whoever opens it first connects an account of theirs. It works
            once, until \(Timestamp(seconds: end.seconds).rfc3339).</p>
            <p><a href="\(url)" rel="noreferrer">\(url)</a></p>
            <p><a href="/integrations/\(id)">Back</a></p></div>
            """)
    }
}

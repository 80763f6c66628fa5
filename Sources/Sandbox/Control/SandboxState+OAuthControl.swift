// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// `/_control/oauth/…`: clients, behaviour, and tokens without a consent; and `/_control/limits`.
extension SandboxState {
    mutating func controlOAuth(
        _ request: SandboxRequest, _ what: Substring, at now: RequestTime
    ) throws(ControlRefusal) -> SandboxResponse {
        switch what {
        case "clients": return try addClient(request)
        case "accounts": return try addAccount(request)
        case "behaviour": return try setBehaviour(request)
        case "tokens": return try issueTokens(request, at: now)
        case "expire", "revoke":
            let parameters = try ControlParameters(request, allowed: ["server", "client", "user"])
            let setting = try self.setting(parameters)
            if what == "expire" {
                let count = grants.expire(at: now.monotonic, where: setting.matches)
                return SandboxResponse(json: #"{"expired":\#(count)}"#)
            }
            let meant = grants.grants.filter { setting.matches($0) && !$0.isRevoked }
            for grant in meant { grants.revoke(grant.number) }
            return SandboxResponse(json: #"{"revoked":\#(meant.count)}"#)
        default:
            throw ControlRefusal("oauth has clients, accounts, behaviour, tokens, expire, revoke, grants")
        }
    }

    func listGrants(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["server", "client", "user"])
        let setting = try self.setting(parameters)
        return Self.lines(
            grants.grants.filter(setting.matches).map { grant in
                """
                {"grant":\(grant.number),"server":"\(grant.server.rawValue)",\
                "client":\(JSONText.quoted(grant.client)),\
                "user":\(JSONText.quoted(configuration.name(ofUser: grant.user))),\
                "scope":\(JSONText.quoted(grant.scopes.joined(separator: " "))),\
                "refreshes":\(grant.refreshes),"replayed":\(grant.wasReplayed),"revoked":\(grant.isRevoked)}
                """
            })
    }

    mutating func setLimits(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(
            request, allowed: ["service", "mode", "endpoint", "count", "milliseconds", "scope"])
        guard let service = try parameters.service() else { throw ControlRefusal("'service' is needed") }
        switch parameters.text("mode") {
        case "documented": limits.set(RateLimits.documented(service), of: service)
        case "off": limits.set([], of: service)
        case nil:
            guard let count = try parameters.integer("count", in: 1...1_000_000_000),
                let length = try parameters.integer("milliseconds", in: 1...86_400_000)
            else { throw ControlRefusal("'mode' is needed, or 'count' and 'milliseconds'") }
            guard let scope = LimitRule.Scope(rawValue: parameters.text("scope") ?? "user") else {
                throw ControlParameters.oneOf("scope", LimitRule.Scope.allCases.map(\.rawValue))
            }
            limits.add(
                LimitRule(
                    service: service, endpoint: parameters.text("endpoint"), scope: scope, limit: count,
                    length: Int64(length) * 1_000))
        default: throw ControlParameters.oneOf("mode", ["documented", "off"])
        }
        return SandboxResponse(json: #"{"limits":\#(limits.rules.count)}"#)
    }

    private func setting(_ parameters: ControlParameters) throws(ControlRefusal) -> OAuthSetting {
        var setting = OAuthSetting()
        if let text = parameters.text("server") {
            guard let server = OAuthServer(rawValue: text) else {
                throw ControlParameters.oneOf("server", OAuthServer.allCases.map(\.rawValue))
            }
            setting.server = server
        }
        setting.client = parameters.text("client")
        setting.user = try parameters.user(configuration)
        return setting
    }

    private mutating func addClient(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["id", "secret", "redirect_uri", "user"])
        guard let id = parameters.text("id"), !id.isEmpty else { throw ControlRefusal("'id' is needed") }
        clients.add(
            OAuthClient(
                id: id, secret: parameters.text("secret"), redirect: parameters.text("redirect_uri"),
                user: try parameters.user(configuration) ?? 1))
        return SandboxResponse(json: #"{"clients":\#(clients.clients.count)}"#)
    }

    private mutating func addAccount(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["email", "public_key", "user"])
        guard let email = parameters.text("email"), let pem = parameters.text("public_key") else {
            throw ControlRefusal("'email' and 'public_key' (PEM) are needed")
        }
        let user = try parameters.user(configuration) ?? 1
        do throws(CryptoError) {
            clients.add(ServiceAccount(email: email, key: try RSAPublicKey(pem: pem), user: user))
        } catch {
            throw ControlRefusal("'public_key': \(error.message)")
        }
        return SandboxResponse(json: #"{"accounts":\#(clients.accounts.count)}"#)
    }

    private mutating func setBehaviour(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(
            request,
            allowed: [
                "server", "client", "user", "rotation", "expires_in", "omit_expires_in", "omit_refresh_token",
            ])
        var setting = try self.setting(parameters)
        if let text = parameters.text("rotation") {
            guard let rotation = OAuthBehaviour.Rotation(rawValue: text) else {
                throw ControlParameters.oneOf("rotation", OAuthBehaviour.Rotation.allCases.map(\.rawValue))
            }
            setting.rotation = rotation
        }
        setting.expiresIn = try parameters.integer("expires_in")
        setting.omitsExpiresIn = try parameters.flag("omit_expires_in")
        setting.omitsRefreshToken = try parameters.flag("omit_refresh_token")
        grants.set(setting)
        return SandboxResponse(json: #"{"ok":true}"#)
    }

    /// Tokens as a consent would have given them.
    private mutating func issueTokens(
        _ request: SandboxRequest, at now: RequestTime
    ) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["server", "client", "user", "scope"])
        let setting = try self.setting(parameters)
        guard let server = setting.server, let user = setting.user else {
            throw ControlRefusal("'server' and 'user' are needed")
        }
        let scopes = (parameters.text("scope") ?? "").split { $0 == " " || $0 == "," }.map { String($0) }
        let issued = grants.grant(
            server, client: setting.client ?? "lockstep", user: user, scopes: scopes, isOffline: true,
            at: now.monotonic)
        return OAuthAnswer(server: server, isRefresh: false).response(issued, bytes: bytes)
    }
}

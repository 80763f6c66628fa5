// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model
import NIOCore

/// The authorization servers: consent, tokens, revocation.
extension SandboxState {
    private static let jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    mutating func authorize(
        _ endpoint: OAuthEndpoint, _ request: SandboxRequest, _ service: SandboxService, at now: RequestTime
    ) -> SandboxResponse {
        let server = OAuthServer(service)
        let parameters = request.parameters ?? [:]
        var response: SandboxResponse
        switch endpoint {
        case .authorize: response = consent(server, request, parameters, at: now)
        case .token: response = token(server, request, parameters, at: now)
        case .revoke: response = revoke(server, request, parameters)
        }
        // Assertions and expiry are about real time, unlike the objects.
        response.date = now.wall.seconds
        if endpoint == .token {
            response.headers += [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
        }
        return response
    }

    /// The user whom a request to the token endpoint is about.
    func user(ofOAuth request: SandboxRequest) -> Int? {
        guard let parameters = request.parameters else { return nil }
        return parameters["refresh_token"].flatMap(grants.user(ofRefresh:))
            ?? parameters["code"].flatMap(grants.user(ofCode:))
    }

    private mutating func consent(
        _ server: OAuthServer, _ request: SandboxRequest, _ parameters: [String: String],
        at now: RequestTime
    ) -> SandboxResponse {
        guard ["GET", "POST"].contains(request.method), let id = parameters["client_id"],
            let client = clients[id]
        else { return ConsentPage.refusal("The client is unknown.") }
        guard let redirect = parameters["redirect_uri"] ?? client.redirect,
            redirect.hasPrefix("http://") || redirect.hasPrefix("https://"),
            client.redirect == nil || client.redirect == redirect
        else { return ConsentPage.refusal("The redirect_uri is missing, or is none of this client.") }
        let state = parameters["state"]
        let issuer: String? =
            switch server {
            case .generic: "http://\(request.header("Host") ?? "localhost")/oauth"
            case .google: "https://accounts.google.com"
            case .slack, .stripe: nil
            }
        func refused(_ error: String, _ description: String) -> SandboxResponse {
            ConsentPage.redirect(
                redirect,
                [("error", error), ("error_description", description), ("state", state), ("iss", issuer)])
        }
        guard parameters["response_type"] == "code" || server == .slack else {
            return refused("unsupported_response_type", "response_type is code")
        }
        let challenge = parameters["code_challenge"]
        guard challenge == nil || parameters["code_challenge_method"] == "S256" else {
            return refused("invalid_request", "code_challenge_method is S256")
        }
        guard challenge != nil || client.secret != nil else {
            return refused("invalid_request", "a client without a secret needs a code_challenge")
        }
        // Slack asks for scopes of the person apart from those of the bot.
        let userScope = server == .slack ? parameters["user_scope"].flatMap { $0.isEmpty ? nil : $0 } : nil
        let scope = userScope ?? parameters["scope"] ?? ""
        guard request.method == "POST" else {
            let hint = parameters["login_hint"] ?? configuration.name(ofUser: 1)
            return ConsentPage.form(request, client: id, user: hint, scope: scope)
        }
        guard parameters["decision"] == "allow" else { return refused("access_denied", "The user said no.") }
        guard let user = parameters["user"].flatMap({ configuration.user(named: $0) }) else {
            return ConsentPage.refusal("There is no such account.")
        }
        let granted = parameters["granted_scope"] ?? scope
        let code = grants.makeCode(
            server, client: id, redirect: redirect, challenge: challenge, user: user,
            scopes: granted.split(separator: server.separator).map { String($0) },
            isOffline: server != .google || parameters["access_type"] == "offline",
            isOfUser: userScope != nil,
            at: now.monotonic)
        var response = ConsentPage.redirect(redirect, [("code", code), ("state", state), ("iss", issuer)])
        response.user = user
        return response
    }

    private mutating func token(
        _ server: OAuthServer, _ request: SandboxRequest, _ parameters: [String: String],
        at now: RequestTime
    ) -> SandboxResponse {
        let type = parameters["grant_type"] ?? (server == .slack ? "authorization_code" : "")
        let isRefresh = type == "refresh_token"
        do throws(OAuthRefusal) {
            guard request.method == "POST" else {
                throw OAuthRefusal("invalid_request", "The method is POST.")
            }
            let issued = try issue(server, type, request, parameters, at: now)
            var response = OAuthAnswer(server: server, isRefresh: isRefresh)
                .response(issued, bytes: bytes)
            response.user = issued.grant.user
            response.write = WriteNote(
                key: parameters["refresh_token"] ?? parameters["code"], effect: "grant_\(issued.grant.number)"
            )
            return response
        } catch {
            var response = error.response(server, isRefresh: isRefresh)
            response.user = user(ofOAuth: request)
            response.write = WriteNote(key: parameters["refresh_token"] ?? parameters["code"])
            return response
        }
    }

    private mutating func issue(
        _ server: OAuthServer, _ type: String, _ request: SandboxRequest, _ parameters: [String: String],
        at now: RequestTime
    ) throws(OAuthRefusal) -> OAuthGrants.Issued {
        if type == Self.jwtBearer, server == .google || server == .generic {
            return try grant(server, assertion: parameters["assertion"] ?? "", at: now)
        }
        let client = try clients.authenticate(request, parameters)
        switch type {
        case "authorization_code":
            guard let code = parameters["code"] else {
                throw OAuthRefusal("invalid_request", "code is missing.")
            }
            let challenge = parameters["code_verifier"].map {
                Base64.urlSafe.encode(SHA256.digest(of: Array($0.utf8)))
            }
            return try grants.redeem(
                code, server, client: client.id, redirect: parameters["redirect_uri"], challenge: challenge,
                at: now.monotonic)
        case "refresh_token":
            guard let token = parameters["refresh_token"] else {
                throw OAuthRefusal("invalid_request", "refresh_token is missing.")
            }
            return try grants.refresh(token, server, client: client.id, at: now.monotonic)
        case "client_credentials" where server == .generic && client.secret != nil:
            let scopes = (parameters["scope"] ?? "").split(separator: " ").map { String($0) }
            return grants.grant(
                server, client: client.id, user: client.user, scopes: scopes, isOffline: false,
                at: now.monotonic)
        default: throw OAuthRefusal("unsupported_grant_type", "The grant type is not served here.")
        }
    }

    private mutating func grant(
        _ server: OAuthServer, assertion text: String, at now: RequestTime
    ) throws(OAuthRefusal) -> OAuthGrants.Issued {
        let assertion = try JWTAssertion(text, clients.accounts, at: now.wall.seconds)
        var user = clients.accounts[assertion.issuer]?.user
        if let subject = assertion.subject, subject != assertion.issuer {
            let name = subject.hasSuffix("@example.com") ? subject.dropLast(12) : subject[...]
            user = configuration.user(named: name)
        }
        guard let user else { throw OAuthRefusal("invalid_grant", "Invalid email or User ID") }
        return grants.grant(
            server, client: assertion.issuer, user: user, scopes: assertion.scopes, isOffline: false,
            at: now.monotonic)
    }

    private mutating func revoke(
        _ server: OAuthServer, _ request: SandboxRequest, _ parameters: [String: String]
    ) -> SandboxResponse {
        let token = (server == .slack ? request.bearer : nil) ?? parameters["token"] ?? ""
        let user = grants.user(ofRefresh: token) ?? grants.access[token].map { grants.grants[$0.grant].user }
        var response: SandboxResponse
        do throws(OAuthRefusal) {
            if server == .generic || server == .stripe { _ = try clients.authenticate(request, parameters) }
            let isDone = grants.revoke(token: token)
            switch server {
            // An unknown token is as good as revoked (RFC 7009, section 2.2).
            case .generic: response = SandboxResponse()
            case .slack:
                response =
                    isDone
                    ? SandboxResponse(json: #"{"ok":true,"revoked":true}"#)
                    : SlackRefusal("invalid_auth").response
            case .google:
                guard isDone else { throw OAuthRefusal("invalid_token", "Token expired or revoked") }
                response = SandboxResponse(json: "{}")
            case .stripe: response = SandboxResponse(json: #"{"stripe_user_id":"acct_1"}"#)
            }
            response.write = WriteNote(key: token, effect: isDone ? "revoked" : nil)
        } catch {
            response = error.response(server)
        }
        response.user = user
        return response
    }
}

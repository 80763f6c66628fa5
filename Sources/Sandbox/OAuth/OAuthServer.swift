// SPDX-License-Identifier: Apache-2.0

/// Whose authorization server a request talks to; they differ in shapes and habits.
enum OAuthServer: String, Sendable, CaseIterable {
    /// As the RFCs say, and strict.
    case generic = "oauth"
    case google
    case slack
    case stripe

    init(_ service: SandboxService) {
        switch service {
        case .oauth: self = .generic
        case .googleCalendar, .gmail: self = .google
        case .slack: self = .slack
        case .stripe: self = .stripe
        }
    }

    /// Whether tokens of this server open a service.
    func opens(_ service: SandboxService) -> Bool { self == .generic || self == OAuthServer(service) }

    /// What stands between scopes.
    var separator: Character { self == .slack ? "," : " " }

    func accessPrefix(expires: Bool, isOfUser: Bool) -> String {
        switch self {
        case .generic: "at_"
        case .google: "ya29.a0"
        case .slack: (expires ? "xoxe." : "") + (isOfUser ? "xoxp-1-" : "xoxb-1-")
        case .stripe: "sk_test_51"
        }
    }

    var refreshPrefix: String {
        switch self {
        case .generic: "rt_"
        case .google: "1//0"
        case .slack: "xoxe-1-"
        case .stripe: "rt_51"
        }
    }

    /// What the server does unless the control says otherwise.
    var behaviour: OAuthBehaviour {
        switch self {
        case .generic: OAuthBehaviour(rotation: .strict, expiresIn: 3_600)
        case .google: OAuthBehaviour(rotation: .none, expiresIn: 3_599, omitsRefreshToken: true)
        case .slack: OAuthBehaviour(rotation: .strict, expiresIn: 43_200)
        case .stripe: OAuthBehaviour(rotation: .none, omitsExpiresIn: true)
        }
    }
}

/// What a client asks an authorization server for.
enum OAuthEndpoint: String, Sendable {
    case authorize = "oauth.authorize"
    case token = "oauth.token"
    case revoke = "oauth.revoke"

    /// By the path behind the service's name; nil when it belongs to the API.
    init?(_ request: SandboxRequest, _ service: SandboxService) {
        let path = request.segments.dropFirst().joined(separator: "/")
        switch (OAuthServer(service), path) {
        case (.generic, "authorize"), (.stripe, "oauth/authorize"), (.google, "o/oauth2/v2/auth"),
            (.slack, "oauth/v2/authorize"):
            self = .authorize
        case (.generic, "token"), (.stripe, "oauth/token"), (.google, "token"),
            (.slack, "api/oauth.v2.access"):
            self = .token
        case (.generic, "revoke"), (.stripe, "oauth/deauthorize"), (.google, "revoke"),
            (.slack, "api/auth.revoke"):
            self = .revoke
        default: return nil
        }
    }
}

/// How an authorization server treats refresh tokens and expiry.
struct OAuthBehaviour: Sendable, Equatable {
    enum Rotation: String, Sendable, CaseIterable {
        /// The refresh token stays the same.
        case none
        /// Each refresh gives a new one; to use an old one again revokes everything that came of the consent.
        case strict
        /// Each refresh gives a new one; an old one is refused and harms nothing.
        case single
    }

    var rotation: Rotation
    /// Seconds; nil: access tokens do not expire.
    var expiresIn: Int?
    /// Answers do not say when the token expires, though it may.
    var omitsExpiresIn = false
    /// Answers to a refresh carry no refresh token. One that rotates is then lost for good.
    var omitsRefreshToken = false
}

/// A change of behaviour for some grants; what is nil matches all, or changes nothing.
struct OAuthSetting: Sendable {
    var server: OAuthServer?
    var client: String?
    var user: Int?
    var rotation: OAuthBehaviour.Rotation?
    /// 0: access tokens do not expire.
    var expiresIn: Int?
    var omitsExpiresIn: Bool?
    var omitsRefreshToken: Bool?

    func matches(_ grant: OAuthGrant) -> Bool {
        (server == nil || server == grant.server) && (client == nil || client == grant.client)
            && (user == nil || user == grant.user)
    }

    func apply(to behaviour: inout OAuthBehaviour) {
        if let rotation { behaviour.rotation = rotation }
        if let expiresIn { behaviour.expiresIn = expiresIn == 0 ? nil : expiresIn }
        if let omitsExpiresIn { behaviour.omitsExpiresIn = omitsExpiresIn }
        if let omitsRefreshToken { behaviour.omitsRefreshToken = omitsRefreshToken }
    }
}

/// Why an authorization server refuses.
struct OAuthRefusal: Error, Equatable {
    let error: String
    let description: String

    init(_ error: String, _ description: String) {
        self.error = error
        self.description = description
    }

    static let usedCode = OAuthRefusal(
        "invalid_grant", "The code is unknown, expired, used or of another client.")
    static let deadRefreshToken = OAuthRefusal("invalid_grant", "Token has been expired or revoked.")

    /// In the form of a server: Slack answers with status 200.
    func response(_ server: OAuthServer, isRefresh: Bool = false) -> SandboxResponse {
        if server == .slack { return SlackRefusal(slackError(isRefresh)).response }
        let status = error == "invalid_client" ? 401 : error == "server_error" ? 500 : 400
        var response = SandboxResponse(
            status: status,
            json: """
                {"error":\(JSONText.quoted(error)),"error_description":\(JSONText.quoted(description))}
                """)
        if status == 401 { response.headers.append(("WWW-Authenticate", "Basic realm=\"sandbox\"")) }
        return response
    }

    private func slackError(_ isRefresh: Bool) -> String {
        switch error {
        case "invalid_client": "bad_client_secret"
        case "invalid_grant": isRefresh ? "invalid_refresh_token" : "invalid_code"
        case "unsupported_grant_type": "invalid_grant_type"
        default: error
        }
    }
}

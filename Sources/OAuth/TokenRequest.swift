// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model

/// The requests that a token endpoint understands.
public struct TokenRequests: Sendable {
    private let profile: OAuthProfile
    private let client: OAuthClient?
    private let secrets: [String: SecretString]
    private let configuration: [String: String]

    /// Shorter than a refresh may be claimed for, so that an answer comes while the claim holds.
    static let timeout: Duration = .seconds(20)
    /// Tokens are short; a page of HTML may be longer.
    private static let maximumBytes = 1 * 1_024 * 1_024

    /// Requests on behalf of one integration. A client that the integration has of its own (`client_id`, `client_secret`)
    /// comes before the operator's.
    public init(
        profile: OAuthProfile, client: OAuthClient?, secrets: [String: SecretString],
        configuration: [String: String]
    ) {
        self.profile = profile
        self.secrets = secrets
        self.configuration = configuration
        if let id = secrets["client_id"] {
            self.client = OAuthClient(id: id.exposed, secret: secrets["client_secret"])
        } else {
            self.client = client
        }
    }

    /// Redeems the code of a consent.
    public func exchange(
        code: SecretString, redirectURI: String, verifier: SecretString
    ) throws(OAuthError) -> HTTPRequest {
        try request([
            ("grant_type", "authorization_code"), ("code", code.exposed), ("redirect_uri", redirectURI),
            ("code_verifier", verifier.exposed),
        ])
    }

    /// Asks for a new access token with what the integration has. `now` is the time of the claims of an assertion.
    public func renewal(now: Timestamp) throws(OAuthError) -> HTTPRequest {
        switch profile.grant {
        case .authorizationCode:
            guard let token = secrets["refresh_token"] else {
                throw OAuthError(.config, "the credential has no refresh_token")
            }
            return try request([("grant_type", "refresh_token"), ("refresh_token", token.exposed)])
        case .clientCredentials:
            var fields = [(name: "grant_type", value: "client_credentials")]
            if !profile.scopes.isEmpty {
                fields.append(("scope", profile.scopes.joined(separator: profile.scopeSeparator)))
            }
            return try request(fields)
        case .jwtBearer(let assertion):
            let token = try JWTAssertion.sign(
                assertion, scopes: profile.scopes.joined(separator: profile.scopeSeparator), now: now,
                secrets: secrets, configuration: configuration)
            // The signature is the proof; a client of the operator's is not asked for.
            return Self.limited(
                .form(
                    url: profile.tokenURL,
                    fields: [
                        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                        ("assertion", token.exposed),
                    ], headers: Self.accept))
        case .login(let login): return try Self.limited(loginRequest(login))
        }
    }

    /// Gives the tokens back; nil when the provider takes none, or there is none.
    public func revocation() throws(OAuthError) -> HTTPRequest? {
        guard let revocation = profile.revocation else { return nil }
        let refresh = secrets["refresh_token"]
        guard let token = refresh ?? secrets["access_token"] else { return nil }
        switch revocation.style {
        case .rfc7009:
            return try request(
                [
                    ("token", token.exposed),
                    ("token_type_hint", refresh == nil ? "access_token" : "refresh_token"),
                ], to: revocation.url)
        case .bearer:
            guard let access = secrets["access_token"] else { return nil }
            return Self.limited(
                HTTPRequest(
                    method: "POST", url: revocation.url,
                    headers: Self.accept + [("Authorization", "Bearer \(access.exposed)")], body: []))
        }
    }

    private static let accept = [(name: "Accept", value: "application/json")]

    private func request(
        _ fields: [(name: String, value: String)], to url: String? = nil
    ) throws(OAuthError) -> HTTPRequest {
        guard let client else {
            throw OAuthError(
                .config,
                "no OAuth client is configured for this service; set LOCKSTEP_OAUTH_<SERVICE>_CLIENT_ID")
        }
        var fields = fields
        var headers = Self.accept
        switch profile.clientAuthentication {
        case .basic: headers.append(("Authorization", client.basic))
        case .post:
            fields.append(("client_id", client.id))
            if let secret = client.secret { fields.append(("client_secret", secret.exposed)) }
        case .none: fields.append(("client_id", client.id))
        }
        return Self.limited(.form(url: url ?? profile.tokenURL, fields: fields, headers: headers))
    }

    private func loginRequest(_ login: OAuthProfile.Login) throws(OAuthError) -> HTTPRequest {
        var fields: [(name: String, value: String)] = []
        for field in login.fields {
            fields.append((field.name, try field.value.required(secrets, configuration)))
        }
        guard login.isJSON else { return .form(url: profile.tokenURL, fields: fields, headers: Self.accept) }
        let members = fields.map { "\(JSONWriting.quoted($0.name)):\(JSONWriting.quoted($0.value))" }
        return HTTPRequest(
            method: "POST", url: profile.tokenURL,
            headers: Self.accept + [("Content-Type", "application/json")],
            body: Array("{\(members.joined(separator: ","))}".utf8))
    }

    private static func limited(_ request: HTTPRequest) -> HTTPRequest {
        var request = request
        request.timeout = timeout
        request.maxBodyBytes = maximumBytes
        request.maxWireBytes = maximumBytes
        return request
    }
}

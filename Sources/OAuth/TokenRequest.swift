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
        var fields = [
            (name: "grant_type", value: "authorization_code"), (name: "code", value: code.exposed),
            (name: "redirect_uri", value: redirectURI), (name: "code_verifier", value: verifier.exposed),
        ]
        if case .authorizationCode(let consent) = profile.grant {
            for parameter in consent.exchangeParameters {
                fields.append((parameter.name, try parameter.value.required([:], configuration)))
            }
        }
        return try request(fields)
    }

    /// Throws `config` when a value is missing that redeeming a code, or giving tokens back, will need. So it is missed before the
    /// user is asked, not when the consent is used up.
    public func checkPlaces() throws(OAuthError) {
        for url in [profile.tokenURL, profile.revocation?.url].compactMap(\.self) {
            _ = try OAuthProfile.required(url, configuration)
        }
        guard case .authorizationCode(let consent) = profile.grant else { return }
        for parameter in consent.exchangeParameters { _ = try parameter.value.required([:], configuration) }
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
            var assertion = assertion
            assertion.audience = try OAuthProfile.required(assertion.audience, configuration)
            let token = try JWTAssertion.sign(
                assertion, scopes: profile.scopes.joined(separator: profile.scopeSeparator), now: now,
                secrets: secrets, configuration: configuration)
            // The signature is the proof; a client of the operator's is not asked for.
            return Self.limited(
                .form(
                    url: try OAuthProfile.required(profile.tokenURL, configuration),
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
        let url = try OAuthProfile.required(revocation.url, configuration)
        switch revocation.style {
        case .rfc7009:
            return try request(
                [
                    ("token", token.exposed),
                    ("token_type_hint", refresh == nil ? "access_token" : "refresh_token"),
                ], toRevoke: url)
        case .token:
            return Self.limited(.form(url: url, fields: [("token", token.exposed)], headers: Self.accept))
        case .bearer:
            guard let access = secrets["access_token"] else { return nil }
            return Self.limited(
                HTTPRequest(
                    method: "POST", url: url,
                    headers: Self.accept + [("Authorization", "Bearer \(access.exposed)")], body: []))
        }
    }

    private static let accept = [(name: "Accept", value: "application/json")]

    private func request(
        _ fields: [(name: String, value: String)], toRevoke url: String? = nil
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
        if let url { return Self.limited(.form(url: url, fields: fields, headers: headers)) }
        let url = try OAuthProfile.required(profile.tokenURL, configuration)
        return Self.limited(
            profile.isJSON
                ? Self.json(url, fields, headers)
                : HTTPRequest.form(url: url, fields: fields, headers: headers))
    }

    private static func json(
        _ url: String, _ fields: [(name: String, value: String)], _ headers: [(name: String, value: String)]
    ) -> HTTPRequest {
        let members = fields.map { "\(JSONWriting.quoted($0.name)):\(JSONWriting.quoted($0.value))" }
        return HTTPRequest(
            method: "POST", url: url, headers: headers + [("Content-Type", "application/json")],
            body: Array("{\(members.joined(separator: ","))}".utf8))
    }

    private func loginRequest(_ login: OAuthProfile.Login) throws(OAuthError) -> HTTPRequest {
        var fields: [(name: String, value: String)] = []
        for field in login.fields {
            fields.append((field.name, try field.value.required(secrets, configuration)))
        }
        let url = try OAuthProfile.required(profile.tokenURL, configuration)
        return login.isJSON
            ? Self.json(url, fields, Self.accept)
            : HTTPRequest.form(url: url, fields: fields, headers: Self.accept)
    }

    private static func limited(_ request: HTTPRequest) -> HTTPRequest {
        var request = request
        request.timeout = timeout
        request.maxBodyBytes = maximumBytes
        request.maxWireBytes = maximumBytes
        return request
    }
}

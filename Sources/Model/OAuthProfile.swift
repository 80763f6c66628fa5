// SPDX-License-Identifier: Apache-2.0

/// How a service gives tokens: everything that differs from provider to provider, as plain values.
public struct OAuthProfile: Sendable, Equatable {
    /// A name and a value of a request, or of a URL's query.
    public struct Parameter: Sendable, Equatable {
        /// The name on the wire.
        public let name: String
        /// Its value, perhaps with places for what the integration has.
        public let value: OAuthText

        /// A parameter as a request carries it.
        public init(_ name: String, _ value: OAuthText) {
            self.name = name
            self.value = value
        }
    }

    /// What a token is asked for with.
    public enum Grant: Sendable, Equatable {
        /// A user's consent, then refresh tokens (RFC 6749, 4.1 and 6).
        case authorizationCode(Consent)
        /// The client's own id and secret (RFC 6749, 4.4).
        case clientCredentials
        /// A signed assertion (RFC 7523), as Google's service accounts use.
        case jwtBearer(Assertion)
        /// A request of the provider's own kind that answers with a token.
        case login(Login)
    }

    /// Where a user is asked, and what the answer has to look like.
    public struct Consent: Sendable, Equatable {
        /// The page that asks the user.
        public var url: String
        /// The name of the parameter with the scopes; Slack has two.
        public var scopeParameter: String
        /// Further parameters, such as `access_type=offline`.
        public var parameters: [Parameter]
        /// What the callback's `iss` has to be when there is one (RFC 9207); nil for a provider that is not known to send one.
        public var issuer: String?
        /// Whether a callback without an `iss` is refused: the provider promises to send it.
        public var requiresIssuer = false
        /// Parameters that go with the code when it is redeemed, and with no renewal.
        public var exchangeParameters: [Parameter] = []

        /// A consent page that takes the parameters of RFC 6749.
        public init(
            url: String, scopeParameter: String = "scope", parameters: [Parameter] = [], issuer: String? = nil
        ) {
            self.url = url
            self.scopeParameter = scopeParameter
            self.parameters = parameters
            self.issuer = issuer
        }
    }

    /// The claims of a JWT and the key that signs it.
    public struct Assertion: Sendable, Equatable {
        /// The `iss` claim: who signs.
        public var issuer: OAuthText
        /// The `sub` claim: on whose behalf; nil for none.
        public var subject: OAuthText?
        /// The `aud` claim; not changed when requests are sent elsewhere.
        public var audience: String
        /// An RSA private key in PEM.
        public var key: OAuthText
        /// The `kid` of the header; nil for none.
        public var keyID: OAuthText?

        /// An assertion signed with RS256.
        public init(
            issuer: OAuthText, subject: OAuthText? = nil, audience: String, key: OAuthText,
            keyID: OAuthText? = nil
        ) {
            self.issuer = issuer
            self.subject = subject
            self.audience = audience
            self.key = key
            self.keyID = keyID
        }
    }

    /// A login request of a provider's own kind.
    public struct Login: Sendable, Equatable {
        /// What the body says.
        public var fields: [Parameter]
        /// Whether the body is a JSON object; else form fields.
        public var isJSON: Bool

        /// A login by POST.
        public init(fields: [Parameter], isJSON: Bool) {
            self.fields = fields
            self.isJSON = isJSON
        }
    }

    /// How the client proves itself at the token endpoint (RFC 6749, 2.3.1).
    public enum ClientAuthentication: String, Sendable, CaseIterable {
        /// By an `Authorization: Basic` header.
        case basic
        /// By `client_id` and `client_secret` in the body.
        case post
        /// By its id alone: a public client.
        case none
    }

    /// Where one thing is in the answer: the first of these JSON pointers that leads to a value. Slack gives a user's token
    /// in one place for a code, and in another for a refresh token.
    public struct Places: Sendable, Equatable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
        /// The pointers in the order in which they are tried.
        public let pointers: [String]

        /// Places that are tried in this order.
        public init(_ pointers: [String]) {
            self.pointers = pointers
        }

        /// One place.
        public init(stringLiteral pointer: String) {
            pointers = [pointer]
        }

        /// Places that are tried in this order.
        public init(arrayLiteral pointers: String...) {
            self.pointers = pointers
        }
    }

    /// Where things are in the answer.
    public struct Fields: Sendable, Equatable {
        /// The token that requests carry.
        public var accessToken: Places = "/access_token"
        /// The token that the next one is asked for with.
        public var refreshToken: Places = "/refresh_token"
        /// Seconds until the access token expires.
        public var expiresIn: Places = "/expires_in"
        /// What was granted.
        public var scope: Places = "/scope"
        /// A word for what went wrong.
        public var error: Places = "/error"
        /// A member that is `true` exactly when the request succeeded, whatever the status; nil when the status says so.
        public var success: String?

        /// The fields of RFC 6749.
        public init() {}
    }

    /// How tokens are given back.
    public struct Revocation: Sendable, Equatable {
        /// Which request revokes.
        public enum Style: String, Sendable, CaseIterable {
            /// `token` in a form, with the client's authentication (RFC 7009).
            case rfc7009
            /// `token` in a form, and nothing else: who has it may give it back.
            case token
            /// A POST that carries the access token as its own credential, as Slack's `auth.revoke`.
            case bearer
        }

        /// The endpoint.
        public var url: String
        /// Which request it takes.
        public var style: Style

        /// An endpoint that takes tokens back.
        public init(url: String, style: Style = .rfc7009) {
            self.url = url
            self.style = style
        }
    }

    /// What a token is asked for with.
    public var grant: Grant
    /// The endpoint that gives tokens. As in all endpoints, `${config.NAME}` stands for a value of the integration.
    public var tokenURL: String
    /// Whether token requests are JSON objects; else forms, as RFC 6749 has them.
    public var isJSON = false
    /// How the client proves itself there.
    public var clientAuthentication: ClientAuthentication
    /// What is asked for.
    public var scopes: [String]
    /// What stands between scopes: a space, or a comma for some.
    public var scopeSeparator: String
    /// Where things are in the answer.
    public var fields: Fields
    /// Words of `fields.error` that mean that the user has to connect again, besides `invalid_grant`.
    public var reconnectErrors: [String]
    /// How long before its end a token is renewed.
    public var refreshMargin: Duration
    /// How long a token lives when the answer does not say; nil for not known: it is used until it is refused.
    public var assumedLifetime: Duration?
    /// How tokens are given back; nil when the provider has no way.
    public var revocation: Revocation?

    /// A profile with the defaults of RFC 6749.
    public init(
        grant: Grant, tokenURL: String, clientAuthentication: ClientAuthentication = .basic,
        scopes: [String] = [], scopeSeparator: String = " ", fields: Fields = Fields(),
        reconnectErrors: [String] = [], refreshMargin: Duration = .seconds(300),
        assumedLifetime: Duration? = nil, revocation: Revocation? = nil
    ) {
        self.grant = grant
        self.tokenURL = tokenURL
        self.clientAuthentication = clientAuthentication
        self.scopes = scopes
        self.scopeSeparator = scopeSeparator
        self.fields = fields
        self.reconnectErrors = reconnectErrors
        self.refreshMargin = refreshMargin
        self.assumedLifetime = assumedLifetime
        self.revocation = revocation
    }
}

/// Text with places for values of the integration: the secrets and the configuration.
public struct OAuthText: Sendable, Equatable {
    /// A piece of the text.
    public enum Part: Sendable, Equatable {
        case text(String)
        case secret(String)
        case configuration(String)
    }

    /// The pieces in their order.
    public let parts: [Part]

    /// A text of pieces.
    public init(_ parts: [Part]) {
        self.parts = parts
    }

    /// A text without places.
    public init(_ text: String) {
        parts = [.text(text)]
    }

    /// The text with its places filled in; nil with the name of the first one that has no value.
    public func filled(
        secrets: [String: SecretString], configuration: [String: String]
    ) -> Result<String, MissingValue> {
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .secret(let name):
                guard let secret = secrets[name] else { return .failure(MissingValue("${secret.\(name)}")) }
                result += secret.exposed
            case .configuration(let name):
                guard let value = configuration[name] else {
                    return .failure(MissingValue("${config.\(name)}"))
                }
                result += value
            }
        }
        return .success(result)
    }

    /// A place without a value.
    public struct MissingValue: Error, Equatable {
        /// The place as a manifest writes it.
        public let place: String

        init(_ place: String) {
            self.place = place
        }
    }
}

/// How long a token lives, and when to renew it.
public struct TokenLifetime: Sendable, Equatable {
    /// Until it expires.
    public let total: Duration
    /// Until it is renewed.
    public let refreshDelay: Duration

    /// The renewal comes `margin` before the end, but not before half of a short life is over. Nil for a life of no
    /// length: a provider that says so does not know.
    public init?(_ total: Duration, margin: Duration) {
        guard total > .zero else { return nil }
        // Ten years stand for ever; a longer time would not fit into a timestamp at some point.
        self.total = min(total, .seconds(315_360_000))
        refreshDelay = self.total - min(margin, self.total / 2)
    }
}

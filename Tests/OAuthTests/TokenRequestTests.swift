// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Model
import OAuth
import TestSupport
import Testing

@Suite struct `A token request` {
    private let secrets = ["refresh_token": SecretString("tGzv3JOkF0XG5Qx2TlKWIA")]

    private func requests(
        _ profile: OAuthProfile, client: OAuthClient? = client, secrets: [String: SecretString]? = nil
    ) -> TokenRequests {
        TokenRequests(
            profile: profile, client: client, secrets: secrets ?? self.secrets,
            configuration: ["region": "eu"])
    }

    @Test(arguments: [
        ("7Fjfp0ZBr1KtDRbnfVdmIw", "czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"),
        ("gX1fBat3bV", "czZCaGRSa3F0MzpnWDFmQmF0M2JW"),
        // Form-encoded first: "a:b c" is "a%3Ab+c".
        ("a:b c", Base64.standard.encode(Array("s6BhdRkqt3:a%3Ab+c".utf8))),
    ])
    func `proves the client by the header of RFC 6749`(secret: String, expected: String) throws {
        let client = OAuthClient(id: "s6BhdRkqt3", secret: SecretString(secret))

        let request = try requests(code, client: client).renewal(now: Timestamp(seconds: 0))

        #expect(header("Authorization", of: request) == "Basic \(expected)")
        #expect(form(request) == ["grant_type": "refresh_token", "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA"])
        #expect(!request.isRepeatable)
    }

    @Test func `proves the client in the body, or by its id alone`() throws {
        var profile = code
        profile.clientAuthentication = .post
        let post = try requests(profile).renewal(now: Timestamp(seconds: 0))
        #expect(header("Authorization", of: post) == nil)
        #expect(form(post)["client_secret"] == "7Fjfp0ZBr1KtDRbnfVdmIw")

        profile.clientAuthentication = .none
        let open = try requests(profile).renewal(now: Timestamp(seconds: 0))
        #expect(form(open)["client_id"] == "s6BhdRkqt3")
        #expect(form(open)["client_secret"] == nil)
    }

    @Test func `redeems a code with its verifier`() throws {
        let request = try requests(code).exchange(
            code: SecretString("SplxlOBeZQQYbYS6WxSbIA"), redirectURI: "https://l.example/oauth/callback",
            verifier: SecretString("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))

        #expect(
            form(request) == [
                "grant_type": "authorization_code", "code": "SplxlOBeZQQYbYS6WxSbIA",
                "redirect_uri": "https%3A%2F%2Fl.example%2Foauth%2Fcallback",
                "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ])
    }

    @Test func `takes the integration's own client before the operator's`() throws {
        var profile = code
        profile.grant = .clientCredentials
        profile.scopes = ["read", "write"]
        let own = ["client_id": SecretString("mine"), "client_secret": SecretString("s")]

        let request = try requests(profile, secrets: own).renewal(now: Timestamp(seconds: 0))

        #expect(
            header("Authorization", of: request) == "Basic \(Base64.standard.encode(Array("mine:s".utf8)))")
        #expect(form(request) == ["grant_type": "client_credentials", "scope": "read+write"])
    }

    @Test func `says what is missing`() {
        let noClient = #expect(throws: OAuthError.self) {
            try requests(code, client: nil).renewal(now: Timestamp(seconds: 0))
        }
        #expect(noClient?.message.contains("LOCKSTEP_OAUTH_") == true)
        let noToken = #expect(throws: OAuthError.self) {
            try requests(code, secrets: ["access_token": SecretString("a")]).renewal(
                now: Timestamp(seconds: 0))
        }
        #expect(noToken?.message.contains("refresh_token") == true)
    }

    @Test func `logs in with what the integration has`() throws {
        var profile = code
        profile.grant = .login(
            .init(
                fields: [
                    .init("user", OAuthText([.configuration("region"), .text("\\"), .secret("name")])),
                    .init("password", OAuthText([.secret("password")])),
                ], isJSON: true))
        let secrets = ["name": SecretString("ann"), "password": SecretString("p\"w\n")]

        let request = try requests(profile, secrets: secrets).renewal(now: Timestamp(seconds: 0))

        #expect(
            String(decoding: request.body ?? [], as: UTF8.self) == #"{"user":"eu\\ann","password":"p\"w\n"}"#)
        let missing = #expect(throws: OAuthError.self) {
            try requests(profile, secrets: [:]).renewal(now: Timestamp(seconds: 0))
        }
        #expect(missing?.message.contains("${secret.name}") == true)
    }

    @Test func `goes to the host of the account, and to no other one`() throws {
        var profile = code
        profile.tokenURL = "https://${config.region}.p.example/${config.region}/token"
        profile.revocation = .init(url: "https://${config.region}.p.example/revoke")
        let request = try requests(profile).renewal(now: Timestamp(seconds: 0))
        #expect(request.url == "https://eu.p.example/eu/token")
        #expect(try requests(profile).revocation()?.url == "https://eu.p.example/revoke")

        for value in ["", "evil.example/", "a.b", "a@b", "x/../y", "ä", "a b", "%2e", "a:1"] {
            let error = #expect(throws: OAuthError.self) {
                try TokenRequests(
                    profile: profile, client: client, secrets: secrets, configuration: ["region": value]
                ).renewal(now: Timestamp(seconds: 0))
            }
            #expect(error?.code == .config)
        }
        #expect(throws: OAuthError.self) {
            try TokenRequests(profile: profile, client: client, secrets: secrets, configuration: [:])
                .renewal(now: Timestamp(seconds: 0))
        }
    }

    @Test func `is JSON where the provider wants it, and has more with a code`() throws {
        var profile = code
        profile.isJSON = true
        profile.clientAuthentication = .post
        profile.grant = .authorizationCode(.init(url: "https://p.example/authorize"))
        if case .authorizationCode(var consent) = profile.grant {
            consent.exchangeParameters = [.init("scope", OAuthText("read"))]
            profile.grant = .authorizationCode(consent)
        }
        let renewal = try requests(profile).renewal(now: Timestamp(seconds: 0))
        #expect(header("Content-Type", of: renewal) == "application/json")
        #expect(
            String(decoding: renewal.body ?? [], as: UTF8.self)
                == #"{"grant_type":"refresh_token","refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","#
                + #""client_id":"s6BhdRkqt3","client_secret":"7Fjfp0ZBr1KtDRbnfVdmIw"}"#)
        let exchange = try requests(profile).exchange(
            code: SecretString("c"), redirectURI: "https://l.example", verifier: SecretString("v"))
        #expect(String(decoding: exchange.body ?? [], as: UTF8.self).contains(#""scope":"read""#))
    }

    @Test func `gives a token back without a client where nobody asks for one`() throws {
        var profile = code
        profile.revocation = .init(url: "https://p.example/revoke", style: .token)
        let request = try #require(
            try requests(profile, client: nil, secrets: ["access_token": SecretString("ya29.x")]).revocation()
        )
        #expect(form(request) == ["token": "ya29.x"])
        #expect(header("Authorization", of: request) == nil)
        #expect(!request.isRepeatable || request.method == "POST")
    }

    @Test func `gives tokens back as RFC 7009 says, or as Slack does`() throws {
        #expect(try requests(code).revocation() == nil)
        var profile = code
        profile.revocation = .init(url: "https://p.example/revoke")
        let request = try #require(try requests(profile).revocation())
        #expect(form(request) == ["token": "tGzv3JOkF0XG5Qx2TlKWIA", "token_type_hint": "refresh_token"])
        #expect(request.url == "https://p.example/revoke")

        profile.revocation = .init(url: "https://p.example/auth.revoke", style: .bearer)
        let bearer = try #require(
            try requests(profile, secrets: ["access_token": SecretString("xoxb-1")]).revocation())
        #expect(header("Authorization", of: bearer) == "Bearer xoxb-1")
    }

    @Test func `goes to a sandbox below its base URL`() {
        var profile = code
        profile.revocation = .init(url: "https://q.example/r")
        let moved = profile.moved(from: "https://p.example", to: "http://127.0.0.1:1/demo")
        #expect(moved.tokenURL == "http://127.0.0.1:1/demo/token")
        #expect(moved.revocation?.url == "http://127.0.0.1:1/demo/r")
        guard case .authorizationCode(let consent) = moved.grant else { return }
        #expect(consent.url == "http://127.0.0.1:1/demo/authorize")

        profile.grant = .authorizationCode(.init(url: "https://p.example/a", issuer: "https://p.example"))
        guard
            case .authorizationCode(let other) = profile.moved(from: "https://p.example", to: "http://s")
                .grant
        else { return }
        #expect(other.issuer == nil, "another place has another name")
    }
}

@Suite struct `A signed assertion` {
    @Test func `has the claims of Google's documentation`() throws {
        let assertion = OAuthProfile.Assertion(
            issuer: OAuthText([.secret("client_email")]), subject: OAuthText("a@x.example"),
            audience: "https://oauth2.googleapis.com/token", key: OAuthText([.secret("private_key")]))
        let secrets = [
            "client_email": SecretString("sa@p.iam"),
            // As it stands in a service account's file that was put into one line.
            "private_key": SecretString(publishedRSAKey.split(separator: "\n").joined(separator: "\\n")),
        ]

        let token = try JWTAssertion.sign(
            assertion, scopes: "https://s.example/a", now: Timestamp(seconds: 1_700_000_010),
            secrets: secrets, configuration: [:])

        let parts = token.exposed.split(separator: ".")
        #expect(parts.count == 3)
        #expect(parts[0] == "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9")
        let claims = try #require(Base64.urlSafe.decode(parts[1]))
        #expect(
            String(decoding: claims, as: UTF8.self)
                == #"{"iss":"sa@p.iam","sub":"a@x.example","scope":"https://s.example/a","#
                + #""aud":"https://oauth2.googleapis.com/token","exp":1700003600,"iat":1700000000}"#)
        let expected = try RSASigner(pem: publishedRSAKey).sign(Array("\(parts[0]).\(parts[1])".utf8))
        #expect(Base64.urlSafe.encode(expected) == parts[2])
        #expect("\(token)" == "<secret>")
    }

    /// The bytes of https://developers.google.com/identity/protocols/oauth2/service-account, as it once showed them; its key is
    /// not published.
    @Test func `has the claims that Google published, byte by byte`() throws {
        let assertion = OAuthProfile.Assertion(
            issuer: OAuthText(
                "761326798069-r5mljlln1rd4lrbhg75efgigp36m78j5@developer.gserviceaccount.com"),
            audience: "https://accounts.google.com/o/oauth2/token", key: OAuthText([.secret("private_key")]))

        let token = try JWTAssertion.sign(
            assertion, scopes: "https://www.googleapis.com/auth/prediction",
            // The claims are made for a clock that is ten seconds behind.
            now: Timestamp(seconds: 1_328_550_795),
            secrets: ["private_key": SecretString(publishedRSAKey)], configuration: [:])

        let claims = [
            "eyJpc3MiOiI3NjEzMjY3OTgwNjktcjVtbGpsbG4xcmQ0bHJiaGc3NWVmZ2lncDM2bTc4ajVAZGV2ZWxvcGVyLmdzZXJ2aWNl",
            "YWNjb3VudC5jb20iLCJzY29wZSI6Imh0dHBzOi8vd3d3Lmdvb2dsZWFwaXMuY29tL2F1dGgvcHJlZGljdGlvbiIsImF1",
            "ZCI6Imh0dHBzOi8vYWNjb3VudHMuZ29vZ2xlLmNvbS9vL29hdXRoMi90b2tlbiIsImV4cCI6MTMyODU1NDM4NSwiaWF0",
            "IjoxMzI4NTUwNzg1fQ",
        ].joined()
        let parts = token.exposed.split(separator: ".").map { String($0) }
        #expect(parts.count == 3)
        #expect(parts[0] == "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9")
        #expect(parts[1] == claims)
    }
}

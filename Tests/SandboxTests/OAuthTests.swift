// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import Testing

@testable import Sandbox

@Suite struct `An authorization server` {
    private static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    private static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    private static let redirect = "https://app.example.com/oauth/callback"
    static let basic = (
        "Authorization", "Basic " + Data("lockstep:lockstep-secret".utf8).base64EncodedString()
    )

    /// Where the server sends the browser after the consent: the parameters of the address.
    private func consent(
        _ sandbox: inout SandboxFixture, _ path: String = "/oauth/authorize",
        _ extra: [(String, String)] = [], decision: String = "allow", user: String = "u_2"
    ) throws -> [String: String] {
        let asked =
            [
                ("client_id", "lockstep"), ("redirect_uri", Self.redirect), ("response_type", "code"),
                ("scope", "read write"), ("state", "a b&c"),
            ] + extra
        let page = sandbox.send("GET", path + SandboxFixture.query(asked))
        #expect(page.status == 200 && page.text.contains(#"name="state" value="a b&amp;c""#), "\(page.text)")
        let answer = sandbox.send(
            "POST", path, headers: [("Host", "sandbox:1")],
            body: SandboxFixture.form(asked + [("user", user), ("decision", decision)]))
        #expect(answer.status == 302, "\(answer.text)")
        let target = try #require(answer.header("Location"))
        #expect(target.hasPrefix(Self.redirect + "?"))
        let parts = try #require(URLComponents(string: target))
        return (parts.queryItems ?? []).reduce(into: [:]) { $0[$1.name] = $1.value }
    }

    private func token(
        _ sandbox: inout SandboxFixture, _ pairs: [(String, String)], path: String = "/oauth/token",
        headers: [(String, String)] = [basic]
    ) -> SandboxFixture.Answer {
        sandbox.send("POST", path, headers: headers, body: SandboxFixture.form(pairs))
    }

    private func refresh(_ sandbox: inout SandboxFixture, _ text: String, path: String = "/oauth/token")
        -> SandboxFixture.Answer
    {
        token(&sandbox, [("grant_type", "refresh_token"), ("refresh_token", text)], path: path)
    }

    /// Tokens without a consent.
    private func issue(_ sandbox: inout SandboxFixture, _ server: String, scope: String = "")
        throws -> (access: String, refresh: String)
    {
        let answer = sandbox.send(
            "POST", "/_control/oauth/tokens",
            body: #"{"server":"\#(server)","user":"u_1","scope":"\#(scope)"}"#)
        return (
            try #require(try answer.string("access_token")), try #require(try answer.string("refresh_token"))
        )
    }

    @Test func `gives a code for a consent, and tokens for the code, once`() throws {
        var sandbox = SandboxFixture()
        let asked = [("code_challenge", Self.challenge), ("code_challenge_method", "S256")]
        let back = try consent(&sandbox, extra: asked)
        #expect(back["state"] == "a b&c")
        #expect(back["iss"] == "http://sandbox:1/oauth")
        let exchange = [
            ("grant_type", "authorization_code"), ("code", try #require(back["code"])),
            ("redirect_uri", Self.redirect), ("code_verifier", Self.verifier),
        ]

        let answer = token(&sandbox, exchange)

        #expect(answer.status == 200)
        #expect(answer.header("Cache-Control") == "no-store")
        #expect(try answer.json["expires_in"] as? Int == 3_600)
        #expect(try answer.string("scope") == "read write")
        let access = try #require(try answer.string("access_token"))
        let mine = sandbox.send("GET", "/stripe/v1/customers", key: access)
        #expect(try mine.ids("data") == sandbox.stripe("customers", user: "u_2").ids("data"))
        // Who has the code a second time may be a thief: what it gave is gone.
        #expect(try token(&sandbox, exchange).string("error") == "invalid_grant")
        #expect(sandbox.send("GET", "/stripe/v1/customers", key: access).status == 401)
    }

    private func consent(_ sandbox: inout SandboxFixture, extra: [(String, String)]) throws -> [String:
        String]
    {
        try consent(&sandbox, "/oauth/authorize", extra)
    }

    @Test(arguments: [
        ("code_verifier", "x"), ("code_verifier", ""), ("redirect_uri", "https://app.example.com/"),
        ("code", "code_x"),
    ])
    func `exchanges no code with a wrong part`(name: String, value: String) throws {
        var sandbox = SandboxFixture()
        let asked = [("code_challenge", Self.challenge), ("code_challenge_method", "S256")]
        let code = try #require(try consent(&sandbox, extra: asked)["code"])
        var exchange = [
            "grant_type": "authorization_code", "code": code, "redirect_uri": Self.redirect,
            "code_verifier": Self.verifier,
        ]
        exchange[name] = value

        let answer = token(&sandbox, exchange.map { ($0.key, $0.value) })

        #expect(answer.status == 400)
        #expect(try answer.string("error") == "invalid_grant")
    }

    @Test func `sends a refusal back to the client, but not to an address that may be another's`() throws {
        var sandbox = SandboxFixture()
        #expect(try consent(&sandbox, decision: "deny")["error"] == "access_denied")
        func page(_ pairs: [(String, String)]) -> SandboxFixture.Answer {
            sandbox.send("GET", "/oauth/authorize" + SandboxFixture.query(pairs))
        }

        #expect(page([("client_id", "nobody"), ("redirect_uri", Self.redirect)]).status == 400)
        #expect(page([("client_id", "lockstep"), ("redirect_uri", "javascript:x")]).status == 400)
        let plain = page([
            ("client_id", "lockstep"), ("redirect_uri", Self.redirect), ("response_type", "code"),
            ("code_challenge", "x"), ("code_challenge_method", "plain"),
        ])
        #expect(plain.header("Location")?.contains("error=invalid_request") == true)
    }

    @Test func `takes Basic or body authentication of the client, and not both or none`() throws {
        var sandbox = SandboxFixture()
        let (_, refresh) = try issue(&sandbox, "oauth")
        sandbox.control(.oauthBehaviour(server: "oauth", rotation: "none"))
        let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh)]
        let body = [("client_id", "lockstep"), ("client_secret", "lockstep-secret")]

        #expect(token(&sandbox, grant).status == 200)
        #expect(token(&sandbox, grant + body, headers: []).status == 200)
        let none = token(&sandbox, grant, headers: [])
        #expect(none.status == 401)
        #expect(try none.string("error") == "invalid_client")
        #expect(none.header("WWW-Authenticate")?.hasPrefix("Basic") == true)
        #expect(try token(&sandbox, grant + body).string("error") == "invalid_request")
        let wrong = token(&sandbox, grant + [("client_id", "lockstep"), ("client_secret", "x")], headers: [])
        #expect(wrong.status == 401)
    }

    @Test func `of the strict kind revokes the whole family when an old refresh token is used again`() throws
    {
        var sandbox = SandboxFixture()
        let (access, first) = try issue(&sandbox, "oauth")
        let second = try #require(try refresh(&sandbox, first).string("refresh_token"))
        let third = refresh(&sandbox, second)
        let newest = try #require(try third.string("access_token"))
        #expect(first != second)
        #expect(sandbox.send("GET", "/stripe/v1/customers", key: access).status == 200)

        #expect(try refresh(&sandbox, first).string("error") == "invalid_grant")

        let last = try #require(try third.string("refresh_token"))
        #expect(try refresh(&sandbox, last).string("error") == "invalid_grant")
        for key in [access, newest] {
            #expect(sandbox.send("GET", "/stripe/v1/customers", key: key).status == 401)
        }
        let grants = sandbox.lines(.oauthGrants(user: "u_1"))
        #expect(grants.count == 1)
        #expect(grants[0].hasSuffix(#""refreshes":2,"replayed":true,"revoked":true}"#))
        #expect(sandbox.lines(.ledger(endpoint: "oauth.token", user: "u_1", key: first)).count == 2)
    }

    @Test func `can be told to rotate without revoking, or not to rotate`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.oauthBehaviour(server: "oauth", rotation: "single"))
        let (_, first) = try issue(&sandbox, "oauth")
        let second = try #require(try refresh(&sandbox, first).string("refresh_token"))
        #expect(refresh(&sandbox, first).status == 400)
        #expect(refresh(&sandbox, second).status == 200)

        sandbox.control(.oauthBehaviour(server: "oauth", user: "u_1", rotation: "none"))
        let (_, constant) = try issue(&sandbox, "oauth")
        #expect(try refresh(&sandbox, constant).string("refresh_token") == constant)
        #expect(try refresh(&sandbox, constant).string("refresh_token") == constant)
    }

    @Test func `can leave out expires_in and the refresh token, fail, and lose its answer`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(
            .oauthBehaviour(
                server: "oauth", user: "u_1", rotation: "none", expiresIn: 60, omitsExpiresIn: true,
                omitsRefreshToken: true))
        let (_, text) = try issue(&sandbox, "oauth")
        let answer = refresh(&sandbox, text)
        #expect(try Set(answer.json.keys) == ["access_token", "scope", "token_type"])
        let access = try #require(try answer.string("access_token"))
        sandbox.time = sandbox.time.advanced(bySeconds: 61)
        #expect(sandbox.send("GET", "/stripe/v1/customers", key: access).status == 401)

        sandbox.control(
            .fault(
                kind: "status", user: "u_1", endpoint: "oauth.token", times: 2, status: 503,
                error: "temporarily_unavailable"))
        #expect(try refresh(&sandbox, text).string("error") == "temporarily_unavailable")
        #expect(refresh(&sandbox, text).status == 503)
        #expect(refresh(&sandbox, text).status == 200)
        // The answer of a rotation that is lost takes the refresh token with it.
        sandbox.control(.oauthBehaviour(server: "oauth", rotation: "strict"))
        let (_, lost) = try issue(&sandbox, "oauth")
        sandbox.control(.fault(kind: "reset", endpoint: "oauth.token"))
        _ = refresh(&sandbox, lost)
        #expect(try refresh(&sandbox, lost).string("error") == "invalid_grant")
    }

    @Test func `of Slack has its own shape, and status 200 for refusals`() throws {
        var sandbox = SandboxFixture()
        let back = try consent(
            &sandbox, "/slack/oauth/v2/authorize", [("granted_scope", "users:read,chat:write")])
        #expect(back["iss"] == nil)
        let path = "/slack/api/oauth.v2.access"
        let answer = token(
            &sandbox, [("code", try #require(back["code"])), ("redirect_uri", Self.redirect)], path: path)
        #expect(try answer.json["ok"] as? Bool == true)
        #expect(try answer.json["expires_in"] as? Int == 43_200)
        #expect(try (answer.json["authed_user"] as? [String: Any])?["id"] is String)
        let access = try #require(try answer.string("access_token"))
        #expect(sandbox.send("GET", "/slack/api/users.list", key: access).text.hasPrefix(#"{"ok":true"#))
        let history = sandbox.send("GET", "/slack/api/conversations.list", key: access)
        #expect(
            history.text
                == #"{"ok":false,"error":"missing_scope","needed":"channels:read","provided":"users:read,chat:write"}"#
        )

        let first = try #require(try answer.string("refresh_token"))
        let rotated = refresh(&sandbox, first, path: path)
        #expect(try rotated.string("refresh_token")?.hasPrefix("xoxe-1-") == true)
        let again = refresh(&sandbox, first, path: path)
        #expect(again.status == 200)
        #expect(again.text == #"{"ok":false,"error":"invalid_refresh_token"}"#)
        sandbox.time = sandbox.time.advanced(bySeconds: 43_201)
        #expect(
            try sandbox.send("GET", "/slack/api/users.list", key: access).string("error") == "token_revoked")
    }

    @Test
    func `of Slack puts a person's token beside the person for a code, and at the top for a refresh token`()
        throws
    {
        var sandbox = SandboxFixture()
        let back = try consent(
            &sandbox, "/slack/oauth/v2/authorize",
            [("user_scope", "users:read"), ("granted_scope", "users:read")])
        let path = "/slack/api/oauth.v2.access"

        let answer = token(
            &sandbox, [("code", try #require(back["code"])), ("redirect_uri", Self.redirect)], path: path)

        #expect(try answer.json["access_token"] == nil && answer.json["bot_user_id"] == nil)
        let person = try #require(try answer.json["authed_user"] as? [String: Any])
        #expect((person["access_token"] as? String)?.hasPrefix("xoxe.xoxp-1-") == true)
        #expect(person["token_type"] as? String == "user" && person["expires_in"] as? Int == 43_200)
        let rotated = refresh(&sandbox, try #require(person["refresh_token"] as? String), path: path)
        #expect(try rotated.string("access_token")?.hasPrefix("xoxe.xoxp-1-") == true)
        #expect(try rotated.string("token_type") == "user")
        #expect(try (rotated.json["authed_user"] as? [String: Any])?["access_token"] == nil)
    }

    @Test func `of Slack without rotation gives a token for ever, and no refresh token`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.oauthBehaviour(server: "slack", expiresIn: 0))

        let answer = sandbox.control(.oauthTokens(server: "slack", user: "u_1", scope: "users:read"))

        #expect(try answer.string("refresh_token") == nil)
        #expect(try answer.json["expires_in"] == nil)
        let access = try #require(try answer.string("access_token"))
        #expect(access.hasPrefix("xoxb-"))
        sandbox.time = sandbox.time.advanced(bySeconds: 1_000_000)
        #expect(try sandbox.send("GET", "/slack/api/users.list", key: access).json["ok"] as? Bool == true)
    }

    @Test func `of Google gives a refresh token only for offline access, and none with a refresh`() throws {
        var sandbox = SandboxFixture()
        let scope = "https://www.googleapis.com/auth/calendar.readonly"
        func exchange(_ extra: [(String, String)]) throws -> SandboxFixture.Answer {
            let back = try consent(
                &sandbox, "/google-calendar/o/oauth2/v2/auth", extra + [("granted_scope", scope)])
            return token(
                &sandbox,
                [
                    ("grant_type", "authorization_code"), ("code", try #require(back["code"])),
                    ("redirect_uri", Self.redirect),
                ], path: "/gmail/token")
        }
        #expect(try exchange([]).string("refresh_token") == nil)
        let answer = try exchange([("access_type", "offline")])
        let text = try #require(try answer.string("refresh_token"))

        let refreshed = refresh(&sandbox, text, path: "/google-calendar/token")

        #expect(try refreshed.json["expires_in"] as? Int == 3_599)
        #expect(try refreshed.string("refresh_token") == nil)
        let access = try #require(try refreshed.string("access_token"))
        let calendars = "/google-calendar/calendar/v3/users/me/calendarList"
        #expect(sandbox.send("GET", calendars, key: access).status == 200)
        let mail = sandbox.send("GET", "/gmail/v1/users/me/profile", key: access)
        #expect(mail.status == 403)
        #expect(try mail.reason == "insufficientPermissions")
        let revoked = sandbox.send(
            "POST", "/google-calendar/revoke" + SandboxFixture.query([("token", text)]))
        #expect(revoked.status == 200)
        #expect(sandbox.send("GET", calendars, key: access).status == 401)
        let gone = refresh(&sandbox, text, path: "/google-calendar/token")
        #expect(
            gone.text
                == #"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#)
    }

    @Test func `of Google drops the oldest of more than a hundred refresh tokens`() throws {
        var sandbox = SandboxFixture()
        let tokens = try (0..<101).map { _ in try issue(&sandbox, "google").refresh }

        #expect(refresh(&sandbox, tokens[0], path: "/gmail/token").status == 400)
        #expect(refresh(&sandbox, tokens[1], path: "/gmail/token").status == 200)
    }

    @Test func `revokes as RFC 7009 says`() throws {
        var sandbox = SandboxFixture()
        let (access, text) = try issue(&sandbox, "oauth")
        func revoke(_ token: String) -> SandboxFixture.Answer {
            sandbox.send(
                "POST", "/oauth/revoke", headers: [Self.basic], body: SandboxFixture.form([("token", token)]))
        }
        #expect(sandbox.send("POST", "/oauth/revoke", body: "token=\(text)").status == 401)

        #expect(revoke(access).status == 200)
        #expect(sandbox.send("GET", "/stripe/v1/customers", key: access).status == 401)
        #expect(refresh(&sandbox, text).status == 200)
        #expect(revoke("nothing").status == 200)
        let (other, second) = try issue(&sandbox, "oauth")
        #expect(revoke(second).status == 200)
        #expect(sandbox.send("GET", "/stripe/v1/customers", key: other).status == 401)
    }

    @Test func `gives a program tokens for its credentials, without a refresh token`() throws {
        var sandbox = SandboxFixture()
        _ = sandbox.send(
            "POST", "/_control/oauth/clients", body: #"{"id":"robot","secret":"r2 d2","user":"u_3"}"#)

        let answer = token(
            &sandbox, [("grant_type", "client_credentials"), ("scope", "all")],
            headers: [("Authorization", "Basic " + Data("robot:r2+d2".utf8).base64EncodedString())])

        #expect(try answer.string("refresh_token") == nil)
        let access = try #require(try answer.string("access_token"))
        let mine = sandbox.send("GET", "/gmail/v1/users/me/profile", key: access)
        #expect(try mine.string("emailAddress") == "u_3@example.com")
    }

    @Test func `takes a service account's assertion when key, audience and times are right`() throws {
        var sandbox = SandboxFixture()
        sandbox.time = RequestTime(wall: .init(seconds: JWTVectors.time), monotonic: 5)
        sandbox.control(
            .serviceAccount(email: "sync@project.iam.gserviceaccount.com", publicKey: JWTVectors.publicKey))
        func exchange(_ assertion: String) -> SandboxFixture.Answer {
            token(
                &sandbox,
                [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)],
                path: "/google-calendar/token", headers: [])
        }

        let own = exchange(JWTVectors.own)
        #expect(try own.json["expires_in"] as? Int == 3_599)
        let delegated = try #require(try exchange(JWTVectors.delegated).string("access_token"))
        let list = sandbox.send("GET", "/google-calendar/calendar/v3/users/me/calendarList", key: delegated)
        #expect(try list.ids("items").first == "u_2@example.com")
        for wrong in [
            JWTVectors.long, JWTVectors.other, JWTVectors.audience, JWTVectors.algorithm, "a.b", "",
        ] {
            #expect(try exchange(wrong).string("error") == "invalid_grant")
        }
        let forged = String(JWTVectors.own.dropLast(4)) + "AAAA"
        #expect(try exchange(forged).string("error_description") == "Invalid JWT Signature.")
        sandbox.time = sandbox.time.advanced(bySeconds: 3_600)
        #expect(try exchange(JWTVectors.own).string("error") == "invalid_grant")
    }

    @Test func `can make tokens expire and grants end on demand`() throws {
        var sandbox = SandboxFixture()
        let (access, text) = try issue(&sandbox, "slack", scope: "users:read")
        #expect(sandbox.send("POST", "/_control/oauth/expire?user=u_1").text == #"{"expired":1}"#)
        let list = sandbox.send("GET", "/slack/api/users.list", key: access)
        #expect(try list.string("error") == "token_expired")
        #expect(sandbox.send("POST", "/_control/oauth/revoke?server=slack").text == #"{"revoked":1}"#)
        let refused = refresh(&sandbox, text, path: "/slack/api/oauth.v2.access")
        #expect(try refused.string("error") == "invalid_refresh_token")
        for wrong in ["tokens", "tokens?server=x&user=u_1", "behaviour?rotation=x", "clients", "nothing"] {
            #expect(sandbox.send("POST", "/_control/oauth/\(wrong)").status == 400)
        }
    }
}

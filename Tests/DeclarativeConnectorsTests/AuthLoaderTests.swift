// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Foundation
import Model
import Testing

@testable import DeclarativeConnectors

@Suite struct `The auth block of a manifest` {
    private static func manifest(_ auth: String) -> String {
        """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        auth:
        \(auth.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
        streams:
          items: { path: /items, records: /data, id: /id, page: { kind: none } }
        """
    }

    private static func load(_ auth: String) throws -> ManifestConnector {
        try ManifestLoader.load(manifest(auth), file: "demo.yaml")
    }

    private static func problems(_ auth: String) -> [String] {
        do throws(ManifestError) {
            _ = try ManifestLoader.load(manifest(auth), file: "demo.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func `says all of Slack's user tokens`() throws {
        let connector = try Self.load(
            """
            kind: oauth2_code
            authorize_url: https://slack.example/oauth/v2/authorize
            token_url: https://slack.example/api/oauth.v2.access
            scope_parameter: user_scope
            scopes: [channels:read, users:read]
            scope_separator: ","
            answer:
              access_token: /authed_user/access_token
              refresh_token: /authed_user/refresh_token
              expires_in: /authed_user/expires_in
              success: /ok
            reconnect_errors: [invalid_refresh_token, token_revoked]
            revoke_url: https://slack.example/api/auth.revoke
            revoke_style: bearer
            """)

        let profile = try #require(connector.tokens(at: nil))
        guard case .authorizationCode(let consent) = profile.grant else {
            Issue.record("\(profile.grant)")
            return
        }
        #expect(consent.scopeParameter == "user_scope")
        #expect(profile.scopes == ["channels:read", "users:read"] && profile.scopeSeparator == ",")
        #expect(profile.fields.accessToken == "/authed_user/access_token")
        #expect(profile.fields.success == "/ok" && profile.fields.error == "/error")
        #expect(profile.reconnectErrors == ["invalid_refresh_token", "token_revoked"])
        #expect(profile.revocation == .init(url: "https://slack.example/api/auth.revoke", style: .bearer))
        #expect(profile.clientAuthentication == .basic && profile.refreshMargin == .seconds(300))
        let moved = connector.tokens(at: "http://127.0.0.1:1/demo")
        #expect(moved?.tokenURL == "http://127.0.0.1:1/demo/api/oauth.v2.access")
    }

    @Test func `says a service account, a client's own token and a login`() throws {
        let account = try #require(
            try Self.load(
                """
                kind: jwt_bearer
                token_url: https://oauth2.example.com/token
                issuer: "${secret.client_email}"
                subject: "${config.user}"
                key: "${secret.private_key}"
                key_id: "${secret.private_key_id}"
                scopes: https://a.example/calendar
                """
            ).tokens(at: "http://sandbox"))
        guard case .jwtBearer(let assertion) = account.grant else {
            Issue.record("\(account.grant)")
            return
        }
        #expect(assertion.subject == OAuthText([.configuration("user")]))
        #expect(assertion.audience == "https://oauth2.example.com/token", "not moved")
        #expect(account.tokenURL == "http://sandbox/token")

        let own = try #require(
            try Self.load(
                "kind: oauth2_client_credentials\ntoken_url: https://a/t\nclient: post\nlifetime_seconds: 600"
            ).tokens(at: nil))
        #expect(own.grant == .clientCredentials && own.clientAuthentication == .post)
        #expect(own.assumedLifetime == .seconds(600))

        let login = try Self.load(
            """
            kind: two_step
            token_url: https://a/login
            format: json
            body: { user: "${config.user}", password: "${secret.password}" }
            answer: { access_token: /token }
            margin_seconds: 0
            send: { kind: header, name: X-Token, value: "${secret.access_token}" }
            """)
        guard case .login(let request) = login.tokens(at: nil)?.grant,
            case .header(let name, _) = login.manifest.auth
        else {
            Issue.record("no login")
            return
        }
        #expect(request.isJSON && request.fields.map(\.name) == ["user", "password"])
        #expect(name == "X-Token")
    }

    @Test(arguments: [
        ("kind: oauth2", "allowed: bearer, header, query, basic, oauth2_code"),
        ("kind: oauth2_code\ntoken_url: https://a/t", "auth.authorize_url: is missing"),
        ("kind: oauth2_code\nauthorize_url: https://a/a", "auth.token_url: is missing"),
        ("kind: oauth2_client_credentials\ntoken_url: a/t", "https://HOST/PATH"),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://${config.x}/t",
            "may be a label of the host's name or a part of the path"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a.${config.x}/t",
            "may be a label of the host's name"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://${config.x}.com/t",
            "may be a label of the host's name"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://${secret.x}.acme.example/t",
            "${secret.x} is not allowed here; ${config.NAME} is"
        ),
        (
            "kind: oauth2_code\nauthorize_url: https://a/a\ntoken_url: https://a/t\nexchange_parameters: { k: \"${secret.s}\" }",
            "auth.exchange_parameters: ${secret.s} is not allowed here"
        ),
        (
            "kind: oauth2_code\nauthorize_url: https://a/a\ntoken_url: https://a/t\nissuer_required: true",
            "auth.issuer_required: needs issuer"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a/t\nissuer: x",
            "issuer: means nothing for kind"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a/t\nclient: header",
            "allowed: basic, post, none"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a/t\nanswer: { access_token: token }",
            "begins with '/'"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a/t\nanswer: { acess_token: /t }",
            "did you mean 'access_token'?"
        ),
        (
            "kind: oauth2_client_credentials\ntoken_url: https://a/t\nsend: { kind: two_step }",
            "bearer, header, query or basic"
        ),
        ("kind: jwt_bearer\ntoken_url: https://a/t\nissuer: me\nkey: abc", "auth.key: has to be a secret"),
        (
            "kind: jwt_bearer\ntoken_url: https://a/t\nissuer: me\nkey: \"${secret.k}\"\naudience: \"https://${config.x\"",
            "auth.audience: '${' has no '}'"
        ),
        (
            "kind: jwt_bearer\ntoken_url: https://a/t\nissuer: me\nkey: \"${secret.k}\"\naudience: \"https://${secret.x}\"",
            "auth.audience: ${secret.x} is not allowed here; ${config.NAME} is"
        ),
        ("kind: two_step\ntoken_url: https://a/t", "auth.body: has to be a mapping"),
        (
            "kind: two_step\ntoken_url: https://a/t\nbody: { p: \"${parent.x}\" }",
            "${parent.x} is not allowed here"
        ),
        ("kind: bearer\ntoken: t\ntoken_url: https://a", "token_url: means nothing for kind 'bearer'"),
        (
            "kind: oauth2_code\nauthorize_url: https://a/a\ntoken_url: https://a/t\nauthorize_parameters: { k: \"${secret.s}\" }",
            "the user's browser would carry it"
        ),
        (
            "kind: oauth2_code\nauthorize_url: https://a/a\ntoken_url: https://a/t\nrevoke_style: bearer",
            "needs revoke_url"
        ),
    ])
    func `names what is wrong with it`(auth: String, problem: String) {
        let problems = Self.problems(auth)
        #expect(problems.contains { $0.contains(problem) }, "\(problems)")
    }

    /// A default would never count: tokens are asked for with what the integration itself has.
    @Test(arguments: [
        "kind: oauth2_code\nauthorize_url: https://a/a\ntoken_url: https://a/t\nexchange_parameters: { k: \"${config.x}\" }",
        "kind: jwt_bearer\ntoken_url: https://a/t\nissuer: me\nkey: \"${secret.k}\"\naudience: \"https://${config.x}.a/t\"",
    ])
    func `has no place with a default`(auth: String) {
        let text = Self.manifest(auth).replacing(
            "streams:", with: "config: { x: { default: y } }\nstreams:")
        let error = #expect(throws: ManifestError.self) {
            try ManifestLoader.load(text, file: "demo.yaml")
        }
        #expect(
            error?.description.contains("config: 'x' is a place of base_url, auth or a watch") == true,
            "\(error?.description ?? "")")
    }

    @Test func `of Google Calendar renews tokens`() throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let profile = try #require(registry.connector(for: "google-calendar")?.tokens(at: nil))
        #expect(profile.tokenURL == "https://oauth2.googleapis.com/token")
        #expect(registry.connector(for: "stripe")?.tokens(at: nil) == nil)
    }

    @Test(arguments: [
        ("salesforce", "domain", "https://acme.my.salesforce.com/services/oauth2/token"),
        ("shopify", "shop", "https://acme.myshopify.com/admin/oauth/access_token"),
        ("zendesk", "subdomain", "https://acme.zendesk.com/oauth/tokens"),
    ])
    func `of a service with a host for each account renews tokens there`(
        service: String, name: String, expected: String
    ) throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let connector = try #require(registry.connector(for: service))
        let profile = try #require(connector.tokens(at: nil))
        #expect(profile.endpointNames == [name])
        #expect(OAuthProfile.endpoint(profile.tokenURL, [name: "acme"]) == expected)
        #expect(OAuthProfile.endpoint(profile.tokenURL, [name: "evil.example/x#"]) == nil)
        let moved = try #require(connector.tokens(at: "http://127.0.0.1:1/s"))
        #expect(moved.endpointNames == [] && moved.tokenURL.hasPrefix("http://127.0.0.1:1/s/"))
    }

    @Test func `of a service account is the shipped manifest but for the login`() throws {
        let service = "google-calendar"
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let example = try String(
            contentsOf: folder.appendingPathComponent("docs/examples/service-accounts/\(service).yaml"),
            encoding: .utf8)
        let shipped = try String(
            contentsOf: folder.appendingPathComponent("connectors/\(service).yaml"), encoding: .utf8)
        func rest(_ text: String) -> [Substring] {
            let lines = text.split(separator: "\n")
            let start = lines.firstIndex(of: "auth:") ?? lines.endIndex
            let end = lines[start...].firstIndex(of: "errors:") ?? lines.endIndex
            // The comment above says where the login is documented.
            return lines[..<start].filter { !$0.hasPrefix("#") } + lines[end...]
        }
        #expect(rest(example) == rest(shipped))
        let profile = try #require(try ManifestLoader.load(example, file: "x.yaml").tokens(at: nil))
        guard case .jwtBearer(let assertion) = profile.grant else {
            Issue.record("\(profile.grant)")
            return
        }
        #expect(assertion.audience == "https://oauth2.googleapis.com/token")
        #expect(assertion.subject == OAuthText([.configuration("email")]))
    }
}

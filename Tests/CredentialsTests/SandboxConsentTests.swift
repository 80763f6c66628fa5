// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Credentials
import DeclarativeConnectors
import Foundation
import HTTPTransport
import Logging
import Model
import OAuth
import PostgresClient
import Sandbox
import SyncStore
import Testing
import Vault

/// The manifests that ship, against authorization servers that behave as the providers' documentation says.
@Suite struct `Connecting an account of a provider` {
    private let session = SecretString("cookie of this browser")
    private let redirect = "https://l.example/oauth/callback"

    /// A person's consent at the sandbox, and what is stored of it.
    private struct Account {
        let fixture: Fixture
        let connector: any Connector
        let http: HTTPClient
        let origin: String
        let service: String
        let id: Int64
        let consent: [String: String]

        var base: String { "http://\(origin)/\(service)" }

        func secrets() async throws -> [String: String] {
            let credential = try #require(try await fixture.store.read(id)?.credential)
            return try fixture.vault.open(
                credential.ciphertext, for: id, kind: credential.kind, version: credential.version
            ).mapValues(\.exposed)
        }

        func source() async throws -> any SecretSource {
            try CredentialKeeper(
                vault: fixture.vault, store: fixture.store, http: http, redis: nil, prefix: "t",
                owner: "test",
                client: { _ in OAuthClient(id: "lockstep", secret: SecretString("lockstep-secret")) },
                logger: fixture.logger
            ).source(
                for: IntegrationKey(userID: "u_1", service: service), id: id, title: connector.title,
                profile: connector.tokens(at: base), configuration: [:],
                initial: try await fixture.store.read(id)?.credential)
        }

        /// The status and the first bytes of an answer of the API to a token.
        func ask(_ path: String, _ token: String) async throws -> String {
            let response = try await http.send(
                HTTPRequest(url: base + path, headers: [("Authorization", "Bearer \(token)")]))
            return "\(response.status) " + String(decoding: response.body.prefix(12), as: UTF8.self)
        }

        func control(_ path: String) async throws {
            let response = try await http.send(
                HTTPRequest(method: "POST", url: "http://\(origin)/_control/\(path)", body: []))
            #expect(response.status == 200)
        }
    }

    private func withAccount(_ service: String, _ body: (Account) async throws -> Void) async throws {
        let fixture = try await Fixture()
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = SandboxServer(configuration: SandboxConfiguration(), logger: logger) {
            announce.yield($0)
        }
        let serving = Task { try await server.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        let origin = "127.0.0.1:\(try #require(await iterator.next()))"
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [origin])
        let http = HTTPClient(configuration: configuration, logger: fixture.logger)
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let connector = try #require(registry.connector(for: service))
        let profile = try #require(connector.tokens(at: "http://\(origin)/\(service)"))
        let client = OAuthClient(id: "lockstep", secret: SecretString("lockstep-secret"))
        let flow = AuthorizationFlow(
            vault: fixture.vault, states: AuthorizationStore(pool: fixture.pool),
            links: ConnectLinkStore(pool: fixture.pool),
            credentials: fixture.store, http: http)
        let url = try await flow.beginAuthorization(
            .init(
                key: IntegrationKey(userID: "u_1", service: service), redirectURI: redirect,
                session: session), profile: profile, client: client)
        let asked = Self.query(url)
        // What the form of the consent page posts when the person says yes.
        let answer = try await http.send(
            .form(
                url: String(url.prefix { $0 != "?" }),
                fields: asked.map { ($0.key, $0.value) } + [("user", "u_1"), ("decision", "allow")]))
        #expect(answer.status == 302)
        let back = Self.query(try #require(answer.headers.first("Location")))
        let connected = try await flow.finishAuthorization(
            .init(
                state: back["state"].map { SecretString($0) }, code: back["code"].map { SecretString($0) },
                issuer: back["iss"], error: back["error"]), session: session
        ) { _ in (profile, client) }
        try await body(
            Account(
                fixture: fixture, connector: connector, http: http, origin: origin, service: service,
                id: connected.id, consent: asked))
        await fixture.pool.close()
    }

    private static func query(_ url: String) -> [String: String] {
        let items = URLComponents(string: url)?.queryItems ?? []
        return Dictionary(items.map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    @Test func `gets a person's token of Slack, and rotates it`() async throws {
        try await withAccount("slack") { account in
            #expect(account.consent["user_scope"]?.contains("channels:history,groups:history") == true)
            #expect(account.consent["scope"] == nil && account.consent["code_challenge"] != nil)
            let first = try await account.secrets()
            let token = try #require(first["access_token"])
            #expect(token.hasPrefix("xoxe.xoxp-"), "the person's, not the bot's")
            #expect(first["refresh_token"]?.hasPrefix("xoxe-1-") == true)
            #expect(try await account.ask("/api/users.list", token).hasPrefix(#"200 {"ok":true"#))

            // Twice: the second time with the refresh token of the first.
            var used = token
            for _ in 1...2 {
                try await account.control("oauth/expire?server=slack")
                #expect(try await account.ask("/api/users.list", used).hasPrefix(#"200 {"ok":false"#))
                let source = try await account.source()
                let held = try await source.replacement(for: try await source.current())
                let renewed = try #require(held.token)
                #expect(renewed != used && renewed.hasPrefix("xoxe.xoxp-"))
                #expect(try await account.ask("/api/users.list", renewed).hasPrefix(#"200 {"ok":true"#))
                used = renewed
            }
            #expect(try await account.secrets()["refresh_token"] != first["refresh_token"])
        }
    }

    @Test func `has to be done again when Slack refuses the refresh token with status 200`() async throws {
        try await withAccount("slack") { account in
            try await account.control("oauth/revoke?server=slack")
            let source = try await account.source()
            let current = try await source.current()

            let error = try await failure { try await source.replacement(for: current) }

            #expect(error.errorClass == .authRevoked && error.code == "invalid_refresh_token")
            #expect(try await account.fixture.count("alerts WHERE kind = 'reauth_required'") == 1)
        }
    }

    @Test(arguments: [
        ("gmail", "/gmail/v1/users/me/labels"),
        ("google-calendar", "/calendar/v3/users/me/calendarList"),
    ])
    func `gets an offline token of Google, and keeps its refresh token`(service: String, path: String)
        async throws
    {
        try await withAccount(service) { account in
            #expect(account.consent["access_type"] == "offline" && account.consent["prompt"] == "consent")
            let first = try await account.secrets()
            let token = try #require(first["access_token"])
            #expect(first["refresh_token"]?.hasPrefix("1//") == true)
            #expect(try await account.ask(path, token).hasPrefix("200"))

            try await account.control("oauth/expire?server=google")
            #expect(try await account.ask(path, token).hasPrefix("401"))
            let source = try await account.source()
            let renewed = try #require(
                try await source.replacement(for: try await source.current()).token)

            #expect(try await account.ask(path, renewed).hasPrefix("200"))
            // The answer to a refresh has none: the old one stays.
            #expect(try await account.secrets()["refresh_token"] == first["refresh_token"])
        }
    }

    @Test func `ends its watches before the token is given back, and says which go on`() async throws {
        try await withAccount("google-calendar") { account in
            let fixture = account.fixture
            let watches = WatchStore(pool: fixture.pool)
            let token = try #require(try await account.secrets()["access_token"])
            let access = ProviderAccess(
                client: DirectClient(http: account.http), secrets: ["access_token": SecretString(token)],
                configuration: [:], baseURL: account.base)
            let watcher = try #require(try account.connector.watcher(of: "calendars", access: access))
            func watch(_ name: String) async throws -> HeldWatch {
                let row = try await watches.begin(
                    WebhookSlice(stream: "calendars", partition: ""), of: account.id, channelID: name,
                    tokenHash: [1])
                let grant = try await watcher.begin(
                    .whole,
                    WatchRequest(id: name, token: SecretString("t"), address: "https://l.example/webhooks"))
                try await watches.granted(
                    row, resource: grant.resource, expiresAt: grant.expiresAt, renewBefore: .seconds(60))
                return HeldWatch(id: name, stream: "calendars", resource: grant.resource)
            }
            let ending = WatchEnding(
                vault: fixture.vault, credentials: fixture.store, integrations: fixture.integrations,
                watches: watches, http: account.http)
            func run() async -> WatchEnding.Outcome {
                await ending.run(account.id, connector: account.connector, baseURL: account.base)
            }
            #expect(await run() == WatchEnding.Outcome())

            let first = try await watch("one")
            _ = try await watch("two")
            let ended = await run()
            #expect(ended.ended == 2 && ended.left == 0 && ended.reason == nil)
            // The provider knows it no more.
            let error = await #expect(throws: ConnectorError.self) { try await watcher.end(first) }
            #expect(error?.status == 404)
            #expect(try await fixture.count("webhook_channels WHERE status = 'ended'") == 2)
            #expect(try await fixture.count("integrations WHERE status = 'disconnected'") == 1)

            _ = try await watch("three")
            try await account.control("oauth/expire?server=google")
            let left = await run()
            #expect(left.ended == 0 && left.left == 1 && left.leftUntil != nil)
            #expect(left.reason?.contains(token) == false)
        }
    }
}

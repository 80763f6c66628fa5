// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import DeclarativeConnectors
import Foundation
import HTTPTransport
import Model
import OAuth
import PageScanner
import PostgresClient
import SyncStore
import Testing
import Vault

/// An OpenID provider that nobody here wrote; `make test-servers` starts it and names it.
private let foreignProvider = ProcessInfo.processInfo.environment["OIDC_PROVIDER_URL"]

/// The code flow and refreshes against https://pypi.org/project/oidc-provider-mock/, which is built on Authlib.
@Suite(.enabled(if: foreignProvider != nil)) struct `An OpenID provider of others` {
    private let base = foreignProvider ?? ""
    private let session = SecretString("cookie of this browser")
    private let redirect = "https://l.example/oauth/callback"
    private let client = OAuthClient(id: "lockstep", secret: SecretString("a secret: with/odd+characters"))

    private func setUp() async throws -> (Fixture, HTTPClient, any Connector) {
        let fixture = try await Fixture()
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [String(base.dropFirst("http://".count))])
        let http = HTTPClient(configuration: configuration, logger: fixture.logger)
        let discovered = try await http.send(HTTPRequest(url: "\(base)/.well-known/openid-configuration"))
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(discovered.body)) as? [String: Any])
        func endpoint(_ name: String) throws -> String { try #require(document[name] as? String) }
        let connector = try ManifestLoader.load(
            """
            lockstep: 1
            service: foreign
            base_url: \(base)
            auth:
              kind: oauth2_code
              authorize_url: \(try endpoint("authorization_endpoint"))
              token_url: \(try endpoint("token_endpoint"))
              scopes: [openid, email]
            streams:
              person: { path: /userinfo, layout: single, records: "", id: /sub, page: { kind: none } }
            """, file: "foreign.yaml")
        return (fixture, http, connector)
    }

    /// A person's yes or no; what the browser comes back with.
    private func consent(_ http: HTTPClient, _ url: String, _ answer: (String, String)) async throws
        -> [String: String]
    {
        let page = try await http.send(HTTPRequest(url: url))
        #expect(page.status == 200)
        let back = try await http.send(.form(url: url, fields: [answer]))
        #expect(back.status == 302)
        let items = URLComponents(string: back.headers.first("Location") ?? "")?.queryItems ?? []
        return Dictionary(items.map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    private func connect(
        _ fixture: Fixture, _ http: HTTPClient, _ connector: any Connector, answer: (String, String)
    ) async throws -> AuthorizationFlow.Connected {
        let profile = try #require(connector.tokens(at: nil))
        let flow = AuthorizationFlow(
            vault: fixture.vault, states: AuthorizationStore(pool: fixture.pool),
            links: ConnectLinkStore(pool: fixture.pool),
            credentials: fixture.store, http: http)
        let url = try await flow.beginAuthorization(
            .init(
                key: IntegrationKey(userID: "u_7", service: "foreign"), redirectURI: redirect,
                session: session), profile: profile, client: client)
        let back = try await consent(http, url, answer)
        return try await flow.finishAuthorization(
            .init(
                state: back["state"].map { SecretString($0) }, code: back["code"].map { SecretString($0) },
                issuer: back["iss"], error: back["error"]), session: session
        ) { _ in (profile, client) }
    }

    private func source(_ fixture: Fixture, _ http: HTTPClient, _ connector: any Connector, _ id: Int64)
        async throws -> any SecretSource
    {
        try CredentialKeeper(
            vault: fixture.vault, store: fixture.store, http: http, redis: nil, prefix: "t", owner: "test",
            client: { _ in client }, logger: fixture.logger
        ).source(
            for: IntegrationKey(userID: "u_7", service: "foreign"), id: id, title: "Foreign",
            profile: connector.tokens(at: nil), configuration: [:],
            initial: try await fixture.store.read(id)?.credential)
    }

    /// Reads the stream `person` with what the source gives; the records' JSON.
    private func read(_ http: HTTPClient, _ connector: any Connector, _ source: any SecretSource) async throws
        -> String
    {
        let strategy = try connector.strategy(
            for: "person",
            access: ProviderAccess(
                client: DirectClient(http: http), credential: source, configuration: [:], baseURL: nil))
        let page = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
        return String(decoding: page.scanned.body, as: UTF8.self)
    }

    @Test func `gives tokens for a code, and renews them once they are refused`() async throws {
        let (fixture, http, connector) = try await setUp()
        let connected = try await connect(fixture, http, connector, answer: ("sub", "ada@example.com"))
        let first = try #require(try await fixture.store.read(connected.id)?.credential)
        let source = try await source(fixture, http, connector, connected.id)
        #expect(try await read(http, connector, source).contains("ada@example.com"))
        let old = try await source.current()

        // It lives for an hour: the keeper's clock is the database's.
        _ = try await fixture.pool.query(
            """
            UPDATE lockstep.credentials
            SET expires_at = now() - interval '1 second', refresh_at = now() - interval '1 minute'
            """)
        let later = try await self.source(fixture, http, connector, connected.id)
        let renewed = try await later.current()

        #expect(renewed.token != old.token)
        #expect(
            try #require(try await fixture.store.read(connected.id)?.credential).version == first.version + 1)
        #expect(try await read(http, connector, later).contains("ada@example.com"))
        await fixture.pool.close()
    }

    @Test func `that takes its tokens back makes the account one that has to be connected again`()
        async throws
    {
        let (fixture, http, connector) = try await setUp()
        let connected = try await connect(fixture, http, connector, answer: ("sub", "bob@example.com"))
        let source = try await source(fixture, http, connector, connected.id)
        let revoked = try await http.send(
            HTTPRequest(method: "POST", url: "\(base)/users/bob@example.com/revoke-tokens", body: []))
        #expect(revoked.status == 204)
        let current = try await source.current()

        let error = try await failure { try await source.replacement(for: current) }

        #expect(error.errorClass == .authRevoked && error.code == "invalid_grant")
        #expect(try await fixture.count("integrations WHERE status = 'reauth_required'") == 1)
        await fixture.pool.close()
    }

    @Test func `whose user says no connects nothing`() async throws {
        let (fixture, http, connector) = try await setUp()
        var code: CredentialError.Code?
        do {
            _ = try await connect(fixture, http, connector, answer: ("action", "deny"))
        } catch let error as CredentialError {
            code = error.code
        }
        // This provider forgets the state in a refusal, so that nobody knows whose it was.
        #expect(code == .denied || code == .invalidCallback)
        #expect(try await fixture.count("integrations WHERE service = 'foreign'") == 0)
        await fixture.pool.close()
    }
}

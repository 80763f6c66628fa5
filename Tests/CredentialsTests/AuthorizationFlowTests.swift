// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Foundation
import Model
import OAuth
import PostgresClient
import SyncStore
import TestSupport
import Testing
import Vault

@Suite struct `Connecting an account` {
    private let session = SecretString("cookie of this browser")

    private final class Recorder: ExchangeRecorder {
        let exchanges = LockedBox<[ProviderExchange]>([])

        func record(_ exchange: ProviderExchange) { exchanges.withLock { $0.append(exchange) } }
    }

    private let recorder = Recorder()

    private func flow(_ fixture: Fixture) -> AuthorizationFlow {
        AuthorizationFlow(
            vault: fixture.vault, states: AuthorizationStore(pool: fixture.pool),
            links: ConnectLinkStore(pool: fixture.pool),
            credentials: fixture.store, http: fixture.http, recorder: recorder)
    }

    /// Begins, and returns what the provider would send back with the browser.
    private func begin(_ fixture: Fixture, session: SecretString? = nil) async throws -> (
        URLComponents, SecretString
    ) {
        let url = try await flow(fixture).beginAuthorization(
            .init(
                key: IntegrationKey(userID: "u_7", service: "demo"),
                redirectURI: "https://l.example/oauth/callback",
                session: session ?? self.session), profile: fixture.profile, client: fixture.client)
        let components = try #require(URLComponents(string: url))
        let state = try #require(components.queryItems?.first { $0.name == "state" }?.value)
        return (components, SecretString(state))
    }

    private func finish(
        _ fixture: Fixture, state: SecretString?, session: SecretString? = nil, issuer: String? = nil,
        error: String? = nil, profile: OAuthProfile? = nil
    ) async throws -> AuthorizationFlow.Connected {
        try await flow(fixture).finishAuthorization(
            .init(state: state, code: SecretString("code-1"), issuer: issuer, error: error),
            session: session ?? self.session
        ) { _ in (profile ?? fixture.profile, fixture.client) }
    }

    private func refusal(
        _ body: () async throws -> AuthorizationFlow.Connected
    ) async -> CredentialError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? CredentialError)?.code
        }
    }

    @Test func `stores the tokens of the code that comes back`() async throws {
        let fixture = try await Fixture()
        let (url, state) = try await begin(fixture)

        let connected = try await finish(fixture, state: state)

        #expect(connected.isNew)
        #expect(connected.key.userID == "u_7")
        let form = TokenProvider.form(try #require(fixture.provider.requests.first))
        #expect(form["grant_type"] == "authorization_code" && form["code"] == "code-1")
        #expect(form["redirect_uri"] == "https://l.example/oauth/callback")
        let challenge = url.queryItems?.first { $0.name == "code_challenge" }?.value
        #expect(PKCE(verifier: SecretString(form["code_verifier"] ?? "")).challenge == challenge)
        let credential = try #require(try await fixture.store.read(connected.id)?.credential)
        let secrets = try fixture.vault.open(
            credential.ciphertext, for: connected.id, kind: "oauth2", version: 1)
        #expect(secrets.mapValues(\.exposed) == ["access_token": "at-2", "refresh_token": "rt-2"])
        #expect(try await fixture.count("oauth_states") == 0)
        let logged = try #require(recorder.exchanges.withLock { $0 }.first)
        #expect(logged.service == "demo" && logged.endpoint == "token endpoint" && logged.status == 200)
        #expect(logged.integrationID == nil && logged.error == nil)
    }

    @Test func `at the host of the account asks and redeems there`() async throws {
        let fixture = try await Fixture()
        var profile = fixture.profile
        profile.tokenURL = "http://\(fixture.provider.origin)/${config.shop}/token"
        var consent = OAuthProfile.Consent(url: "http://\(fixture.provider.origin)/${config.shop}/authorize")
        consent.exchangeParameters = [.init("expiring", OAuthText("1"))]
        profile.grant = .authorizationCode(consent)
        func begin(_ object: String) async throws -> String {
            try await flow(fixture).beginAuthorization(
                .init(
                    key: IntegrationKey(userID: "u_7", service: "demo"), configuration: Array(object.utf8),
                    redirectURI: "https://l.example/oauth/callback", session: session),
                profile: profile, client: fixture.client)
        }

        let url = try await begin(#"{"shop":"acme"}"#)
        #expect(url.hasPrefix("http://\(fixture.provider.origin)/acme/authorize?"))
        let state = try #require(
            URLComponents(string: url)?.queryItems?.first { $0.name == "state" }?.value)
        _ = try await finish(fixture, state: SecretString(state), profile: profile)
        let sent = try #require(fixture.provider.requests.first)
        #expect(sent.target == "/acme/token")
        #expect(TokenProvider.form(sent)["expiring"] == "1")

        let error = await #expect(throws: CredentialError.self) { try await begin("{}") }
        #expect(error?.code == .config)
    }

    @Test func `asks nobody while a value is missing that the exchange or the revocation needs`() async throws
    {
        let fixture = try await Fixture()
        let origin = "http://\(fixture.provider.origin)"
        var consent = OAuthProfile.Consent(url: "\(origin)/authorize")
        consent.exchangeParameters = [.init("tenant", OAuthText([.configuration("tenant")]))]
        var (exchange, token, revocation) = (fixture.profile, fixture.profile, fixture.profile)
        exchange.grant = .authorizationCode(consent)
        token.tokenURL = "\(origin)/${config.tenant}/token"
        revocation.revocation = .init(url: "\(origin)/${config.tenant}/revoke", style: .rfc7009)
        for profile in [exchange, token, revocation] {
            func begin(_ object: String) async throws -> String {
                try await flow(fixture).beginAuthorization(
                    .init(
                        key: IntegrationKey(userID: "u_7", service: "demo"),
                        configuration: Array(object.utf8), redirectURI: "https://l.example/oauth/callback",
                        session: session), profile: profile, client: fixture.client)
            }
            let error = await #expect(throws: CredentialError.self) { try await begin("{}") }
            #expect(error?.code == .config)
            #expect(try await fixture.count("oauth_states") == 0)

            _ = try await begin(#"{"tenant":"acme"}"#)
            _ = try await fixture.pool.query("DELETE FROM lockstep.oauth_states")
        }
    }

    @Test func `takes a state once`() async throws {
        let fixture = try await Fixture()
        let (_, state) = try await begin(fixture)
        _ = try await finish(fixture, state: state)

        #expect(await refusal { try await finish(fixture, state: state) } == .invalidCallback)
        #expect(fixture.provider.tokenRequests == 1)
    }

    @Test func `takes no state of another browser, of nobody, or of yesterday`() async throws {
        let fixture = try await Fixture()
        let (_, state) = try await begin(fixture)

        #expect(
            await refusal { try await finish(fixture, state: state, session: SecretString("other")) }
                == .invalidCallback)
        #expect(await refusal { try await finish(fixture, state: SecretString("guess")) } == .invalidCallback)
        #expect(await refusal { try await finish(fixture, state: nil) } == .invalidCallback)
        _ = try await fixture.pool.query("UPDATE lockstep.oauth_states SET expires_at = now()")
        #expect(await refusal { try await finish(fixture, state: state) } == .invalidCallback)
        #expect(fixture.provider.tokenRequests == 0)
    }

    @Test func `checks the issuer, and uses the state up`() async throws {
        let fixture = try await Fixture()
        let (_, state) = try await begin(fixture)
        var profile = fixture.profile
        profile.grant = .authorizationCode(.init(url: "https://p/authorize", issuer: "https://p"))

        let refused = await refusal {
            try await finish(fixture, state: state, issuer: "https://evil", profile: profile)
        }

        #expect(refused == .invalidCallback)
        #expect(await refusal { try await finish(fixture, state: state) } == .invalidCallback)
        #expect(fixture.provider.tokenRequests == 0)
    }

    @Test func `says when the user or the provider said no`() async throws {
        let fixture = try await Fixture()
        let (_, denied) = try await begin(fixture)
        #expect(await refusal { try await finish(fixture, state: denied, error: "access_denied") } == .denied)

        let (_, state) = try await begin(fixture)
        fixture.provider.change { $0.answers = [("400 Bad Request", #"{"error":"invalid_grant"}"#)] }
        #expect(await refusal { try await finish(fixture, state: state) } == .denied)
        #expect(try await fixture.count("integrations WHERE user_id = 'u_7'") == 0)
    }

    @Test func `keeps neither state, session nor verifier in the clear`() async throws {
        let fixture = try await Fixture()
        let (_, state) = try await begin(fixture)

        let row = try await fixture.text("SELECT t FROM lockstep.oauth_states t")
        #expect(row?.contains(state.exposed) == false)
        #expect(row?.contains("cookie") == false)
        #expect(row?.contains("u_7") == true)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Cryptography
public import HTTPTransport
public import Model
public import OAuth
import PageScanner
public import SyncStore
public import Vault

/// Connects an account by its user's consent: two requests of a browser with the provider's page in between.
///
/// What ties them together is a one-time value, the state. It is bound to the browser's session, stored as a hash, and used
/// up by the first callback, whatever comes of it.
public struct AuthorizationFlow: Sendable {
    /// An account that is to be connected.
    public struct Request: Sendable {
        /// Whose account, at which service.
        public let key: IntegrationKey
        /// The integration's configuration, a JSON object.
        public let configuration: [UInt8]
        /// Where the provider sends the browser back to.
        public let redirectURI: String
        /// What tells this browser from others, such as a cookie.
        public let session: SecretString
        /// The link that brought the user here, which connects once; nil for none.
        public let ticket: ConnectTicket?

        /// A request of one browser.
        public init(
            key: IntegrationKey, configuration: [UInt8] = Array("{}".utf8), redirectURI: String,
            session: SecretString, ticket: ConnectTicket? = nil
        ) {
            self.key = key
            self.configuration = configuration
            self.redirectURI = redirectURI
            self.session = session
            self.ticket = ticket
        }
    }

    /// An account that was connected.
    public struct Connected: Sendable {
        /// The integration's row.
        public let id: Int64
        /// Whose account it is.
        public let key: IntegrationKey
        /// Whether the integration is new.
        public let isNew: Bool
    }

    /// How long a user may take on the provider's page.
    public static let lifetime: Duration = .seconds(600)

    private let vault: CredentialVault
    private let states: AuthorizationStore
    private let links: ConnectLinkStore
    private let credentials: CredentialStore
    private let http: HTTPClient
    private let recorder: (any ExchangeRecorder)?

    /// What connecting needs. `recorder` hears of each request for tokens.
    public init(
        vault: CredentialVault, states: AuthorizationStore, links: ConnectLinkStore,
        credentials: CredentialStore, http: HTTPClient, recorder: (any ExchangeRecorder)? = nil
    ) {
        self.vault = vault
        self.states = states
        self.links = links
        self.credentials = credentials
        self.http = http
        self.recorder = recorder
    }

    /// Notes a fresh state and returns the URL of the provider's page.
    public func beginAuthorization(
        _ request: Request, profile: OAuthProfile, client: OAuthClient
    ) async throws(CredentialError) -> String {
        do {
            let state = try OneTimeValue.random()
            let proof = try PKCE.random()
            let configuration = ConfigurationText.members(of: request.configuration)
            let url = try Authorization.url(
                profile, client: client, redirectURI: request.redirectURI, state: state, proof: proof,
                configuration: configuration)
            try TokenRequests(profile: profile, client: client, secrets: [:], configuration: configuration)
                .checkPlaces()
            let hash = OneTimeValue.hash(state)
            var secrets = ["verifier": proof.verifier]
            if let ticket = request.ticket {
                secrets["link"] = SecretString(Hex.encode(ticket.hash))
                secrets["link_end"] = SecretString(String(ticket.expiresAt.microseconds))
            }
            let sealed = try vault.seal(secrets, for: 0, kind: Self.kind(hash), version: 0)
            try await states.put(
                PendingAuthorization(
                    stateHash: hash, sessionHash: OneTimeValue.hash(request.session), key: request.key,
                    configuration: request.configuration, redirectURI: request.redirectURI,
                    ciphertext: sealed.bytes), lifetime: Self.lifetime)
            return url
        } catch {
            throw Self.mapped(error)
        }
    }

    /// Redeems a callback of the session that began it, stores the tokens, and only then says that the account is
    /// connected.
    ///
    /// `profile` and `client` are asked for by the service that the state names. Throws `invalidCallback` for a state that is
    /// unknown, of another session, used or too old. Of a credential that is replaced the secrets that `keeping` names for the
    /// service stay; when it cannot be opened, `unreadable` hears why.
    public func finishAuthorization(
        _ callback: Authorization.Callback, session: SecretString,
        keeping: (String) -> Set<String> = { _ in [] },
        unreadable: @Sendable (_ id: Int64, _ reason: String) -> Void = { _, _ in },
        service: (String) -> (profile: OAuthProfile, client: OAuthClient)?
    ) async throws(CredentialError) -> Connected {
        guard let state = callback.state else {
            throw CredentialError(.invalidCallback, "the callback has no state")
        }
        do {
            let hash = OneTimeValue.hash(state)
            guard let pending = try await states.take(hash, session: OneTimeValue.hash(session)) else {
                throw CredentialError(
                    .invalidCallback,
                    "the connection was not begun in this browser, or too long ago; begin again")
            }
            guard let (profile, client) = service(pending.key.service) else {
                throw CredentialError(.config, "'\(pending.key.service)' is not connected by consent")
            }
            let code = try callback.code(for: profile)
            let secrets = try vault.open(pending.ciphertext, for: 0, kind: Self.kind(hash), version: 0)
            guard let verifier = secrets["verifier"] else {
                throw CredentialError(.invalidCallback, "the state has no verifier")
            }
            let request = try TokenRequests(
                profile: profile, client: client, secrets: [:],
                configuration: ConfigurationText.members(of: pending.configuration)
            )
            .exchange(code: code, redirectURI: pending.redirectURI, verifier: verifier)
            let ticket = Self.ticket(secrets)
            // Before the code is redeemed, so that of two browsers with one link mostly the first alone gets tokens. The transaction
            // that keeps them decides.
            if let ticket, try await links.state(of: ticket) != .open { throw CredentialWriter.linkOver }
            let grant = try await redeem(request, profile, pending.key.service)
            let names = keeping(pending.key.service)
            var tokens = ["access_token": grant.accessToken]
            if let token = grant.refreshToken { tokens["refresh_token"] = token }
            let (id, isNew) = try await CredentialWriter(vault: vault, store: credentials).connect(
                pending.key, configuration: pending.configuration, ticket: ticket, secrets: tokens,
                kind: .oauth2, lifetime: grant.lifetime, scopes: grant.scopes,
                keeping: { name, _ in names.contains(name) }, unreadable: unreadable)
            return Connected(id: id, key: pending.key, isNew: isNew)
        } catch {
            throw Self.mapped(error)
        }
    }

    private static func ticket(_ secrets: [String: SecretString]) -> ConnectTicket? {
        guard let hash = secrets["link"].flatMap({ Hex.decode($0.exposed) }),
            let end = secrets["link_end"].flatMap({ Int64($0.exposed) })
        else { return nil }
        return ConnectTicket(hash: hash, expiresAt: Timestamp(microseconds: end))
    }

    private func redeem(
        _ request: HTTPRequest, _ profile: OAuthProfile, _ service: String
    ) async throws(CredentialError) -> TokenGrant {
        let sent = ContinuousClock.now
        let outcome: Result<HTTPResponse, HTTPError>
        do throws(HTTPError) {
            outcome = .success(try await http.send(request))
        } catch {
            outcome = .failure(error)
        }
        let answer = TokenAnswer.read(outcome, profile)
        recorder?.record(
            ProviderExchange(
                outcome, answer, of: nil, service: service, duration: ContinuousClock.now - sent))
        switch answer {
        case .success(let grant): return grant
        case .failure(let failure):
            let code: CredentialError.Code =
                switch failure.kind {
                case .reconnect: .denied
                case .config: .config
                case .rateLimited, .transient: .unavailable
                }
            throw CredentialError(code, "the code was not redeemed: \(failure.detail)")
        }
    }

    /// Binds the sealed verifier to its state.
    private static func kind(_ hash: [UInt8]) -> String { "authorization \(Hex.encode(hash))" }

    private static func mapped(_ error: any Error) -> CredentialError {
        switch error {
        case let error as CredentialError: error
        case let error as StoreError: CredentialError(error)
        case let error as VaultError: CredentialError(error)
        case let error as OAuthError: CredentialError(error)
        default: CredentialError(.unavailable, "unexpected error: \(error)")
        }
    }
}

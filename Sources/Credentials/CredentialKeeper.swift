// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import HTTPTransport
public import Logging
public import Model
public import OAuth
public import RedisClient
public import ServiceLifecycle
public import SyncStore
public import Vault

/// The moments of one refresh, for tests that end the process at each of them.
public enum RefreshStep: String, Sendable, CaseIterable {
    /// The lock in Redis is held.
    case locked
    /// The claim in Postgres is committed.
    case claimed
    /// The provider has answered; nothing is stored yet.
    case answered
    /// The new secrets are committed; nobody has used them yet.
    case stored
}

/// The limits of refreshes.
public struct KeeperConfiguration: Sendable {
    /// How long a process may take for one refresh. Another one takes over after that.
    public var lease: Duration = .seconds(30)
    /// The limit of the request; shorter than the lease, so that an answer comes while the claim holds.
    public var requestTimeout: Duration = .seconds(20)
    /// How long a caller waits for the refresh of another process: longer than a lease, so that one dead process is got over.
    public var longestWait: Duration = .seconds(75)
    /// The wait between two looks at the row.
    public var pollInterval: Duration = .milliseconds(100)
    /// How long an answer is kept in memory while Postgres cannot be reached. A token that rotates exists nowhere else.
    public var longestStoring: Duration = .seconds(600)
    /// Told at each step.
    public var observe: @Sendable (RefreshStep) -> Void = { _ in }

    /// The limits that workers use.
    public init() {}
}

/// Keeps the tokens of integrations fresh: one refresh in the whole cluster at a time, stored before its first use.
///
/// Three guards stand in a row. Callers of this process share one refresh. A lock in Redis keeps most other processes
/// waiting. The claim in Postgres decides, before the request goes out; what comes back is stored only for the version that
/// was claimed.
public final class CredentialKeeper: Service, Sendable {
    let vault: CredentialVault
    let store: CredentialStore
    let http: HTTPClient
    let lock: RefreshLock
    let configuration: KeeperConfiguration
    let logger: Logger
    let recorder: (any ExchangeRecorder)?
    private let client: @Sendable (String) -> OAuthClient?
    private let flights = RefreshFlights()
    /// Names this process in claims.
    let owner: String

    /// `client` gives the operator's OAuth client of a service. Without a `redis` the claims in Postgres do alone.
    /// `recorder` hears of each request for tokens.
    public init(
        vault: CredentialVault, store: CredentialStore, http: HTTPClient, redis: RedisClient?,
        prefix: String, owner: String, client: @escaping @Sendable (String) -> OAuthClient?,
        logger: Logger, configuration: KeeperConfiguration = KeeperConfiguration(),
        recorder: (any ExchangeRecorder)? = nil
    ) {
        self.recorder = recorder
        precondition(configuration.requestTimeout < configuration.lease, "a request ends before its claim")
        self.vault = vault
        self.store = store
        self.http = http
        lock = RefreshLock(redis: redis, prefix: prefix)
        self.owner = owner
        self.client = client
        self.logger = logger
        self.configuration = configuration
    }

    /// The secrets of one integration while a job of it runs. `initial` is the credential as the run found it.
    ///
    /// Throws when the stored credential cannot be opened.
    public func source(
        for integration: IntegrationKey, id: Int64, title: String, profile: OAuthProfile?,
        configuration: [String: String], initial: StoredCredential?
    ) throws(VaultError) -> any SecretSource {
        var known = Secrets([:])
        if let initial {
            known = Secrets(
                try vault.open(initial.ciphertext, for: id, kind: initial.kind, version: initial.version),
                version: initial.version)
        }
        let target = RefreshTarget(
            id: id, service: integration.service, title: title, profile: profile,
            client: client(integration.service),
            configuration: configuration)
        return KeptSecrets(keeper: self, target: target, known: known)
    }

    /// Returns when a graceful shutdown has begun and no refresh is under way. Shut it down before what it uses.
    public func run() async throws {
        do {
            try await gracefulShutdown()
        } catch {
            await settle()
            throw error
        }
        await settle()
    }

    /// Waits until no refresh of this process is under way: call it before the process ends.
    public func settle() async {
        await flights.settle()
    }

    /// Secrets that may be used now. With `refused` they are newer than that version, unless nothing renews them.
    func secrets(of target: RefreshTarget, refused: Int64?) async throws(ConnectorError) -> HeldSecrets {
        while true {
            let outcome = await flights.join(target.id) { [self] in
                await Refresh(keeper: self, target: target).run(refused: refused)
            }
            guard let outcome else {
                throw ConnectorError(
                    .transient, code: "cancelled", userMessage: "The sync is tried again.",
                    operatorDetail: "cancelled while a token was refreshed")
            }
            let held = try outcome.get()
            // The work that was joined may have begun before this caller's secrets were refused.
            guard let refused, let version = held.secrets.version, version <= refused,
                target.isRenewable(held.secrets.values), !Task.isCancelled
            else { return held }
        }
    }
}

/// An integration whose secrets are kept, and how its service gives tokens.
struct RefreshTarget: Sendable {
    let id: Int64
    let service: String
    /// The service's name as people read it.
    let title: String
    let profile: OAuthProfile?
    let client: OAuthClient?
    let configuration: [String: String]

    /// Whether a new token can be asked for with these secrets.
    func isRenewable(_ secrets: [String: SecretString]) -> Bool {
        switch profile?.grant {
        case nil: false
        case .authorizationCode: secrets["refresh_token"] != nil
        case .clientCredentials, .jwtBearer, .login: true
        }
    }

    /// Whether there is something to use: of a service with tokens that is the token.
    func hasToken(_ secrets: [String: SecretString]) -> Bool {
        profile == nil ? !secrets.isEmpty : secrets["access_token"] != nil
    }
}

/// The secrets of one integration, as a run uses them.
private final class KeptSecrets: SecretSource {
    private let keeper: CredentialKeeper
    private let target: RefreshTarget
    private let held: LockedBox<HeldSecrets?>
    private let initial: Secrets

    init(keeper: CredentialKeeper, target: RefreshTarget, known: Secrets) {
        self.keeper = keeper
        self.target = target
        initial = known
        // What nothing renews is used as it is; of a token the lifetime has to be looked up.
        let isFixed = target.profile == nil
        held = LockedBox(isFixed ? HeldSecrets(secrets: known, lookAgainAt: nil) : nil)
    }

    var known: Secrets { held.withLock { $0?.secrets } ?? initial }

    func current() async throws(ConnectorError) -> Secrets {
        if let held = held.withLock({ $0 }), held.lookAgainAt.map({ $0 > .now }) ?? true {
            return held.secrets
        }
        return try await look(refused: nil)
    }

    func replacement(for refused: Secrets) async throws(ConnectorError) -> Secrets {
        try await look(refused: refused.version)
    }

    private func look(refused: Int64?) async throws(ConnectorError) -> Secrets {
        let fresh = try await keeper.secrets(of: target, refused: refused)
        held.withLock { $0 = fresh }
        return fresh.secrets
    }
}

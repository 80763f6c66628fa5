// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import HTTPTransport
public import Model
import PageScanner
public import SyncStore
public import Vault

/// Ends the watches of an account that is disconnected, while its token still works: else the provider notifies for days of an
/// account that nobody follows any more.
public struct WatchEnding: Sendable {
    /// What became of the watches.
    public struct Outcome: Sendable, Equatable {
        /// Those that the provider has ended.
        public var ended = 0
        /// Those that go on.
        public var left = 0
        /// When the last one of those ends by itself.
        public var leftUntil: Timestamp?
        /// Why they go on, or what failed in between; nil when nothing did.
        public var reason: String?

        /// There was no watch.
        public init() {}
    }

    private let vault: CredentialVault
    private let credentials: CredentialStore
    private let integrations: IntegrationStore
    private let watches: WatchStore
    private let http: HTTPClient
    private let longest: Duration

    /// Watches of one account that are looked at.
    private static let most = 10_000

    /// What ending watches needs. `longest` is how long all requests together may take.
    public init(
        vault: CredentialVault, credentials: CredentialStore, integrations: IntegrationStore,
        watches: WatchStore, http: HTTPClient, longest: Duration = .seconds(30)
    ) {
        self.vault = vault
        self.credentials = credentials
        self.integrations = integrations
        self.watches = watches
        self.http = http
        self.longest = longest
    }

    /// Stops all work on the integration, so that no new watch is asked for, and ends those that there are, as far as the
    /// provider does. Nothing is thrown: a watch that goes on is no reason to keep an account.
    public func run(_ id: Int64, connector: any Connector, baseURL: String?) async -> Outcome {
        var outcome = Outcome()
        var goOn: [(watch: HeldWatch, end: Timestamp)] = []
        do {
            goOn = try await watches.held(of: id, limit: Self.most).map { row in
                (HeldWatch(id: row.id, stream: row.stream, resource: row.resource), row.end)
            }
            guard !goOn.isEmpty else { return outcome }
            try await integrations.disconnect(id)
            let limit = ContinuousClock.now + longest
            let access = try await access(id, baseURL, until: limit)
            var failures = 0
            var position = 0
            while position < goOn.count, failures < Self.patience {
                guard ContinuousClock.now < limit else {
                    outcome.reason = Self.tooLong
                    break
                }
                let watch = goOn[position].watch
                var isEnded = false
                do {
                    isEnded = try await end(watch, connector, access)
                    failures = 0
                    if !isEnded { outcome.reason = "the connector knows no way to end one" }
                } catch let error as ConnectorError {
                    // One that the provider does not know has ended.
                    isEnded = error.status == 404
                    failures = isEnded ? 0 : failures + Self.weight(error.errorClass)
                    if !isEnded { outcome.reason = error.description }
                }
                if isEnded {
                    goOn.remove(at: position)
                    outcome.ended += 1
                    try await watches.ended(watch.id)
                } else {
                    position += 1
                }
            }
        } catch {
            outcome.reason = "\(error)"
        }
        outcome.left = goOn.count
        outcome.leftUntil = goOn.map(\.end).max()
        return outcome
    }

    private static let tooLong = "it took too long"
    /// How much in a row has to go wrong before the watches that remain are left alone: nothing but this asks outside the limits
    /// that workers share.
    private static let patience = 2

    /// What the provider refuses for the account it refuses for each watch, and a limit or an outage is not asked again. One
    /// request may fail by itself.
    private static func weight(_ errorClass: ErrorClass) -> Int {
        switch errorClass {
        case .auth, .authRevoked, .permission, .rateLimited, .providerOutage: patience
        case .transient: 1
        default: 0
        }
    }

    private func end(
        _ watch: HeldWatch, _ connector: any Connector, _ access: ProviderAccess
    ) async throws -> Bool {
        guard let watcher = try connector.watcher(of: watch.stream, access: access) else { return false }
        return try await watcher.end(watch)
    }

    /// The account as its stored credential opens it. Nothing is renewed: what a renewal brings would have to be stored, and is
    /// about to be given back.
    private func access(
        _ id: Int64, _ baseURL: String?, until limit: ContinuousClock.Instant
    ) async throws -> ProviderAccess {
        guard let credential = try await credentials.read(id)?.credential else {
            throw StoreError(.unexpectedReply, "there is no credential")
        }
        let secrets = try vault.open(
            credential.ciphertext, for: id, kind: credential.kind, version: credential.version)
        let text = try await integrations.configuration(of: id) ?? "{}"
        return ProviderAccess(
            client: DeadlineClient(client: DirectClient(http: http), limit: limit), secrets: secrets,
            configuration: ConfigurationText.members(of: Array(text.utf8)), baseURL: baseURL)
    }
}

/// Sends requests that end at a moment, whatever becomes of them.
private struct DeadlineClient: ProviderClient {
    let client: DirectClient
    let limit: ContinuousClock.Instant

    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        var request = request
        let rest = ContinuousClock.now.duration(to: limit)
        request.http.timeout = min(request.http.timeout, max(rest, .milliseconds(1)))
        return try await client.send(request)
    }
}

extension WatchEnding.Outcome {
    /// For people, behind a sentence; empty when nothing is known of a watch.
    public var sentence: String {
        var text = ended == 0 ? "" : "; \(ended) \(ended == 1 ? "watch was" : "watches were") ended"
        guard left > 0 else { return text + (reason.map { "; watches may go on (\($0))" } ?? "") }
        let end = leftUntil.map { ": by itself the last one ends at \($0.rfc3339)" } ?? ""
        text += "; \(left) \(left == 1 ? "watch goes" : "watches go") on (\(reason ?? "unknown"))\(end)"
        return text
    }
}

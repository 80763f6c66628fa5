// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Foundation
public import HTTPTransport
public import Model
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
        /// Why they go on; nil when none does.
        public var reason: String?

        /// There was no watch.
        public init() {}
    }

    private let vault: CredentialVault
    private let credentials: CredentialStore
    private let integrations: IntegrationStore
    private let watches: WatchStore
    private let http: HTTPClient

    /// Watches of one account that are looked at.
    private static let most = 10_000
    /// How long all requests together may take.
    private static let longest: Duration = .seconds(30)

    /// What ending watches needs.
    public init(
        vault: CredentialVault, credentials: CredentialStore, integrations: IntegrationStore,
        watches: WatchStore,
        http: HTTPClient
    ) {
        self.vault = vault
        self.credentials = credentials
        self.integrations = integrations
        self.watches = watches
        self.http = http
    }

    /// Stops all work on the integration, so that no new watch is asked for, and ends those that there are, as far as the
    /// provider does. Nothing is thrown: a watch that goes on is no reason to keep an account.
    public func run(_ id: Int64, connector: any Connector, baseURL: String?) async -> Outcome {
        var outcome = Outcome()
        do {
            let held = try await watches.held(of: id, limit: Self.most)
            guard !held.isEmpty else { return outcome }
            outcome.left = held.count
            outcome.leftUntil = held.map(\.end).max()
            try await integrations.disconnect(id)
            let access = try await access(id, baseURL)
            let limit = ContinuousClock.now + Self.longest
            var left: [Timestamp] = []
            // What the provider refuses for the account it refuses for each watch.
            var isRefused = false
            for watch in held {
                var isEnded = false
                if ContinuousClock.now >= limit {
                    outcome.reason = "it took too long"
                } else if !isRefused {
                    do {
                        isEnded = try await end(watch, connector, access)
                        if !isEnded { outcome.reason = "the connector knows no way to end one" }
                    } catch let error as ConnectorError {
                        // One that the provider does not know has ended.
                        isEnded = error.status == 404
                        isRefused = !isEnded && [.auth, .authRevoked, .permission].contains(error.errorClass)
                        if !isEnded { outcome.reason = error.description }
                    }
                }
                if isEnded {
                    try await watches.ended(watch.id)
                    outcome.ended += 1
                } else {
                    left.append(watch.end)
                }
            }
            outcome.left = left.count
            outcome.leftUntil = left.max()
        } catch {
            outcome.reason = "\(error)"
        }
        return outcome
    }

    private func end(
        _ watch: (id: String, stream: String, resource: String?, end: Timestamp), _ connector: any Connector,
        _ access: ProviderAccess
    ) async throws -> Bool {
        guard let watcher = try connector.watcher(of: watch.stream, access: access) else { return false }
        return try await watcher.end(
            HeldWatch(id: watch.id, stream: watch.stream, resource: watch.resource))
    }

    /// The account as its stored credential opens it. Nothing is renewed: what a renewal brings would have to be stored, and is
    /// about to be given back.
    private func access(_ id: Int64, _ baseURL: String?) async throws -> ProviderAccess {
        guard let credential = try await credentials.read(id)?.credential else {
            throw StoreError(.unexpectedReply, "there is no credential")
        }
        let secrets = try vault.open(
            credential.ciphertext, for: id, kind: credential.kind, version: credential.version)
        let text = try await integrations.configuration(of: id) ?? "{}"
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
        let configuration = object.compactMapValues { value in
            (value as? String) ?? (value as? NSNumber)?.stringValue
        }
        return ProviderAccess(
            client: DirectClient(http: http), secrets: secrets, configuration: configuration, baseURL: baseURL
        )
    }
}

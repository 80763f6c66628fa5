// SPDX-License-Identifier: Apache-2.0

public import SyncStore
public import Vault

/// Wraps the data keys of all credentials, and of the secrets of subscriptions, with the current key, while workers go on.
///
/// Only the wrapping changes: versions stay, so that a refresh under way is not disturbed. A rotation that stops goes on by
/// being started again. A credential that cannot be opened is left as it is.
public struct KeyRotation: Sendable {
    /// A credential or a secret that stays under its old key.
    public struct Failure: Sendable {
        /// Whose credential it is; nil for the secret of a subscription.
        public let integrationID: Int64?
        /// Whose secret it is; nil for a credential.
        public let subscriptionID: Int64?
        /// Why it cannot be rewrapped.
        public let reason: String
    }

    /// What a rotation has done so far.
    public struct Report: Sendable {
        /// Credentials, and secrets of subscriptions, that the current key wraps now and did not before.
        public var rewrapped = 0
        /// Those that could not be rewrapped.
        public var failures: [Failure] = []
    }

    /// Rows of one statement: its transaction stays short.
    private static let batchSize = 200
    /// Workers that do not know the new key yet go on sealing with the old one; a pass or two catches up with them.
    private static let passLimit = 5

    private let vault: CredentialVault
    private let store: CredentialStore
    private let subscriptions: SubscriptionStore

    /// A rotation to the vault's current key.
    public init(vault: CredentialVault, store: CredentialStore, subscriptions: SubscriptionStore) {
        self.vault = vault
        self.store = store
        self.subscriptions = subscriptions
    }

    /// Runs until a whole pass finds nothing more to do. `progress` is called after each batch.
    public func run(progress: (Report) -> Void = { _ in }) async throws(StoreError) -> Report {
        var total = Report()
        for _ in 0..<Self.passLimit {
            var pass = Report()
            pass.rewrapped = total.rewrapped
            try await runPass(&pass, progress)
            try await rewrapSubscriptions(&pass, progress)
            let isDone = pass.rewrapped == total.rewrapped
            total = pass
            if isDone { break }
        }
        return total
    }

    private func runPass(_ report: inout Report, _ progress: (Report) -> Void) async throws(StoreError) {
        var after: Int64 = 0
        while true {
            let found = try await store.sealed(
                notWith: vault.currentKeyID, after: after, limit: Self.batchSize)
            guard let last = found.last else { return }
            after = last.integrationID
            var changes: [(integrationID: Int64, old: [UInt8], fresh: [UInt8])] = []
            for (id, credential) in found {
                do throws(VaultError) {
                    let fresh = try vault.rewrap(
                        credential.ciphertext, for: id, kind: credential.kind, version: credential.version)
                    // Nil: the current key wraps it already, and only the column says otherwise.
                    changes.append((id, credential.ciphertext, fresh?.bytes ?? credential.ciphertext))
                } catch {
                    report.failures.append(
                        Failure(integrationID: id, subscriptionID: nil, reason: error.message))
                }
            }
            if !changes.isEmpty {
                report.rewrapped += try await store.replace(changes, keyID: vault.currentKeyID).count
            }
            progress(report)
        }
    }

    private func rewrapSubscriptions(
        _ report: inout Report, _ progress: (Report) -> Void
    ) async throws(StoreError) {
        var after: Int64 = 0
        while true {
            let found = try await subscriptions.sealed(
                notWith: vault.currentKeyID, after: after, limit: Self.batchSize)
            guard let last = found.last else { return }
            after = last.id
            var changes: [(id: Int64, old: [UInt8], fresh: [UInt8])] = []
            for (id, ciphertext) in found {
                do throws(VaultError) {
                    let fresh = try vault.rewrap(
                        ciphertext, for: id, kind: SubscriptionStore.secretKind,
                        version: SubscriptionStore.secretVersion)
                    changes.append((id, ciphertext, fresh?.bytes ?? ciphertext))
                } catch {
                    report.failures.append(
                        Failure(integrationID: nil, subscriptionID: id, reason: error.message))
                }
            }
            if !changes.isEmpty {
                report.rewrapped += try await subscriptions.replace(changes, keyID: vault.currentKeyID).count
            }
            progress(report)
        }
    }
}

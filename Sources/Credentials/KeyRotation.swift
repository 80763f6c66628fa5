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
            try await rewrap(store, &pass, progress) {
                Failure(integrationID: $0, subscriptionID: nil, reason: $1)
            }
            try await rewrap(subscriptions, &pass, progress) {
                Failure(integrationID: nil, subscriptionID: $0, reason: $1)
            }
            let isDone = pass.rewrapped == total.rewrapped
            total = pass
            if isDone { break }
        }
        return total
    }

    /// Rewraps the rows of one table, batch by batch.
    private func rewrap(
        _ table: some SealedTable, _ report: inout Report, _ progress: (Report) -> Void,
        failure: (_ id: Int64, _ reason: String) -> Failure
    ) async throws(StoreError) {
        var after: Int64 = 0
        while true {
            let found = try await table.sealed(
                notWith: vault.currentKeyID, after: after, limit: Self.batchSize)
            guard let last = found.last else { return }
            after = last.id
            var changes: [SealedChange] = []
            for row in found {
                do throws(VaultError) {
                    let fresh = try vault.rewrap(
                        row.ciphertext, for: row.id, kind: row.kind, version: row.version)
                    // Nil: the current key wraps it already, and only the column says otherwise.
                    changes.append(SealedChange(row, fresh: fresh?.bytes ?? row.ciphertext))
                } catch {
                    report.failures.append(failure(row.id, error.message))
                }
            }
            if !changes.isEmpty {
                report.rewrapped += try await table.replace(changes, keyID: vault.currentKeyID).count
            }
            progress(report)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore
import Vault
import Webhooks

/// The secrets that notifications are checked with: those of the address's integration, or else the service's.
struct SigningSecrets: Sendable {
    /// An integration as an address names it.
    struct Target: Sendable {
        let id: Int64
        let account: String
        let secrets: [SecretString]
    }

    private struct Known {
        let target: Target?
        let readAt: ContinuousClock.Instant
    }

    /// A changed secret is heard of after this time.
    private static let lifetime: Duration = .seconds(5)
    private static let limit = 10_000

    let store: WebhookStore
    let vault: CredentialVault
    /// The secrets of a service as the operator configured them.
    let ofService: @Sendable (String) -> [SecretString]
    private let known = LockedBox<[String: Known]>([:])

    init(
        store: WebhookStore, vault: CredentialVault, ofService: @escaping @Sendable (String) -> [SecretString]
    ) {
        self.store = store
        self.vault = vault
        self.ofService = ofService
    }

    /// Nil when the service has no integration of this name.
    func target(
        _ name: String, of service: String, secretName: String
    ) async throws(StoreError) -> Target? {
        // Only one spelling of a number is the number.
        guard let id = Int64(name), id > 0, String(id) == name else { return nil }
        let key = "\(service)/\(id)"
        if let found = known.withLock({ $0[key] }), ContinuousClock.now - found.readAt < Self.lifetime {
            return found.target
        }
        let target = try await read(id, service, secretName)
        known.withLock { known in
            if known.count >= Self.limit { known.removeAll() }
            known[key] = Known(target: target, readAt: .now)
        }
        return target
    }

    private func read(
        _ id: Int64, _ service: String, _ secretName: String
    ) async throws(StoreError) -> Target? {
        guard let row = try await store.target(id, of: service) else { return nil }
        var secrets: [SecretString] = []
        if let credential = row.credential {
            do throws(VaultError) {
                let fields = try vault.open(
                    credential.ciphertext, for: id, kind: credential.kind, version: credential.version)
                secrets = fields[secretName].map(SecretList.secrets) ?? []
            } catch {
                throw StoreError(
                    .unavailable, "the credential of integration \(id) cannot be read: \(error.message)")
            }
        }
        return Target(id: id, account: row.account, secrets: secrets.isEmpty ? ofService(service) : secrets)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import SyncStore
public import Vault

/// What the secrets of a credential are.
public enum CredentialKind: String, Sendable {
    /// Given by a person; nothing renews them.
    case fixed = "static"
    /// Tokens that a provider gave, or what tokens are asked for with.
    case oauth2
}

/// Seals secrets that a person or a consent brought, and stores them in place of what was there.
public struct CredentialWriter: Sendable {
    private let vault: CredentialVault
    private let store: CredentialStore

    /// Others may store a version in the same moment, a few times in a row.
    private static let tries = 8

    /// A writer that seals with the vault's current key.
    public init(vault: CredentialVault, store: CredentialStore) {
        self.vault = vault
        self.store = store
    }

    /// Stores the secrets as a version of their own, newer than any other.
    public func write(
        _ secrets: [String: SecretString], kind: CredentialKind = .fixed, lifetime: TokenLifetime? = nil,
        scopes: [String]? = nil, to id: Int64
    ) async throws(CredentialError) {
        for _ in 0..<Self.tries {
            do {
                let sealed = try seal(
                    secrets, kind, lifetime, scopes, version: try await store.version(of: id) + 1, id)
                if try await store.put(sealed, of: id) { return }
            } catch let error as StoreError {
                throw CredentialError(error)
            } catch let error as VaultError {
                throw CredentialError(error)
            } catch {
                throw CredentialError(.unavailable, "unexpected error: \(error)")
            }
        }
        throw CredentialError(
            .unavailable, "the credential of integration \(id) is changed all the time; try again")
    }

    /// Connects an account with these secrets in one transaction, which uses the link up. Of the credential that is replaced those
    /// secrets stay that `keeping` names and that are not given anew; it gets their kind.
    ///
    /// When the old credential cannot be opened nothing of it stays, and `unreadable` hears why.
    public func connect(
        _ key: IntegrationKey, configuration: [UInt8], ticket: ConnectTicket?,
        secrets: [String: SecretString],
        kind: CredentialKind = .fixed, lifetime: TokenLifetime? = nil, scopes: [String]? = nil,
        keeping: @Sendable (_ name: String, _ kind: CredentialKind?) -> Bool,
        unreadable: @Sendable (_ id: Int64, _ reason: String) -> Void
    ) async throws(CredentialError) -> (id: Int64, isNew: Bool) {
        let outcome: ConnectOutcome
        do {
            outcome = try await store.connect(key, configuration: configuration, ticket: ticket) { id, old in
                var all = secrets
                if let old {
                    do throws(VaultError) {
                        let kept = try vault.open(
                            old.ciphertext, for: id, kind: old.kind, version: old.version)
                        let oldKind = CredentialKind(rawValue: old.kind)
                        for (name, value) in kept where all[name] == nil && keeping(name, oldKind) {
                            all[name] = value
                        }
                    } catch {
                        unreadable(id, error.message)
                    }
                }
                return try seal(all, kind, lifetime, scopes, version: (old?.version ?? 0) + 1, id)
            }
        } catch let error as StoreError {
            throw CredentialError(error)
        } catch let error as VaultError {
            throw CredentialError(error)
        } catch {
            throw CredentialError(.unavailable, "unexpected error: \(error)")
        }
        switch outcome {
        case .connected(let id, let isNew): return (id, isNew)
        case .linkOver: throw Self.linkOver
        }
    }

    static let linkOver = CredentialError(.linkOver, "the link was used before, or its time is over")

    /// Seals secrets for one version of one row.
    func seal(
        _ secrets: [String: SecretString], _ kind: CredentialKind, _ lifetime: TokenLifetime?,
        _ scopes: [String]?, version: Int64, _ id: Int64
    ) throws(VaultError) -> SealedSecrets {
        let sealed = try vault.seal(secrets, for: id, kind: kind.rawValue, version: version)
        return SealedSecrets(
            kind: kind.rawValue, keyID: sealed.keyID, version: version, ciphertext: sealed.bytes,
            lifetime: lifetime?.total, refreshDelay: lifetime?.refreshDelay, scopes: scopes)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
import PostgresClient

/// What became of an account that was to be connected.
public enum ConnectOutcome: Sendable {
    /// The integration is there, or was before, with its new credential.
    case connected(id: Int64, isNew: Bool)
    /// The link was used before, or its time is over. Nothing was changed.
    case linkOver
}

extension CredentialStore {
    /// Connects an account in one transaction: the link is used up, the integration is there and its credential is stored, or
    /// nothing of it.
    ///
    /// `seal` gets the integration's id and the credential that is replaced, and makes the next version.
    public func connect(
        _ key: IntegrationKey, configuration: [UInt8], ticket: ConnectTicket?,
        seal: @Sendable (Int64, StoredCredential?) throws -> SealedSecrets
    ) async throws -> ConnectOutcome {
        do {
            return try await store.pool.transaction { connection in
                if let ticket {
                    let used = try await connection.query(
                        StoreSQL.linkUse, [.bytea(ticket.hash), .int(ticket.expiresAt.microseconds)])
                    guard used.count > 0 else { return .linkOver }
                }
                let (id, isNew) = try IntegrationStore.added(
                    try await connection.query(
                        StoreSQL.integrationAdd, IntegrationStore.parameters(key, configuration)), key)
                let rows = try await connection.query(StoreSQL.credentialHold, [.int(id)])
                var old: StoredCredential?
                if let kind = rows.text(0, 0), let version = rows.int(0, 1),
                    let ciphertext = rows.bytes(0, 2)
                {
                    old = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
                }
                let sealed = try seal(id, old)
                let stored = try await connection.query(
                    StoreSQL.credentialPut, Self.parameters(sealed, of: id))
                guard stored.count > 0 else {
                    throw StoreError(
                        .contended, "the credential of integration \(id) was changed in this moment")
                }
                return .connected(id: id, isNew: isNew)
            }
        } catch let error as PostgresError {
            throw StoreError(mapping: error)
        }
    }
}

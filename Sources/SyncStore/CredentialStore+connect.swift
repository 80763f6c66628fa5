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
    /// Transactions of one attempt to connect: one that is known to have had no effect is made again.
    private static let connectLimit = 3

    /// Connects an account in one transaction: the link is used up, the integration is there and its credential is stored, or
    /// nothing of it. When the connection is lost during COMMIT, what has become of it is read.
    ///
    /// `seal` gets the integration's id and the credential that is replaced, and makes the next version.
    public func connect(
        _ key: IntegrationKey, configuration: [UInt8], ticket: ConnectTicket?,
        seal: @Sendable (Int64, StoredCredential?) throws -> SealedSecrets
    ) async throws -> ConnectOutcome {
        var attempt = 0
        while true {
            attempt += 1
            let done = LockedBox<Connection?>(nil)
            do {
                return try await store.pool.transaction { connection in
                    let made = try await Self.connect(connection, key, configuration, ticket, seal)
                    done.withLock { $0 = made }
                    return made.outcome
                }
            } catch let error as PostgresError {
                let error = StoreError(mapping: error)
                guard error.code == .commitUnknown, let made = done.withLock({ $0 }) else { throw error }
                // A link that is over is over, whatever became of the transaction that saw it.
                guard let transaction = made.transaction else { return made.outcome }
                if try await store.tookEffect(transaction: transaction) { return made.outcome }
                guard attempt < Self.connectLimit else {
                    throw StoreError(
                        .unavailable, "the connection was lost during COMMIT \(attempt) times, in vain",
                        underlying: error.underlying)
                }
            }
        }
    }

    /// What a transaction did, and its number; nil when it did nothing.
    private struct Connection {
        let outcome: ConnectOutcome
        let transaction: String?
    }

    private static func connect(
        _ connection: PostgresConnection, _ key: IntegrationKey, _ configuration: [UInt8],
        _ ticket: ConnectTicket?, _ seal: (Int64, StoredCredential?) throws -> SealedSecrets
    ) async throws -> Connection {
        if let ticket {
            let used = try await connection.query(
                StoreSQL.linkUse, [.bytea(ticket.hash), .int(ticket.expiresAt.microseconds)])
            guard used.count > 0 else { return Connection(outcome: .linkOver, transaction: nil) }
        }
        let added = try await connection.query(
            StoreSQL.integrationAdd, IntegrationStore.parameters(key, configuration))
        let (id, isNew) = try IntegrationStore.added(added, key)
        let rows = try await connection.query(StoreSQL.credentialHold, [.int(id)])
        var old: StoredCredential?
        if let kind = rows.text(0, 0), let version = rows.int(0, 1), let ciphertext = rows.bytes(0, 2) {
            old = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
        }
        let sealed = try seal(id, old)
        let stored = try await connection.query(StoreSQL.credentialPut, parameters(sealed, of: id))
        guard stored.count > 0 else {
            throw StoreError(.contended, "the credential of integration \(id) was changed in this moment")
        }
        return Connection(outcome: .connected(id: id, isNew: isNew), transaction: added.text(0, 2))
    }
}

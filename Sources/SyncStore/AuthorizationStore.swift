// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// An account whose user was sent to the provider's page.
public struct PendingAuthorization: Sendable {
    /// The hash of the one-time value that comes back.
    public let stateHash: [UInt8]
    /// The hash of what tells the browser from others.
    public let sessionHash: [UInt8]
    /// Whose account, at which service.
    public let key: IntegrationKey
    /// The integration's configuration, a JSON object.
    public let configuration: [UInt8]
    /// Where the provider sends the browser back to.
    public let redirectURI: String
    /// The sealed verifier of the code.
    public let ciphertext: [UInt8]

    /// An account that is to be connected.
    public init(
        stateHash: [UInt8], sessionHash: [UInt8], key: IntegrationKey, configuration: [UInt8],
        redirectURI: String, ciphertext: [UInt8]
    ) {
        self.stateHash = stateHash
        self.sessionHash = sessionHash
        self.key = key
        self.configuration = configuration
        self.redirectURI = redirectURI
        self.ciphertext = ciphertext
    }
}

/// The accounts that are being connected.
public struct AuthorizationStore: Sendable {
    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Keeps one for its lifetime, and forgets some that are too old.
    public func put(_ pending: PendingAuthorization, lifetime: Duration) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.authorizationPut,
            [
                .bytea(pending.stateHash), .bytea(pending.sessionHash), .text(pending.key.userID),
                .text(pending.key.service), .text(pending.key.account), .textBytes(pending.configuration),
                .text(pending.redirectURI), .bytea(pending.ciphertext), .int(lifetime.wholeMilliseconds),
            ])
    }

    /// Takes the one with this state away, so that it is used once. Nil when there is none, it is of another session, or its
    /// time is over.
    public func take(
        _ stateHash: [UInt8], session: [UInt8]
    ) async throws(StoreError) -> PendingAuthorization? {
        let rows = try await store.query(StoreSQL.authorizationTake, [.bytea(stateHash), .bytea(session)])
        guard rows.count > 0 else { return nil }
        guard let user = rows.text(0, 0), let service = rows.text(0, 1), let account = rows.text(0, 2),
            let configuration = rows.text(0, 3), let redirect = rows.text(0, 4),
            let ciphertext = rows.bytes(0, 5)
        else { throw StoreError(.unexpectedReply, "a pending authorization lacks a value") }
        return PendingAuthorization(
            stateHash: stateHash, sessionHash: session,
            key: IntegrationKey(userID: user, service: service, account: account),
            configuration: Array(configuration.utf8), redirectURI: redirect, ciphertext: ciphertext)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// A sealed credential that is about to be stored.
public struct SealedSecrets: Sendable {
    /// What the secrets are, such as `static` or `oauth2`; part of what is authenticated.
    public let kind: String
    /// The key that wraps their data key.
    public let keyID: String
    /// The version that they were sealed for.
    public let version: Int64
    /// The sealed bytes, as the vault made them.
    public let ciphertext: [UInt8]
    /// How long they are valid from now on; nil when that is not known.
    public let lifetime: Duration?
    /// How long until they are to be refreshed; nil when that is not known.
    public let refreshDelay: Duration?
    /// What the provider granted; nil when it did not say.
    public let scopes: [String]?

    /// Secrets for one version of one row.
    public init(
        kind: String, keyID: String, version: Int64, ciphertext: [UInt8], lifetime: Duration? = nil,
        refreshDelay: Duration? = nil, scopes: [String]? = nil
    ) {
        self.kind = kind
        self.keyID = keyID
        self.version = version
        self.ciphertext = ciphertext
        self.lifetime = lifetime
        self.refreshDelay = refreshDelay
        self.scopes = scopes
    }

    var times: [PostgresParameter] {
        [.optional(lifetime?.wholeMilliseconds), .optional(refreshDelay?.wholeMilliseconds)]
    }

    var scopeList: PostgresParameter { scopes.map { .textArray($0.map { Array($0.utf8) }) } ?? .null }
}

/// A credential as it is stored, and what is known of its refresh, at one moment.
public struct CredentialState: Sendable {
    /// The status of the integration.
    public let integrationStatus: String
    /// The sealed secrets; nil when none are stored.
    public let credential: StoredCredential?
    /// The time until the secrets expire; negative when they have, nil when that is not known.
    public let expiresIn: Duration?
    /// The time until they are to be refreshed; negative when it has come.
    public let refreshIn: Duration?
    /// Why the provider refuses them; nil while it does not.
    public let refusedReason: String?
    /// Whether some process asks the provider for new ones.
    public let isBeingRefreshed: Bool
    /// The time until the next refresh may begin, after a failed one.
    public let refreshWait: Duration?
}

/// The right to ask a provider for new secrets, and what it takes.
public struct RefreshClaim: Sendable {
    /// The secrets to ask with.
    public let credential: StoredCredential
    /// An earlier request may have reached the provider without its answer having been stored.
    public let isInDoubt: Bool
    /// The time, by the clock of Postgres.
    public let now: Timestamp
}

/// The credentials of the ledger.
public struct CredentialStore: Sendable {
    let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The version of the stored credential; 0 when there is none.
    public func version(of id: Int64) async throws(StoreError) -> Int64 {
        let rows = try await store.query(StoreSQL.credentialVersion, [.int(id)])
        return rows.count == 0 ? 0 : rows.int(0, 0) ?? 0
    }

    /// Stores a sealed credential in place of the one before. False, with nothing changed, when a version as new is there.
    public func put(_ secrets: SealedSecrets, of id: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.credentialPut, Self.parameters(secrets, of: id)).count > 0
    }

    static func parameters(_ secrets: SealedSecrets, of id: Int64) -> [PostgresParameter] {
        [
            .int(id), .text(secrets.kind), .text(secrets.keyID), .int(secrets.version),
            .bytea(secrets.ciphertext),
        ] + secrets.times + [.textArray((secrets.scopes ?? []).map { Array($0.utf8) })]
    }

    /// Nil when there is no such integration.
    public func read(_ id: Int64) async throws(StoreError) -> CredentialState? {
        let rows = try await store.query(StoreSQL.credentialRead, [.int(id)])
        guard rows.count > 0 else { return nil }
        guard let status = rows.text(0, 0) else {
            throw StoreError(.unexpectedReply, "an integration has no status")
        }
        func duration(_ column: Int) -> Duration? { rows.int(0, column).map { .milliseconds($0) } }
        var credential: StoredCredential?
        if let kind = rows.text(0, 1), let version = rows.int(0, 2), let ciphertext = rows.bytes(0, 3) {
            credential = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
        }
        return CredentialState(
            integrationStatus: status, credential: credential, expiresIn: duration(4), refreshIn: duration(5),
            refusedReason: rows.text(0, 6), isBeingRefreshed: rows.bool(0, 7) ?? false,
            refreshWait: duration(8))
    }

    /// Claims the refresh of one version for `owner`. Nil when it is not this caller's turn: another process asks, a wait is
    /// not over, another version is stored, or the integration is out of service.
    public func claimRefresh(
        of id: Int64, version: Int64, owner: String, lease: Duration
    ) async throws(StoreError) -> RefreshClaim? {
        let rows = try await store.query(
            StoreSQL.refreshClaim,
            [.int(id), .int(version), .text(owner), .int(lease.wholeMilliseconds)])
        guard rows.count > 0 else { return nil }
        guard let kind = rows.text(0, 0), let ciphertext = rows.bytes(0, 1), let inDoubt = rows.bool(0, 2),
            let now = rows.timestamp(0, 3)
        else { throw StoreError(.unexpectedReply, "a claimed credential lacks a value") }
        return RefreshClaim(
            credential: StoredCredential(kind: kind, version: version, ciphertext: ciphertext),
            isInDoubt: inDoubt, now: now)
    }

    /// Stores what a refresh of the version before brought. False when that version is not stored any more.
    public func storeRefreshed(_ secrets: SealedSecrets, of id: Int64) async throws(StoreError) -> Bool {
        let parameters: [PostgresParameter] =
            [
                .int(id), .int(secrets.version - 1), .text(secrets.keyID), .bytea(secrets.ciphertext),
            ] + secrets.times + [secrets.scopeList]
        let rows = try await store.query(StoreSQL.refreshStore, parameters)
        return rows.count > 0 && rows.int(0, 0) != nil
    }

    /// Ends a claim whose refresh brought nothing. `isInDoubt`: the provider may have acted on the request. Without a wait
    /// of the provider's the next one may begin after a time that doubles with each failure.
    public func releaseRefresh(
        of id: Int64, version: Int64, owner: String, isInDoubt: Bool, wait: Duration?
    ) async throws(StoreError) {
        _ = try await store.query(
            StoreSQL.refreshRelease,
            [
                .int(id), .int(version), .text(owner), .bool(isInDoubt), .optional(wait?.wholeMilliseconds),
            ])
    }

    /// Takes the integration out of service because its provider refuses this version, with one alert. False, with nothing
    /// changed, when another version is stored by now.
    public func refuse(
        _ id: Int64, version: Int64, reason: String, title: String, detail: String
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.credentialRefuse,
            [.int(id), .int(version), .text(reason), .text(title), .text(detail)])
        return rows.bool(0, 0) ?? false
    }

    /// Deletes one version. False, with nothing changed, when another one is stored by now.
    public func delete(_ id: Int64, version: Int64) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.credentialDelete, [.int(id), .int(version)]).count > 0
    }

    /// How many credentials each key seals, by key id.
    public func countByKey() async throws(StoreError) -> [(keyID: String, count: Int64)] {
        let rows = try await store.query(StoreSQL.credentialKeys, [])
        return (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.int($0, 1) ?? 0) }
    }
}

extension CredentialStore: SealedTable {
    /// The next credentials, by integration, that another key than `keyID` seals.
    public func sealed(
        notWith keyID: String, after id: Int64, limit: Int
    ) async throws(StoreError) -> [SealedRow] {
        let rows = try await store.query(
            StoreSQL.credentialStale, [.text(keyID), .int(id), .int(Int64(limit))])
        var found: [SealedRow] = []
        for row in 0..<rows.count {
            guard let id = rows.int(row, 0), let kind = rows.text(row, 1), let version = rows.int(row, 2),
                let ciphertext = rows.bytes(row, 3)
            else { throw StoreError(.unexpectedReply, "a credential lacks a value") }
            found.append(SealedRow(id: id, kind: kind, version: version, ciphertext: ciphertext))
        }
        return found
    }

    /// Puts bytes that another key wraps in place of the old ones; the integrations whose credential was changed.
    public func replace(_ changes: [SealedChange], keyID: String) async throws(StoreError) -> [Int64] {
        try await store.replace(StoreSQL.credentialRewrap, changes, keyID: keyID)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Foundation
import HTTPTransport
import Logging
import Model
import PostgresClient
import Settings
import SyncStore
import TestSupport
import Testing
import Vault
import Webhooks

@testable import ChangeFeed

/// A ledger with one integration, a receiver, and a courier between them.
struct FeedFixture {
    let pool: PostgresPool
    let store: SubscriptionStore
    let receiver: Receiver
    let vault: CredentialVault
    let http: HTTPClient
    let courier: FeedCourier
    let log: LogText
    let url: String

    init() async throws {
        url = try await PostgresServer.makeDatabase()
        var configuration = try PostgresConfiguration(url: url)
        configuration.maxConnections = 6
        pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        _ = try await IntegrationStore(pool: pool).add(
            IntegrationKey(userID: "u_1", service: "stripe"), configuration: Array("{}".utf8))
        store = SubscriptionStore(pool: pool)
        receiver = try Receiver()
        vault = CredentialVault(
            keys: try KeyRing(
                parsing: SecretString("k:\(Base64.standard.encode(try SecureRandom.bytes(32)))")))
        log = LogText()
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [receiver.origin])
        http = HTTPClient(configuration: client, logger: log.logger)
        courier = Self.courier(pool, vault, http, log)
    }

    static func courier(
        _ pool: PostgresPool, _ vault: CredentialVault, _ http: HTTPClient, _ log: LogText
    ) -> FeedCourier {
        FeedCourier(
            store: ChangeFeedStore(pool: pool), vault: vault, http: http, name: "w", logger: log.logger,
            // Attempts follow each other at once.
            policy: RetryPolicy(maxAttempts: 3, base: .milliseconds(1), cap: .milliseconds(1)))
    }

    /// Subscribes the receiver.
    func subscribe(
        to url: String? = nil, _ filter: SubscriptionFilter = SubscriptionFilter(),
        from cursor: ChangeCursor? = nil
    ) async throws -> (id: Int64, secret: SecretString) {
        let id = try await store.reserve()
        let secret = try WebhookSigner.makeSecret()
        let sealed = try FeedSecret.seal(secret, for: id, vault)
        try await store.add(
            id, url: url ?? receiver.url, filter, keyID: sealed.keyID, ciphertext: sealed.bytes, after: cursor
        )
        return (id, secret)
    }

    /// Writes records in one transaction, as a checkpoint would.
    func write(_ ids: [String], n: Int = 0, stream: String = "s") async throws {
        _ = try await pool.query(Self.writing, Self.parameters(ids, n, stream))
    }

    static let writing = """
        INSERT INTO lockstep.records AS r (integration_id, stream, external_id, data, sync_id)
        SELECT 1, $3, id, jsonb_build_object('n', $2::bigint), 1 FROM unnest($1::text[]) id
        ON CONFLICT (integration_id, stream, external_id) DO UPDATE SET data = excluded.data, synced_at = now(),
            deleted_at = NULL, deleted_by = NULL
        """

    static func parameters(_ ids: [String], _ n: Int, _ stream: String = "s") -> [PostgresParameter] {
        [.textArray(ids.map { Array($0.utf8) }), .int(Int64(n)), .text(stream)]
    }

    func delete(_ id: String) async throws {
        _ = try await pool.query(
            """
            UPDATE lockstep.records SET deleted_at = now(), deleted_by = 'tombstone', synced_at = now()
            WHERE external_id = $1
            """, [.text(id)])
    }

    /// Makes passes until `condition` holds. A transaction of another test on this server holds the horizon back for a while.
    func deliver(
        _ what: String, _ location: SourceLocation = #_sourceLocation,
        until condition: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while try await !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("never happened: \(what)", sourceLocation: location)
                return
            }
            try await passes()
        }
    }

    /// One pass for each subscription that has its turn now, as if every wait were over.
    func passes() async throws {
        _ = try await pool.query("UPDATE lockstep.subscriptions SET due_at = now() WHERE due_at > now()")
        _ = try await pool.query(
            "UPDATE lockstep.subscription_events SET due_at = now() WHERE due_at > now()")
        let count = try await pool.query("SELECT count(*) FROM lockstep.subscriptions").int(0, 0) ?? 0
        for _ in 0..<count {
            guard let turn = try await courier.claim() else { return }
            try await courier.pass(turn)
        }
    }

    func summary(_ id: Int64) async throws -> SubscriptionSummary { try #require(try await store.find(id)) }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }
}

/// Keeps what was logged.
struct LogText: LogHandler {
    private let lines = LockedBox<[String]>([])

    var logger: Logger {
        let handler = self
        return Logger(label: "test") { _ in handler }
    }
    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
}

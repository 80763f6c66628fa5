// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Cryptography
import Foundation
import HTTPTransport
import Logging
import Model
import OAuth
import PostgresClient
import RedisClient
import SyncStore
import TestSupport
import Testing
import Vault

/// A migrated database with one integration of the service `demo`, and a provider of tokens.
struct Fixture {
    let url: String
    let pool: PostgresPool
    let store: CredentialStore
    let integrations: IntegrationStore
    let provider: TokenProvider
    let http: HTTPClient
    let keys: String
    let vault: CredentialVault
    let id: Int64
    let key = IntegrationKey(userID: "u_1", service: "demo")
    let client = OAuthClient(id: "app", secret: SecretString("app-secret"))
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(_ behaviour: TokenProvider.Behaviour = TokenProvider.Behaviour()) async throws {
        url = try await PostgresServer.makeDatabase()
        var configuration = try PostgresConfiguration(url: url)
        configuration.maxConnections = 4
        pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        store = CredentialStore(pool: pool)
        integrations = IntegrationStore(pool: pool)
        provider = try TokenProvider(behaviour)
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [provider.origin])
        http = HTTPClient(configuration: client, logger: logger)
        keys = "k1:\(Base64.standard.encode(try SecureRandom.bytes(32)))"
        vault = CredentialVault(keys: try KeyRing(parsing: SecretString(keys)))
        id = try await integrations.add(key, configuration: Array("{}".utf8)).id
    }

    var profile: OAuthProfile {
        var profile = OAuthProfile(
            grant: .authorizationCode(.init(url: "http://\(provider.origin)/authorize")),
            tokenURL: "http://\(provider.origin)/token")
        profile.revocation = .init(url: "http://\(provider.origin)/revoke")
        return profile
    }

    /// Stores `at-1` and `rt-1`, unless told otherwise.
    func connect(
        expiresIn lifetime: Duration?,
        secrets: [String: String] = ["access_token": "at-1", "refresh_token": "rt-1"]
    ) async throws {
        try await CredentialWriter(vault: vault, store: store).write(
            secrets.mapValues { SecretString($0) }, kind: .oauth2,
            lifetime: lifetime.flatMap { TokenLifetime($0, margin: .seconds(300)) }, to: id)
    }

    /// Lets the stored token be over since a moment.
    func expire() async throws {
        _ = try await pool.query(
            "UPDATE lockstep.credentials SET expires_at = now() - interval '1 second', refresh_at = now() - interval '1 minute'"
        )
    }

    func keeper(
        redis: RedisClient? = nil,
        client: OAuthClient? = OAuthClient(id: "app", secret: SecretString("app-secret")),
        _ change: (inout KeeperConfiguration) -> Void = { _ in }
    ) -> CredentialKeeper {
        var configuration = KeeperConfiguration()
        configuration.lease = .seconds(3)
        configuration.requestTimeout = .seconds(2)
        configuration.pollInterval = .milliseconds(10)
        change(&configuration)
        return CredentialKeeper(
            vault: vault, store: store, http: http, redis: redis, prefix: "t", owner: "test",
            client: { _ in client }, logger: logger, configuration: configuration)
    }

    func source(_ keeper: CredentialKeeper, profile: OAuthProfile? = nil) async throws -> any SecretSource {
        try keeper.source(
            for: key, id: id, title: "Demo", profile: profile ?? self.profile, configuration: [:],
            initial: try await store.read(id)?.credential)
    }

    /// The secrets as they are stored.
    func stored() async throws -> [String: String] {
        guard let credential = try await store.read(id)?.credential else { return [:] }
        return try vault.open(
            credential.ciphertext, for: id, kind: credential.kind, version: credential.version
        ).mapValues(\.exposed)
    }

    func text(_ sql: String) async throws -> String? {
        try await pool.query("SELECT (\(sql))::text").text(0, 0)
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }
}

extension Secrets {
    var token: String? { values["access_token"]?.exposed }
}

/// The error of a source, or a failed expectation.
func failure(
    _ body: () async throws -> Secrets, _ location: SourceLocation = #_sourceLocation
) async throws -> ConnectorError {
    do {
        _ = try await body()
    } catch let error as ConnectorError {
        return error
    }
    Issue.record("no error was thrown", sourceLocation: location)
    throw CancellationError()
}

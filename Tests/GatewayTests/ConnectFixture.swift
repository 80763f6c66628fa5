// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import Credentials
import Cryptography
import DeclarativeConnectors
import Foundation
import HTTPTransport
import Logging
import Model
import OAuth
import PostgresClient
import Sandbox
import Settings
import SyncStore
import TestSupport
import Testing
import Vault

@testable import Gateway

/// A gateway whose accounts are connected at the sandbox's authorization servers.
struct ConnectFixture: Sendable {
    let pool: PostgresPool
    let keys: GatewayKeys
    let vault: CredentialVault
    let url: String
    let http: HTTPClient
    let sandbox: String
    let enqueued: LockedBox<[String]>
    let served: ServedGateway
    let metrics: GatewayMetrics

    /// A service whose name is as hostile as a name can be, and one that names itself in its callbacks.
    private static func manifests(_ port: Int) -> [(file: String, text: String)] {
        let streams = """
            streams:
              things:
                path: /things
                records: /things
                id: /id
                page: { kind: none }
            """
        return [
            (
                "acme.yaml",
                """
                lockstep: 1
                service: acme
                title: Acme
                base_url: https://acme.example
                auth:
                  kind: oauth2_code
                  authorize_url: https://acme.example/authorize
                  token_url: https://acme.example/token
                  issuer: http://127.0.0.1:\(port)/oauth
                  issuer_required: true
                  scopes: [read]
                \(streams)
                """
            ),
            (
                "odd.yaml",
                """
                lockstep: 1
                service: odd
                title: "<script>alert('x')</script> & \\"Co\\""
                base_url: https://${config.shop}.odd.example
                auth: { kind: header, name: X-Key, value: "${secret.api_key}" }
                \(streams)
                """
            ),
        ]
    }

    static func run(
        enqueueFails: Bool = false, _ body: @Sendable @escaping (ConnectFixture) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let sandbox = SandboxServer(configuration: SandboxConfiguration(), logger: logger) {
            announce.yield($0)
        }
        let serving = Task { try await sandbox.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        let port = try #require(await iterator.next())

        let pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        let entries = KeyEntry.parse(
            SecretString("k1:\(Base64.standard.encode(try SecureRandom.bytes(32)))")
        ).entries
        let keys = try GatewayKeys(entries)
        let vault = CredentialVault(keys: try KeyRing(entries))
        let registry = try ConnectorRegistry.load(
            builtin: BuiltinManifests.all + manifests(port), directories: [])
        let bases = ["google-calendar": "google-calendar", "acme": "oauth", "slack": "slack"]
        let directory = ServiceDirectory(
            services: registry.services, connector: { registry.connector(for: $0) },
            serviceURLs: bases.mapValues { "http://127.0.0.1:\(port)/\($0)" }
        ) { _ in OAuthClient(id: "lockstep", secret: SecretString("lockstep-secret")) }
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
        let links = ConnectLinkStore(pool: pool)
        let credentials = CredentialStore(pool: pool)
        let publicURL = LockedBox("")
        let enqueued = LockedBox<[String]>([])
        let metrics = GatewayMetrics(services: registry.services)
        let routes = ConnectRoutes(
            keys: keys, links: links,
            flow: AuthorizationFlow(
                vault: vault, states: AuthorizationStore(pool: pool), links: links,
                credentials: credentials,
                http: HTTPClient(configuration: client, logger: logger)),
            writer: CredentialWriter(vault: vault, store: credentials),
            directory: directory, publicURL: { publicURL.withLock { $0 } }, metrics: metrics, logger: logger
        ) { id, type in
            if enqueueFails { throw CancellationError() }
            enqueued.withLock { $0.append("\(id) \(type)") }
        }
        try await ServedGateway.run(publicRoutes: routes.routes, alsoAllowing: ["127.0.0.1:\(port)"]) {
            served in
            let url = "http://127.0.0.1:\(served.ports.publicPort)"
            publicURL.withLock { $0 = url }
            try await body(
                ConnectFixture(
                    pool: pool, keys: keys, vault: vault, url: url, http: served.http,
                    sandbox: "http://127.0.0.1:\(port)", enqueued: enqueued, served: served, metrics: metrics)
            )
        }
        await pool.close()
    }

    func link(
        _ service: String, user: String = "u_7", configuration: String = "{}",
        lifetime: Duration = .seconds(600)
    ) async throws -> String {
        let end = try await ConnectLinkStore(pool: pool).now().advanced(by: lifetime)
        let text = try ConnectLink.make(
            for: IntegrationKey(userID: user, service: service), configuration: configuration, until: end,
            keys: keys)
        return ConnectLink.url(text, service: service, publicURL: url)
    }

    /// What a user does on the provider's page; the address that the browser is sent back to.
    func consent(_ page: String, decision: String = "allow", user: String = "u_2") async throws -> String {
        let parts = try #require(URLComponents(string: page))
        let fields = (parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }
        let answer = try await Browser(http).submit(
            page.split(separator: "?").first.map(String.init) ?? page,
            fields + [("user", user), ("decision", decision)])
        return try #require(answer.location, "\(answer.status) \(answer.text)")
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }

    /// The secrets of the only integration.
    func secrets() async throws -> [String: String] {
        let rows = try await pool.query(
            "SELECT integration_id, kind, version, ciphertext FROM lockstep.credentials")
        let id = try #require(rows.int(0, 0))
        return try vault.open(
            try #require(rows.bytes(0, 3)), for: id, kind: try #require(rows.text(0, 1)),
            version: try #require(rows.int(0, 2))
        ).mapValues(\.exposed)
    }
}

extension [KeyEntry] {
    init(parsing text: String) {
        self = KeyEntry.parse(SecretString(text)).entries
    }
}

// SPDX-License-Identifier: Apache-2.0

import Actions
import BuiltinConnectors
import ConnectorKit
import Credentials
import Cryptography
import DeclarativeConnectors
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RateLimits
import RedisClient
import Settings
import SyncStore
import TestSupport
import Testing
import Vault

@testable import Gateway

/// A gateway's private side with a ledger and a queue of its own.
struct ApiFixture: Sendable {
    static let token = "t0ken-of-the-operator"

    let pool: PostgresPool
    let queue: JobQueue
    let redis: RedisClient
    let prefix: String
    let served: ServedGateway
    let api: ApiRoutes
    /// Every operation that was called: its method and the path of the description.
    let called = LockedBox<Set<String>>([])

    static func run(
        token: String? = ApiFixture.token, ratePerSecond: Int = 10_000,
        _ body: @Sendable @escaping (ApiFixture) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        let place = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: place.url, keyPrefix: place.prefix)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        var settings = JobQueueConfiguration()
        settings.prefix = place.prefix
        let queue = JobQueue(redis: redis, configuration: settings)
        let entries = [KeyEntry](parsing: "k:\(Base64.standard.encode(try SecureRandom.bytes(32)))")
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let directory = ServiceDirectory(
            services: registry.services, connector: { registry.connector(for: $0) }, serviceURLs: [:]
        ) { _ in nil }
        let integrations = IntegrationStore(pool: pool)
        let vault = CredentialVault(keys: try KeyRing(entries))
        let credentials = CredentialStore(pool: pool)
        let http = HTTPClient(configuration: HTTPClientConfiguration(), logger: logger)
        let operations = Operations(
            integrations: integrations, queue: queue,
            disconnection: Disconnection(
                vault: vault, credentials: credentials, integrations: integrations, http: http),
            watches: WatchEnding(
                vault: vault, credentials: credentials, integrations: integrations,
                watches: WatchStore(pool: pool), http: http),
            sweeps: SweepDecisions(pool: pool), directory: directory)
        let desk = ActionDesk(
            store: ActionStore(pool: pool), integrations: integrations, queue: queue,
            connector: { registry.connector(for: $0) })
        let reader = LedgerReader(pool: pool)
        let fleet = FleetCounter(reader, logger: logger)
        let api = ApiRoutes(
            token: token.map { SecretString($0) }, reader: reader, fleet: fleet, operations: operations,
            desk: desk, queue: queue, links: ConnectLinkStore(pool: pool),
            idempotency: IdempotencyStore(pool: pool),
            directory: directory, keys: try GatewayKeys(entries), publicURL: { "https://sync.example" },
            ratePerSecond: ratePerSecond, logger: logger)
        let limiter = RateLimiter(redis: redis, prefix: place.prefix, logger: logger)
        let pages = StatusRoutes(
            token: token.map { SecretString($0) }, reader: reader, fleet: fleet,
            schedules: ScheduleStore(pool: pool), queue: queue, operations: operations, directory: directory,
            links: ConnectLinkStore(pool: pool), keys: try GatewayKeys(entries),
            publicURL: { "https://sync.example" },
            limits: { service, integration throws(LimitError) in
                let rules = registry.connector(for: service)?.limits ?? []
                guard let integration else {
                    return try await limiter.standings(of: rules, inService: service)
                }
                return try await limiter.standings(
                    of: rules, in: LimitScope(service: service, integrationID: integration),
                    endpoints: ["/one"])
            }, logger: logger)
        try await ServedGateway.run(privateRoutes: api.routes + pages.routes) { served in
            try await body(
                ApiFixture(
                    pool: pool, queue: queue, redis: redis, prefix: place.prefix, served: served, api: api))
        }
        await pool.close()
    }

    /// Asks the API, and checks the answer against its description. `path` is the description's, with `{id}`.
    @discardableResult
    func call(
        _ method: String, _ path: String, id: String = "", query: String = "", body: String? = nil,
        key: String? = nil, token: String? = ApiFixture.token, _ location: SourceLocation = #_sourceLocation
    ) async throws -> HTTPResponse {
        var headers: [(name: String, value: String)] = []
        if let token { headers.append(("Authorization", "Bearer \(token)")) }
        if let key { headers.append(("Idempotency-Key", key)) }
        if body != nil { headers.append(("Content-Type", "application/json")) }
        let full = "/api/v1\(path)"
        let answer = try await served.send(
            method, full.replacingOccurrences(of: "{id}", with: PercentEncoding.encoded(id)) + query,
            headers: headers, body: body.map { Array($0.utf8) } ?? (method == "POST" ? [] : nil),
            toPrivate: true)
        let document = try ApiDocument(ApiDescription.bytes)
        let problems = try document.problems(method, full, answer.status, answer.body)
        #expect(problems.isEmpty, "\(problems)\n\(answer.text)", sourceLocation: location)
        if answer.status < 400 { called.withLock { _ = $0.insert("\(method) \(full)") } }
        return answer
    }

    /// A watch of the integration's provider that goes on for long.
    func watch(integration: Int64) async throws {
        _ = try await pool.query(
            """
            INSERT INTO lockstep.webhook_channels (integration_id, stream, channel_id, token_hash, status, renew_at, expires_at)
            VALUES ($1, 's', 'c', '', 'active', now(), '2100-01-02T03:04:05Z')
            """, [.int(integration)])
    }

    func sql(_ text: String) async throws { _ = try await pool.query(text) }

    /// The value of a top member, as text.
    static func member(_ name: String, _ answer: HTTPResponse) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        return object?[name].map { "\($0)" } ?? ""
    }

    /// The items of a page.
    static func items(_ answer: HTTPResponse) throws -> [[String: Any]] {
        let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        return object?["items"] as? [[String: Any]] ?? []
    }
}

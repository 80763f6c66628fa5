// SPDX-License-Identifier: Apache-2.0

import Actions
import ConnectorKit
import Credentials
import DeclarativeConnectors
import Foundation
import Gateway
import HTTPTransport
import JobQueue
import Logging
import Model
import OAuth
import Observability
import PostgresClient
import RateLimits
import RedisClient
import ServiceLifecycle
import Settings
import SyncStore
import Vault
import WebhookIntake
import Webhooks
import WorkerRuntime

/// What a gateway process is made of.
struct GatewayParts {
    let services: [any Service]
    private let pool: PostgresPool
    private let probe: LedgerProbe

    init(settings: ClusterSettings, logger: Logger) throws {
        var database = try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed)
        database.maxConnections = 16
        database.connectTimeout = .seconds(3)
        database.statementTimeout = .seconds(8)
        let pool = PostgresPool(configuration: database)
        let probe = LedgerProbe(database, watching: pool)
        let redis = RedisClient(
            configuration: try RedisConfiguration(
                url: settings.redisURL.secret.exposed, keyPrefix: settings.prefix), logger: logger)
        var queueSettings = JobQueueConfiguration()
        queueSettings.prefix = settings.prefix
        let queue = JobQueue(redis: redis, configuration: queueSettings)
        var client = HTTPClientConfiguration()
        client.userAgent = "lockstep"
        client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: settings.serviceURLs))
        let http = HTTPClient(configuration: client, logger: logger)

        // Without a setting it is the address that the system gave, which only this machine can reach.
        let publicURL = LockedBox(settings.publicURL ?? "")
        let registry = try ConnectorCommand.registry(settings)
        let directory = ServiceDirectory(
            services: registry.services, connector: { registry.connector(for: $0) },
            serviceURLs: settings.serviceURLs,
            client: {
                settings.oauthClient(for: $0).map {
                    OAuthClient(id: $0.id, secret: $0.secret, scopes: $0.scopes)
                }
            })
        let vault = CredentialVault(keys: try KeyRing(settings.keys))
        let credentials = CredentialStore(pool: pool)
        let integrations = IntegrationStore(pool: pool)
        let links = ConnectLinkStore(pool: pool)
        let log =
            settings.retention.logsRequests ? APILog(store: APILogStore(pool: pool), logger: logger) : nil
        let keys = try GatewayKeys(settings.keys)
        let metrics = GatewayMetrics(services: registry.services)
        let connect = ConnectRoutes(
            keys: keys, links: links,
            flow: AuthorizationFlow(
                vault: vault, states: AuthorizationStore(pool: pool), links: links,
                credentials: credentials, http: http, recorder: log),
            writer: CredentialWriter(vault: vault, store: credentials),
            directory: directory, publicURL: { publicURL.withLock { $0 } }, metrics: metrics, logger: logger
        ) { id, type in
            try await queue.enqueue(
                [Array("{\"integration_id\":\(id),\"type\":\"\(type)\"}".utf8)], in: .default)
        }

        let intake = WebhookIntake(
            store: WebhookStore(pool: pool), queue: queue, vault: vault, http: http,
            connector: { registry.connector(for: $0) },
            configuration: WebhookIntake.Configuration(
                publicURL: settings.publicURL, serviceURLs: settings.serviceURLs,
                secrets: { settings.webhookSecret(for: $0).map(SecretList.secrets) ?? [] }), logger: logger)
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
            token: settings.adminToken, reader: reader, fleet: fleet, operations: operations, desk: desk,
            queue: queue, links: links, idempotency: IdempotencyStore(pool: pool),
            directory: directory,
            keys: keys, publicURL: { publicURL.withLock { $0 } }, logger: logger)

        let limiter = RateLimiter(redis: redis, prefix: settings.prefix, logger: logger)
        let pages = StatusRoutes(
            token: settings.adminToken, reader: reader, fleet: fleet,
            schedules: ScheduleStore(pool: pool), queue: queue, operations: operations, directory: directory,
            links: links, keys: keys, publicURL: { publicURL.withLock { $0 } },
            limits: { service, integration throws(LimitError) in
                guard let connector = registry.connector(for: service) else { return [] }
                let uses = settings.limits.applied(to: connector.limits.map { LimitUse($0) }, of: service)
                guard let integration else {
                    return try await limiter.standings(
                        of: uses.map(\.rule), inService: service, endpoints: connector.endpoints)
                }
                return try await limiter.standings(
                    of: uses.map(\.rule), in: LimitScope(service: service, integrationID: integration),
                    endpoints: connector.endpoints)
            }, logger: logger)

        let health = GatewayHealth {
            GatewayHealth.Finding(
                ledger: await Self.problem { try await probe.check(isFresh: false) },
                dispatcher: await Self.problem { _ = try await redis.command(["PING"]) })
        }
        let gateway = Gateway(
            publicAddress: .init(host: settings.listen.host, port: settings.listen.port),
            publicRoutes: connect.routes
                + Route.webhooks(intake, metrics: metrics) { publicURL.withLock { $0 } },
            publicURL: settings.publicURL,
            privateAddress: .init(host: settings.privateListen.host, port: settings.privateListen.port),
            privateRoutes: api.routes + pages.routes + [Self.metricsRoute(metrics)], health: health,
            metrics: metrics, logger: logger,
            started: { ports in
                publicURL.withLock { if $0.isEmpty { $0 = "http://127.0.0.1:\(ports.publicPort)" } }
                // Who started this process reads the ports from this line.
                logger.info(
                    "gateway listens",
                    metadata: ["port": "\(ports.publicPort)", "private_port": "\(ports.privatePort)"])
            })
        // They end in the reverse order: the intake keeps what the last requests brought.
        services = [redis, http] + [log].compactMap { $0 } + [intake, gateway]
        self.pool = pool
        self.probe = probe
    }

    /// What the gateway counts, in the text format of Prometheus.
    private static func metricsRoute(_ metrics: GatewayMetrics) -> Route {
        Route("GET", "/metrics") { _ in
            GatewayResponse(
                status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
                body: Array(MetricsText(metrics.metrics).text.utf8))
        }
    }

    /// Throws the exit code of a schema that is not this program's.
    func checkSchema() async throws {
        switch try await Migrator(pool: pool).check() {
        case .current: break
        case .behind(let names):
            throw Exit.complain(
                "the schema lacks \(names.joined(separator: ", ")); run 'lockstep migrate'",
                Exit.configuration)
        case .ahead(let names):
            throw Exit.complain(
                "the schema is newer (\(names.joined(separator: ", "))); install that version",
                Exit.configuration)
        case .altered(let names):
            throw Exit.complain(
                "migrations were altered: \(names.joined(separator: ", "))", Exit.configuration)
        }
    }

    func close() async {
        await probe.close()
        await pool.close()
    }

    private static func problem(_ check: () async throws -> Void) async -> String? {
        do {
            try await check()
            return nil
        } catch let error as StoreError {
            return error.message
        } catch let error as RedisError {
            return "Redis: \(error.message)"
        } catch {
            return "\(error)"
        }
    }
}

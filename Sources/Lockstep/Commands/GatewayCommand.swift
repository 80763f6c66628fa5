// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BuiltinConnectors
import ConnectorKit
import DeclarativeConnectors
import Foundation
import Gateway
import HTTPTransport
import JobQueue
import Logging
import Model
import Observability
import PostgresClient
import RedisClient
import ServiceLifecycle
import Settings
import SyncStore
import UnixSignals
import Vault
import WebhookIntake
import Webhooks

struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "The HTTP side: a public listener for providers and users, a private one for operators.",
        discussion: """
            LOCKSTEP_LISTEN is the public address, and LOCKSTEP_PUBLIC_URL how the world
            reaches it. LOCKSTEP_PRIVATE_LISTEN is the private one: 127.0.0.1:8081 unless
            it is set. Both answer /healthz and /readyz.
            """)

    func run() async throws {
        let settings: ClusterSettings
        do throws(SettingsError) {
            settings = try ClusterSettings.load(
                ProcessInfo.processInfo.environment, requiring: [.database, .keys, .publicURL])
        } catch {
            throw Exit.complain(error.message, Exit.configuration)
        }
        LineLogHandler.bootstrap(
            format: Observability.LogFormat(rawValue: settings.logFormat.rawValue) ?? .text,
            level: Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info)
        let logger = Logger(label: "lockstep-gateway")
        do {
            let parts = try GatewayParts(settings: settings, logger: logger)
            try await parts.checkSchema()
            var quiet = Logger(label: "lifecycle")
            quiet.logLevel = .error
            var configuration = ServiceGroupConfiguration(
                services: parts.services.map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
            configuration.maximumGracefulShutdownDuration = .seconds(20)
            try await ServiceGroup(configuration: configuration).run()
            await parts.close()
            logger.info("gateway ended")
        } catch let error as RedisError where error.code == .invalidURL {
            throw Exit.complain(error.message, Exit.configuration)
        } catch let error as ManifestError {
            throw Exit.complain(error.description, Exit.configuration)
        } catch let error as VaultError {
            throw Exit.complain(error.message, Exit.configuration)
        } catch let code as ExitCode {
            throw code
        } catch {
            throw Exit.complain("\(error)", Exit.unavailable)
        }
    }
}

/// What a gateway process is made of.
private struct GatewayParts {
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
        let health = GatewayHealth {
            GatewayHealth.Finding(
                ledger: await Self.problem { try await probe.check(isFresh: false) },
                dispatcher: await Self.problem { _ = try await redis.command(["PING"]) })
        }
        var client = HTTPClientConfiguration()
        client.userAgent = "lockstep"
        client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: settings.serviceURLs))
        let http = HTTPClient(configuration: client, logger: logger)
        let intake = try Self.intake(settings, pool, redis, http, logger)
        let gateway = Gateway(
            publicAddress: .init(host: settings.listen.host, port: settings.listen.port),
            publicRoutes: Route.webhooks(intake, publicURL: settings.publicURL ?? ""),
            privateAddress: .init(host: settings.privateListen.host, port: settings.privateListen.port),
            privateRoutes: [], health: health, logger: logger,
            started: { ports in
                // Who started this process reads the ports from this line.
                logger.info(
                    "gateway listens",
                    metadata: ["port": "\(ports.publicPort)", "private_port": "\(ports.privatePort)"])
            })
        // They end in the reverse order: the intake keeps what the last requests brought.
        services = [redis, http, intake, gateway]
        self.pool = pool
        self.probe = probe
    }

    private static func intake(
        _ settings: ClusterSettings, _ pool: PostgresPool, _ redis: RedisClient, _ http: HTTPClient,
        _ logger: Logger
    ) throws -> WebhookIntake {
        let registry = try ConnectorRegistry.load(
            builtin: BuiltinManifests.all, directories: settings.connectorDirectories)
        var queue = JobQueueConfiguration()
        queue.prefix = settings.prefix
        return WebhookIntake(
            store: WebhookStore(pool: pool), queue: JobQueue(redis: redis, configuration: queue),
            vault: CredentialVault(keys: try KeyRing(settings.keys)), http: http,
            connector: { registry.connector(for: $0) },
            configuration: WebhookIntake.Configuration(
                publicURL: settings.publicURL, serviceURLs: settings.serviceURLs,
                secrets: { settings.webhookSecret(for: $0).map(SecretList.secrets) ?? [] }), logger: logger)
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

// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ChangeFeed
import ConnectorKit
import Credentials
import DeclarativeConnectors
import Foundation
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
import SyncEngine
import SyncStore
import UnixSignals
import Vault
import WorkerRuntime

/// Ends the process with sysexits' EX_CONFIG: what is wrong stands on standard error, and no job was taken.
func refuse(_ message: String) -> Never {
    FileHandle.standardError.write(Data("lockstep-worker: \(message)\n".utf8))
    exit(78)
}

let settings: ClusterSettings
do throws(SettingsError) {
    settings = try ClusterSettings.load(ProcessInfo.processInfo.environment, requiring: [.database, .keys])
} catch {
    refuse(error.message)
}
LineLogHandler.bootstrap(
    format: Observability.LogFormat(rawValue: settings.logFormat.rawValue) ?? .text,
    level: Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info)
let logger = Logger(label: "lockstep-worker")

do {
    let registry = try ConnectorRegistry.load(
        builtin: BuiltinManifests.all, directories: settings.connectorDirectories)
    let strange = settings.limits.problems { registry.connector(for: $0)?.limits }
    if !strange.isEmpty {
        refuse("LOCKSTEP_LIMITS: \(strange.joined(separator: "; ")); allowed: \(LimitOverrides.form)")
    }
    let vault = CredentialVault(keys: try KeyRing(settings.keys))

    var database = try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed)
    database.maxConnections = min(settings.concurrency + 2, 32)
    database.checkoutTimeout = .seconds(60)
    let pool = PostgresPool(configuration: database)
    let probe = LedgerProbe(database, watching: pool)
    switch try await Migrator(pool: pool).check() {
    case .current: break
    case .behind(let names):
        refuse("the schema lacks \(names.joined(separator: ", ")); run 'lockstep migrate'")
    case .ahead(let names):
        refuse("the schema is newer (\(names.joined(separator: ", "))); install that version")
    case .altered(let names): refuse("migrations were altered: \(names.joined(separator: ", "))")
    }

    let redisConfiguration = try RedisConfiguration(
        url: settings.redisURL.secret.exposed, keyPrefix: settings.prefix)
    let redis = RedisClient(configuration: redisConfiguration, logger: logger)
    var queueSettings = JobQueueConfiguration()
    queueSettings.prefix = settings.prefix
    queueSettings.lease = settings.lease
    queueSettings.queues = settings.queues
    let queue = JobQueue(redis: redis, configuration: queueSettings)

    var client = HTTPClientConfiguration()
    client.userAgent = "lockstep"
    client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: settings.serviceURLs))
    let http = HTTPClient(configuration: client, logger: logger)

    let name = WorkerName.make()
    let metrics = JobMetrics()
    let apiLog =
        settings.retention.logsRequests ? APILog(store: APILogStore(pool: pool), logger: logger) : nil
    let store = SyncStore(
        pool: pool,
        resolvedCommit: { tookEffect in
            logger.notice(
                "an unknown commit was resolved by reading", metadata: ["took_effect": "\(tookEffect)"])
        }, committed: { metrics.committed($1, service: $0.key.service) })
    let keeper = CredentialKeeper(
        vault: vault, store: CredentialStore(pool: pool), http: http, redis: redis, prefix: settings.prefix,
        owner: name,
        client: { settings.oauthClient(for: $0).map { OAuthClient(id: $0.id, secret: $0.secret) } },
        logger: logger, recorder: apiLog)
    let handler = SyncHandler(
        queue: queue, store: store, engine: SyncEngine(store: store),
        integrations: IntegrationStore(pool: pool), webhooks: WebhookStore(pool: pool),
        watches: settings.publicURL.map {
            WatchKeeper(store: WatchStore(pool: pool), publicURL: $0, logger: logger)
        }, keeper: keeper,
        http: http,
        limiter: RateLimiter(redis: redis, prefix: settings.prefix, logger: logger), limits: settings.limits,
        connector: { registry.connector(for: $0) }, serviceURLs: settings.serviceURLs, workerName: name,
        logger: logger, metrics: metrics, recorder: apiLog)
    let consumer = JobConsumer(
        queue: queue, handler: handler, concurrency: settings.concurrency, name: name, logger: logger,
        metrics: metrics, ledger: { try await probe.check(isFresh: $0) }
    ) {
        let warnings = try await DurabilityVerdict.require(
            of: redis, at: redisConfiguration, allowingLoss: settings.allowLossyRedis)
        for warning in warnings { logger.warning("\(warning)") }
    }
    let feed = FeedCourier(
        store: ChangeFeedStore(pool: pool), vault: vault, http: http, name: name, logger: logger)
    let endpoints = HealthEndpoints(
        host: settings.listen.host, port: settings.listen.port, logger: logger,
        health: { WorkerEndpoints.health(consumer) }, readiness: { WorkerEndpoints.readiness(consumer) },
        metrics: { WorkerEndpoints.metrics(consumer, apiLog) },
        started: { logger.info("worker listens", metadata: ["port": "\($0)", "worker": "\(name)"]) })
    var quiet = Logger(label: "lifecycle")
    quiet.logLevel = .error
    try await ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: [
                .init(service: redis), .init(service: http),
            ] + (apiLog.map { [.init(service: $0)] } ?? []) + [
                .init(service: keeper),
                .init(service: endpoints),
                .init(service: feed),
                .init(
                    service: consumer, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
    ).run()
    await probe.close()
    await pool.close()
    logger.info("worker ended")
} catch let error as LossyRedis {
    refuse(error.message)
} catch let error as ManifestError {
    refuse(error.description)
} catch let error as VaultError {
    refuse(error.message)
} catch let error as RedisError where error.code == .invalidURL {
    refuse(error.message)
} catch {
    FileHandle.standardError.write(Data("lockstep-worker: \(error)\n".utf8))
    exit(69)
}

// SPDX-License-Identifier: Apache-2.0

import Actions
import Alerts
import BuiltinConnectors
import DeclarativeConnectors
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import Observability
import PostgresClient
import RedisClient
import SchedulerRuntime
import ServiceLifecycle
import Settings
import SyncStore
import UnixSignals
import Webhooks

/// Ends the process with sysexits' EX_CONFIG: what is wrong stands on standard error, and nothing was enqueued.
func refuse(_ message: String) -> Never {
    FileHandle.standardError.write(Data("lockstep-scheduler: \(message)\n".utf8))
    exit(78)
}

/// How long the rows of each table are kept.
func lifetimes(_ settings: RetentionSettings) -> [ExpiringTable: Duration] {
    [
        .apiLog: settings.apiLog, .syncLog: settings.syncLog, .deletions: settings.deletions,
        .scheduleFires: settings.scheduleFires, .webhookEvents: settings.webhookEvents,
        .alerts: settings.syncLog, .subscriptionEvents: settings.subscriptionEvents,
    ].compactMapValues { $0 }
}

extension AlertObjectives {
    /// The objectives that the settings state.
    init(_ settings: ClusterSettings) {
        let alerts = settings.alerts
        self.init(
            backlog: alerts.backlog, errors: alerts.errors, deadLetters: alerts.deadLetters,
            allowsLossyRedis: settings.allowLossyRedis, cooldown: alerts.cooldown)
    }
}

/// The ways on which alerts are told.
func alertWays(
    _ settings: ClusterSettings, _ http: HTTPClient, _ queue: JobQueue, _ pool: PostgresPool
) throws -> [AlertChannel: AlertCourier.Send] {
    var ways: [AlertChannel: AlertCourier.Send] = [:]
    if let url = settings.alerts.webhookURL, let secret = settings.alerts.webhookSecret {
        guard let signer = WebhookSigner(secret) else {
            refuse("LOCKSTEP_ALERT_WEBHOOK_SECRET is no secret; allowed: whsec_ and 24 to 64 bytes in Base64")
        }
        ways[.webhook] = AlertWays.webhook(to: url.secret, signer: signer, http: http)
    }
    if let slack = settings.alerts.slack {
        // Only for the input of the action; what a worker knows of Slack is its own.
        let registry = try ConnectorRegistry.load(
            builtin: BuiltinManifests.all, directories: settings.connectorDirectories)
        let desk = ActionDesk(
            store: ActionStore(pool: pool), integrations: IntegrationStore(pool: pool), queue: queue,
            connector: { registry.connector(for: $0) })
        ways[.slack] = AlertWays.slack(desk, through: .key(slack.integration), channel: slack.channel)
    }
    return ways
}

let settings: ClusterSettings
do throws(SettingsError) {
    settings = try ClusterSettings.load(ProcessInfo.processInfo.environment, requiring: .database)
} catch {
    refuse(error.message)
}
LineLogHandler.bootstrap(
    format: Observability.LogFormat(rawValue: settings.logFormat.rawValue) ?? .text,
    level: Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info)
let logger = Logger(label: "lockstep-scheduler")

do {
    var database = try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed)
    database.maxConnections = 3
    // Its statements are short, and it has nothing else to do than to try again.
    database.connectTimeout = .seconds(3)
    database.statementTimeout = .seconds(8)
    let pool = PostgresPool(configuration: database)
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
    let queue = JobQueue(redis: redis, configuration: queueSettings)
    let sampler = ClusterSampler(queue: queue, logger: logger) { try await ServiceFreshness.read(from: pool) }
    let scheduler = SlotScheduler(
        store: ScheduleStore(pool: pool), dispatch: DispatchStore(pool: pool), queue: queue,
        logger: logger,
        gate: {
            let warnings = try await DurabilityVerdict.require(
                of: redis, at: redisConfiguration, allowingLoss: settings.allowLossyRedis)
            for warning in warnings { logger.warning("\(warning)") }
        },
        // What broke one connection may have broken the other, and nothing said so.
        failed: { await pool.closeIdle() })
    let housekeeper = Housekeeper(
        store: RetentionStore(pool: pool), lifetimes: lifetimes(settings.retention), logger: logger)
    let sweeper = WebhookSweeper(
        store: WebhookStore(pool: pool), watches: WatchStore(pool: pool), queue: queue, logger: logger,
        isReady: { scheduler.problem == nil })
    let actions = ActionSweeper(
        store: ActionStore(pool: pool), queue: queue, logger: logger, isReady: { scheduler.problem == nil })
    var client = HTTPClientConfiguration()
    client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: settings.serviceURLs))
    let http = HTTPClient(configuration: client, logger: logger)
    let watcher = AlertWatcher(
        store: AlertStore(pool: pool), queue: queue, objectives: AlertObjectives(settings), logger: logger,
        durability: { try await DurabilityVerdict.check(redis, at: redisConfiguration) })
    let courier = AlertCourier(
        outbox: AlertOutbox(pool: pool), ways: try alertWays(settings, http, queue, pool), logger: logger)
    let answer: @Sendable () -> HealthAnswer = {
        scheduler.problem.map { HealthAnswer(isHealthy: false, reason: $0) }
            ?? HealthAnswer(isHealthy: true, reason: "scheduling")
    }
    let endpoints = HealthEndpoints(
        host: settings.listen.host, port: settings.listen.port, logger: logger, health: answer,
        readiness: answer,
        metrics: {
            let healthy = Metric(
                "lockstep_scheduler_healthy", .gauge, "1 while rounds succeed.",
                scheduler.problem == nil ? 1 : 0)
            return MetricsText([healthy] + (await sampler.metrics()))
        }, started: { logger.info("scheduler listens", metadata: ["port": "\($0)"]) })

    var quiet = Logger(label: "lifecycle")
    quiet.logLevel = .error
    try await ServiceGroup(
        services: [
            redis, http, endpoints, housekeeper, scheduler, sweeper, actions, watcher, courier,
        ],
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: quiet
    ).run()
    await pool.close()
    logger.info("scheduler ended")
} catch let error as LossyRedis {
    refuse(error.message)
} catch let error as ManifestError {
    refuse(error.description)
} catch let error as RedisError where error.code == .invalidURL {
    refuse(error.message)
} catch {
    FileHandle.standardError.write(Data("lockstep-scheduler: \(error)\n".utf8))
    exit(69)
}

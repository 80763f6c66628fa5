// SPDX-License-Identifier: Apache-2.0

import Foundation
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
    ].compactMapValues { $0 }
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
        store: WebhookStore(pool: pool), watches: WatchStore(pool: pool), queue: queue, logger: logger)
    let actions = ActionSweeper(
        store: ActionStore(pool: pool), queue: queue, logger: logger, isReady: { scheduler.problem == nil })
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
        services: [redis, endpoints, housekeeper, scheduler, sweeper, actions],
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: quiet
    ).run()
    await pool.close()
    logger.info("scheduler ended")
} catch let error as LossyRedis {
    refuse(error.message)
} catch let error as RedisError where error.code == .invalidURL {
    refuse(error.message)
} catch {
    FileHandle.standardError.write(Data("lockstep-scheduler: \(error)\n".utf8))
    exit(69)
}

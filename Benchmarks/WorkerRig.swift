// SPDX-License-Identifier: Apache-2.0

import Credentials
import DeclarativeConnectors
import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RateLimits
import RedisClient
import Settings
import SyncEngine
import SyncStore
import Vault
import WorkerRuntime

/// A worker inside this process, and the integrations that it syncs.
struct WorkerRig {
    /// What a worker does for each request beside sending it.
    enum Care: String {
        /// Nothing: no credential, no limit, no request log.
        case bare
        /// A sealed credential, a rate of its own, one by endpoint and a concurrency, and the request log.
        case whole

        /// The service of its integrations.
        var service: String { self == .bare ? "bench" : "bench-whole" }

        var manifest: String {
            guard self == .whole else { return BenchEnvironment.manifest }
            return BenchEnvironment.manifest.replacing("service: bench", with: "service: bench-whole")
                + """

                auth: { kind: bearer, token: "${secret.api_key}" }
                request_id_header: Request-Id
                limits:
                  requests: { per: integration, rate: 10000/s, burst: 1000 }
                  endpoint: { per: integration, each_endpoint: true, rate: 5000/s, burst: 500 }
                  parallel: { per: integration, concurrency: 20 }
                """
        }
    }

    let care: Care
    let queue: JobQueue
    let consumer: JobConsumer
    private let environment: BenchEnvironment
    private let redis: RedisClient
    private let vault: CredentialVault
    private let log: APILog

    init(_ care: Care, in environment: BenchEnvironment) throws {
        self.care = care
        self.environment = environment
        let settings = try ClusterSettings.load(
            environment.cluster.environment, requiring: [.database, .keys])
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let pool = environment.pool
        redis = RedisClient(
            configuration: try RedisConfiguration(url: settings.redisURL.secret.exposed), logger: logger)
        let prefix = "rig-\(care.rawValue)"
        var queueConfiguration = JobQueueConfiguration()
        queueConfiguration.prefix = prefix
        queue = JobQueue(redis: redis, configuration: queueConfiguration)
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(
            hosts: ServiceAddress.hosts(of: [care.service: environment.provider]))
        let http = HTTPClient(configuration: client, logger: logger)
        let store = SyncStore(pool: pool)
        let connector = try ManifestLoader.load(care.manifest, file: "bench.yaml")
        vault = CredentialVault(keys: try KeyRing(settings.keys))
        log = APILog(store: APILogStore(pool: pool), logger: logger)
        let handler = SyncHandler(
            queue: queue, store: store, engine: SyncEngine(store: store),
            integrations: IntegrationStore(pool: pool), webhooks: WebhookStore(pool: pool),
            keeper: CredentialKeeper(
                vault: vault, store: CredentialStore(pool: pool), http: http, redis: redis, prefix: prefix,
                owner: care.rawValue, client: { _ in nil }, logger: logger),
            http: http, limiter: RateLimiter(redis: redis, prefix: prefix, logger: logger),
            connector: { _ in connector },
            serviceURLs: [care.service: environment.provider], workerName: care.rawValue, logger: logger,
            recorder: care == .whole ? log : nil)
        consumer = JobConsumer(
            queue: queue, handler: handler, concurrency: 16, name: care.rawValue, logger: logger)
    }

    /// Runs the worker for as long as `body` takes.
    func running<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        let services = [
            Task { try await redis.run() }, Task { try await consumer.run() }, Task { try await log.run() },
        ]
        defer { for service in services { service.cancel() } }
        return try await body()
    }

    /// Connects integrations with this configuration, and with a credential where one is wanted.
    func connect(_ users: [String], configuration: [UInt8]) async throws -> [Int64] {
        let store = IntegrationStore(pool: environment.pool)
        let writer = CredentialWriter(vault: vault, store: CredentialStore(pool: environment.pool))
        var ids: [Int64] = []
        for user in users {
            let key = IntegrationKey(userID: user, service: care.service)
            let id = try await store.add(key, configuration: configuration).id
            if care == .whole { try await writer.write(["api_key": SecretString("sk_bench_\(id)")], to: id) }
            ids.append(id)
        }
        return ids
    }

    /// Enqueues one job for each integration and waits until all are finished.
    func sync(_ ids: [Int64], type: JobType, stream: String) async throws {
        let before = finished
        try await queue.enqueue(
            ids.map {
                Array(
                    "{\"integration_id\":\($0),\"type\":\"\(type.rawValue)\",\"streams\":[\"\(stream)\"]}"
                        .utf8)
            }, in: .default)
        let limit = ContinuousClock.now.advanced(by: .seconds(300))
        while finished < before + ids.count {
            guard ContinuousClock.now < limit else {
                throw BenchFailure("not all of \(ids.count) jobs are finished: \(consumer.counters)")
            }
            try await ContinuousClock().sleep(for: .milliseconds(2))
        }
    }

    private var finished: Int { consumer.counters["finished"] ?? 0 }
}

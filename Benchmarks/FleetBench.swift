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

/// (c) Incremental syncs that find nothing new, end to end: the load that a real fleet has most of.
struct FleetBench {
    let environment: BenchEnvironment
    private static let integrations = 1_000
    private static let syncs = 10_000

    func run() async throws {
        Report.title("(c) empty incremental syncs, end to end")
        let ids = try await connect()
        let limit = try await twoTransactions()
        Report.line("limit: the same two transactions alone", limit, "syncs/s")

        let settings = try ClusterSettings.load(
            environment.cluster.environment, requiring: [.database, .keys])
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: settings.redisURL.secret.exposed), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        var queueConfiguration = JobQueueConfiguration()
        queueConfiguration.prefix = "benchf"
        let queue = JobQueue(redis: redis, configuration: queueConfiguration)
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: ["bench": environment.provider]))
        let http = HTTPClient(configuration: client, logger: logger)
        let store = SyncStore(pool: environment.pool)
        let connector = try ManifestLoader.load(BenchEnvironment.manifest, file: "bench.yaml")
        let handler = SyncHandler(
            queue: queue, store: store, engine: SyncEngine(store: store),
            integrations: IntegrationStore(pool: environment.pool),
            webhooks: WebhookStore(pool: environment.pool),
            keeper: CredentialKeeper(
                vault: CredentialVault(keys: try KeyRing(settings.keys)),
                store: CredentialStore(pool: environment.pool), http: http, redis: redis, prefix: "benchf",
                owner: "bench", client: { _ in nil }, logger: logger),
            http: http,
            limiter: RateLimiter(redis: redis, prefix: "benchf"), connector: { _ in connector },
            serviceURLs: ["bench": environment.provider], workerName: "bench", logger: logger)
        let consumer = JobConsumer(
            queue: queue, handler: handler, concurrency: 16, name: "bench", logger: logger)

        // One sync of each first: afterwards all have a cursor.
        try await enqueue(queue, ids)
        let consuming = Task { try await consumer.run() }
        try await wait(consumer, for: ids.count)
        let start = Usage.now()
        for _ in 0..<(Self.syncs / ids.count) {
            let before = consumer.counters["finished"] ?? 0
            try await enqueue(queue, ids)
            try await wait(consumer, for: before + ids.count)
        }
        let end = Usage.now()
        consuming.cancel()
        try await consuming.value

        let rows = try await environment.pool.query(
            "SELECT count(*) FROM lockstep.sync_log WHERE worker = 'bench' AND type = 'incremental' AND status = 'succeeded'"
        )
        guard rows.int(0, 0) == Int64(Self.syncs + ids.count) else {
            throw BenchFailure("the log has \(rows.int(0, 0) ?? 0) runs: it does not count")
        }
        Report.line(
            "syncs", Double(Self.syncs) / end.seconds(since: start), "syncs/s", limit: limit,
            target: "target 0.6 and 1,500")
        let cpu = (end.cpuSeconds - start.cpuSeconds) * 1e6 / Double(Self.syncs)
        Report.line("CPU of this process", cpu, "µs per sync")
    }

    private func connect() async throws -> [Int64] {
        let store = IntegrationStore(pool: environment.pool)
        let configuration = Array("{\"total\":0,\"size\":400,\"variant\":0}".utf8)
        var ids: [Int64] = []
        for number in 0..<Self.integrations {
            ids.append(
                try await store.add(
                    IntegrationKey(userID: "f_\(number)", service: "bench"), configuration: configuration
                ).id)
        }
        return ids
    }

    private func enqueue(_ queue: JobQueue, _ ids: [Int64]) async throws {
        try await queue.enqueue(
            ids.map {
                Array("{\"integration_id\":\($0),\"type\":\"incremental\",\"streams\":[\"changes\"]}".utf8)
            },
            in: .default)
    }

    private func wait(_ consumer: JobConsumer, for count: Int) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(120))
        while (consumer.counters["finished"] ?? 0) < count {
            guard ContinuousClock.now < limit else {
                throw BenchFailure("only \(consumer.counters) of \(count) jobs are finished")
            }
            try await ContinuousClock().sleep(for: .milliseconds(2))
        }
    }

    /// The same two statements of an empty sync, and nothing else, on eight connections. Each has integrations of its own:
    /// two runs of one integration would overtake each other.
    private func twoTransactions() async throws -> Double {
        let (lanes, each) = (8, 1_000)
        let share = Self.integrations / lanes
        let pool = environment.pool
        let start = Usage.now()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    for number in 0..<each {
                        let user = "f_\(lane * share + number % share)"
                        let run = try await pool.query(
                            """
                            SELECT integration_id, fence, sync_id FROM lockstep.begin_run($1, 1, 'limit', 'incremental',
                                NULL, NULL, $2, 'bench', 'default', '10s') LIMIT 1
                            """, [.text("limit-\(lane)-\(number)"), .text(user)])
                        guard let id = run.int(0, 0), let fence = run.int(0, 1), let sync = run.int(0, 2)
                        else {
                            throw BenchFailure("begin_run gave no run")
                        }
                        _ = try await pool.query(
                            """
                            SELECT lockstep.checkpoint($1, $2, $3, '{changes}', '{""}', '{1700000000}', '{1700000000}',
                                '{NULL}', '{NULL}', '{idle}', '{1}', '{NULL}', '{1}', '{has_more_false}', '{f}',
                                '{1,1,60,0,0,0,0,0,0,0}', 'succeeded', NULL, NULL, NULL, '10s')
                            """, [.int(id), .int(fence), .int(sync)])
                    }
                }
            }
            try await group.waitForAll()
        }
        let rate = Double(lanes * each) / Usage.now().seconds(since: start)
        _ = try await pool.query("DELETE FROM lockstep.sync_log WHERE worker = 'limit'")
        _ = try await pool.query("DELETE FROM lockstep.sync_state")
        return rate
    }
}

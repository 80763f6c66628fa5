// SPDX-License-Identifier: Apache-2.0

import DeclarativeConnectors
import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
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
        let limit = try await pgbench()
        Report.line("limit: pgbench, the same two transactions", limit, "syncs/s")

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
        let store = SyncStore(pool: environment.pool)
        let connector = try ManifestLoader.load(BenchEnvironment.manifest, file: "bench.yaml")
        let handler = SyncHandler(
            queue: queue, store: store, engine: SyncEngine(store: store),
            integrations: IntegrationStore(pool: environment.pool),
            vault: CredentialVault(keys: try KeyRing(settings.keys)),
            http: HTTPClient(configuration: client, logger: logger), connector: { _ in connector },
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

    /// The same two statements of an empty sync, from pgbench with as many connections.
    private func pgbench() async throws -> Double {
        let script = "/tmp/lockstep-bench-\(getpid()).sql"
        let text = """
            \\set n :client_id * \(Self.integrations / 8) + random(0, \(Self.integrations / 8 - 1))
            SELECT fence AS f, sync_id AS s, integration_id AS i
            FROM lockstep.begin_run('pgbench', 1, 'pgbench', 'incremental', NULL, NULL, 'f_' || :n, 'bench', 'default')
            LIMIT 1 \\gset
            SELECT lockstep.checkpoint(:i, :f, :s, '{changes}', '{""}', '{1700000000}', '{1700000000}', '{NULL}', '{NULL}',
                '{idle}', '{1}', '{NULL}', '{1}', '{has_more_false}', '{f}', '{1,1,60,0,0,0,0,0,0,0}', 'succeeded',
                NULL, NULL, NULL)
            """
        try text.write(toFile: script, atomically: true, encoding: .utf8)
        defer { unlink(script) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let url = environment.cluster.servers.databaseURL
        // One connection for each integration at a time: two runs of one integration would overtake each other.
        process.arguments = [
            "pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", "5", "-f", script, url,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let report = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let line = report.split(separator: "\n").first(where: { $0.hasPrefix("tps = ") }),
            let rate = Double(line.dropFirst(6).prefix { $0 != " " })
        else { throw BenchFailure("pgbench gave no rate:\n\(report)") }
        _ = try await environment.pool.query("DELETE FROM lockstep.sync_log WHERE worker = 'pgbench'")
        _ = try await environment.pool.query("DELETE FROM lockstep.sync_state")
        return rate
    }
}

// SPDX-License-Identifier: Apache-2.0

import Credentials
import DevCluster
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import Settings
import SyncStore

/// What the demo does with a cluster: it uses it as an operator would.
struct DemoScenario {
    let cluster: DevCluster
    let output: ProgressOutput
    let users: Int
    /// The gateway's public port; 0 for any free one.
    let port: Int
    let adminToken: SecretString

    /// Returns the number of differences; without the demo it runs until it is cancelled.
    func run(isDemo: Bool) async throws -> Int {
        let settings = try ClusterSettings.load(cluster.environment, requiring: [.database, .keys])
        var configuration = try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed)
        configuration.maxConnections = 4
        let pool = PostgresPool(configuration: configuration)
        var logger = Logger(label: "lockstep")
        logger.logLevel = .error
        _ = try await Migrator(pool: pool).migrate()
        try await cluster.startWork()
        let ports = try await cluster.startGateway([
            "LOCKSTEP_LISTEN": "127.0.0.1:\(port)", "LOCKSTEP_ADMIN_TOKEN": adminToken.exposed,
        ])
        output.step("scheduler, workers and gateway run")

        let redis = RedisClient(
            configuration: try RedisConfiguration(url: settings.redisURL.secret.exposed), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        var queueConfiguration = JobQueueConfiguration()
        queueConfiguration.prefix = settings.prefix
        let wave = DemoWave(
            cluster: cluster, pool: pool, queue: JobQueue(redis: redis, configuration: queueConfiguration),
            output: output)

        if !isDemo {
            show(ports)
            while true { try await ContinuousClock().sleep(for: .seconds(3_600)) }
        }
        guard
            let control = settings.serviceURLs["stripe"].flatMap({
                SandboxControl(serviceURL: $0, logger: logger)
            })
        else { throw DevClusterError("the sandbox has no usable URL") }

        try await connect(settings, pool)
        try await wave.run(.full, "full sync of every integration")
        try await control.ask("edit?user=all&creates=5&updates=10&deletes=4")
        output.step("edited the provider's data: 5 created, 10 changed, 4 deleted in each list")
        try await wave.run(.incremental, "incremental sync of every integration")
        try await control.ask("edit?user=all&creates=2&updates=3&deletes=2")
        output.step("edited again: 2 created, 3 changed, 2 deleted in each list")
        try await wave.run(
            .full, "full sync of every integration, one worker killed in the middle", killing: true)

        let verifier = Verifier(
            pool: pool, registry: try ConnectorCommand.registry(settings), serviceURLs: settings.serviceURLs,
            logger: logger)
        let result = try await verifier.verify()
        let (services, runs) = StatusCommand.tables(try await ClusterStatus.read(from: pool))
        output.show("\n\(services.text)\n\n\(runs.text)\n")
        for finding in result.findings.prefix(20) { output.show(finding.explanation) }
        output.show("verify: \(result.findings.count) differences in \(result.objects) objects")
        if StandardOutput.isTerminal {
            show(ports)
            while true { try await ContinuousClock().sleep(for: .seconds(3_600)) }
        }
        await pool.close()
        return result.findings.count
    }

    private func connect(_ settings: ClusterSettings, _ pool: PostgresPool) async throws {
        let store = IntegrationStore(pool: pool)
        let writer = CredentialWriter(
            vault: try CommandVault.make(settings), store: CredentialStore(pool: pool))
        for user in 1...users {
            for (service, name, secret) in [
                ("stripe", "api_key", "sk_test_u_\(user)"),
                ("google-calendar", "access_token", "ya29.u_\(user)"),
            ] {
                let key = IntegrationKey(userID: "u_\(user)", service: service)
                let (id, _) = try await store.add(key, configuration: Array("{}".utf8))
                try await writer.write([name: SecretString(secret)], to: id)
            }
        }
        output.step("connected \(users) users on both services")
    }

    private func show(_ gateway: (publicPort: Int, privatePort: Int)) {
        let environment = ["REDIS_URL", "DATABASE_URL", "LOCKSTEP_KEYS", "LOCKSTEP_SERVICE_URLS"]
            .compactMap { name in cluster.environment[name].map { "export \(name)='\($0)'" } }
        output.show(
            """

            The cluster runs. To use it from another terminal:

            \(environment.joined(separator: "\n"))
            export LOCKSTEP_PUBLIC_URL='http://127.0.0.1:\(gateway.publicPort)'
            export LOCKSTEP_ADMIN_TOKEN='\(adminToken.exposed)'

            The gateway's private side is at http://127.0.0.1:\(gateway.privatePort). Ctrl-C stops the cluster.
            """)
    }
}

/// One job for every integration, waited for.
struct DemoWave {
    let cluster: DevCluster
    let pool: PostgresPool
    let queue: JobQueue
    let output: ProgressOutput

    /// A wave that takes longer has failed.
    private static let limit: Duration = .seconds(300)

    func run(_ type: JobType, _ title: String, killing: Bool = false) async throws {
        let start = try await WaveProgress.read(from: pool, type: type, since: Timestamp(seconds: 0)).now
        let store = IntegrationStore(pool: pool)
        var payloads: [[UInt8]] = []
        var after: Int64 = 0
        while true {
            let page = try await store.list(service: nil, userID: nil, after: after, limit: 500)
            guard let last = page.last else { break }
            after = last.id
            payloads += page.map { item in
                Array(
                    """
                    {"user_id":"\(item.key.userID)","service":"\(item.key.service)","type":"\(type.rawValue)"}
                    """.utf8)
            }
        }
        output.step("\(title): \(payloads.count) jobs")
        try await queue.enqueue(payloads, in: .default)

        let deadline = ContinuousClock.now.advanced(by: Self.limit)
        var mayKill = killing
        while true {
            let now = try await WaveProgress.read(from: pool, type: type, since: start)
            output.progress(
                "\(now.succeeded) of \(payloads.count) done, \(now.running) running, "
                    + "\(now.liveRecords) records, \(now.deletions) deletions")
            if now.succeeded >= Int64(payloads.count) { break }
            if mayKill, now.running > 0, now.succeeded >= Int64(payloads.count / 4) {
                mayKill = false
                if let name = cluster.killWorker() { output.step("killed \(name) with SIGKILL") }
            }
            let failures = await cluster.failures()
            guard failures.isEmpty, ContinuousClock.now < deadline else {
                let reason =
                    failures.isEmpty
                    ? "the jobs are not done within \(Self.limit)" : failures.joined(separator: ", ")
                throw DevClusterError("\(title): \(reason)")
            }
            try await ContinuousClock().sleep(for: .milliseconds(100))
        }
        let end = try await WaveProgress.read(from: pool, type: type, since: start)
        output.step(
            "done: \(end.liveRecords) records, \(end.deletions) deletions"
                + (killing ? ", \(end.superseded) runs of the killed worker taken over" : ""))
    }
}

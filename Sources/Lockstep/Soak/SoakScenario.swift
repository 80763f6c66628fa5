// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import Settings
import SyncStore

/// Kills workers again and again while they sync, and proves that nothing was lost, doubled or written too late.
struct SoakScenario {
    let cluster: DevCluster
    let output: ProgressOutput
    let users: Int
    let kills: Int
    let seed: UInt64
    let logs: String

    /// The job that takes its workers with it, and its integration: one that no other job uses.
    private static let poison = (job: "poison", service: "google-calendar")
    /// After the last kill everything has to be done within this time.
    private static let settling: Duration = .seconds(180)

    func run() async throws -> SoakReport {
        let settings = try ClusterSettings.load(cluster.environment, requiring: [.database, .keys])
        var logger = Logger(label: "soak")
        logger.logLevel = .error
        let pool = PostgresPool(
            configuration: try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed))
        _ = try await Migrator(pool: pool).migrate()
        let ledger = SoakLedger(pool: pool)
        try await ledger.watchFences()
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: settings.redisURL.secret.exposed), logger: logger)
        // Slots of schedules would come between.
        _ = try await pool.query("DELETE FROM lockstep.schedules")
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        let queue = JobQueue(redis: redis)
        try await connect(settings, IntegrationStore(pool: pool))
        // Slow, so that the poison job never gets as far as a commit before it kills.
        let control = settings.serviceURLs["stripe"].flatMap {
            SandboxControl(serviceURL: $0, logger: logger)
        }
        try await control?.ask(
            "faults?kind=slow&service=\(Self.poison.service)&milliseconds=3000&times=1000000")
        // And runs take a while, so that most kills meet some.
        try await control?.ask("faults?kind=slow&service=stripe&milliseconds=50&times=100000000")
        try await cluster.startWork()
        output.step("soak of \(kills) kills, seed \(seed)")

        var feeder = SoakFeeder(users: users)
        try await feeder.feed(queue, ledger)
        try await push(Self.poison.job, user: 1, Self.poison.service, queue)
        var report = SoakReport(seed: seed)
        try await torment(&report, &feeder, queue, ledger)
        output.step("\(report.kills) kills; waiting for the jobs")
        try await settle(&feeder, queue, ledger)
        report.lost = feeder.open
        report.replayed = feeder.replayed
        report.jobs = feeder.count - feeder.open.count
        try await judge(&report, queue, ledger, settings, logger)
        await pool.close()
        return report
    }

    // MARK: - Doing

    private func torment(
        _ report: inout SoakReport, _ feeder: inout SoakFeeder, _ queue: JobQueue, _ ledger: SoakLedger
    ) async throws {
        var plan = SoakPlan(seed: seed)
        var stopped: [(name: String, until: ContinuousClock.Instant)] = []
        var rounds = 0
        while report.kills < kills {
            let next = plan.next(workers: cluster.runningWorkers.count)
            try await ContinuousClock().sleep(for: next.after)
            for worker in stopped where worker.until <= .now { _ = cluster.signal(worker.name, SIGCONT) }
            stopped.removeAll { $0.until <= .now }
            let names = cluster.runningWorkers.filter { name in !stopped.contains { $0.name == name } }
            switch next.event {
            case .cutDatabase: try await ledger.cutConnections()
            case .kill(let position), .drain(let position), .stop(let position):
                guard !names.isEmpty else { break }
                let name = names[position % names.count]
                if case .stop = next.event {
                    _ = cluster.signal(name, SIGSTOP)
                    stopped.append((name, .now.advanced(by: .milliseconds(3_600))))
                } else if case .drain = next.event {
                    _ = cluster.signal(name, SIGTERM)
                } else {
                    _ = cluster.signal(name, SIGKILL)
                    report.kills += 1
                }
                try await cluster.startWorker()
            }
            rounds += 1
            if rounds % 5 == 0 {
                try await feeder.feed(queue, ledger)
                report.kills += try await killForPoison(ledger)
            }
            output.progress("\(report.kills) of \(kills) kills, \(feeder.count) jobs")
            if report.kills % 500 == 0, case .kill = next.event {
                output.step("\(report.kills) kills, \(feeder.count) jobs")
            }
        }
        for worker in stopped { _ = cluster.signal(worker.name, SIGCONT) }
    }

    /// The poison job kills whoever runs it.
    private func killForPoison(_ ledger: SoakLedger) async throws -> Int {
        var killed = 0
        for process in try await ledger.processes(running: Self.poison.job) where cluster.kill(process) {
            killed += 1
            try await cluster.startWorker()
        }
        return killed
    }

    /// Until all jobs are done; the poison job goes on killing.
    private func settle(_ feeder: inout SoakFeeder, _ queue: JobQueue, _ ledger: SoakLedger) async throws {
        let deadline = ContinuousClock.now.advanced(by: Self.settling)
        while ContinuousClock.now < deadline {
            try await feeder.note(queue, ledger)
            _ = try await killForPoison(ledger)
            let isBuried = try await queue.deadLetter(id: Self.poison.job) != nil
            if feeder.open.isEmpty, isBuried,
                try await ledger.count("lockstep.sync_log WHERE status = 'running'") == 0
            {
                return
            }
            try await ContinuousClock().sleep(for: .milliseconds(100))
        }
    }

    private func push(_ id: String, user: Int, _ service: String, _ queue: JobQueue) async throws {
        let payload =
            "{\"user_id\":\"u_\(user)\",\"service\":\"\(service)\",\"type\":\"full\",\"id\":\"\(id)\"}"
        try await queue.enqueue([Array(payload.utf8)], in: .default)
    }

    private func connect(_ settings: ClusterSettings, _ store: IntegrationStore) async throws {
        let writer = try CredentialWriter(settings: settings, store: store)
        for user in 1...users {
            let key = IntegrationKey(userID: "u_\(user)", service: "stripe")
            // Pages of 20, so that a run has many checkpoints to be killed between.
            let (id, _) = try await store.add(key, configuration: Array(#"{"page_size":20}"#.utf8))
            try await writer.write(["api_key": SecretString("sk_test_u_\(user)")], to: id)
        }
        let key = IntegrationKey(userID: "u_1", service: Self.poison.service)
        let (id, _) = try await store.add(key, configuration: Array(#"{"page_size":1}"#.utf8))
        try await writer.write(["access_token": SecretString("ya29.u_1")], to: id)
    }

    // MARK: - Judging

    private func judge(
        _ report: inout SoakReport, _ queue: JobQueue, _ ledger: SoakLedger, _ settings: ClusterSettings,
        _ logger: Logger
    ) async throws {
        let verifier = Verifier(
            pool: ledger.pool, registry: try ConnectorCommand.registry(settings),
            serviceURLs: settings.serviceURLs, logger: logger)
        let result = try await verifier.verify()
        report.differences = result.findings.count { $0.integration.key.service == "stripe" }
        let objects = try await ledger.count(
            "lockstep.records r JOIN lockstep.integrations i ON i.id = r.integration_id WHERE i.service = 'stripe'"
        )
        report.doubled = try await ledger.jobsWithOtherSums(objects: objects / users)
        report.stale = try await ledger.count("soak.stale")
        report.deletions = try await ledger.count("lockstep.deletions")
        report.openRuns = try await ledger.count("lockstep.sync_log WHERE status = 'running'")
        report.successes = try await ledger.count(
            "lockstep.sync_log WHERE status = 'succeeded' AND job_id LIKE 'soak-%'")
        let letters = try await queue.deadLetters(limit: 100).letters
        report.deadLetters = letters.filter { $0.id != Self.poison.job }.map { "\($0.id): \($0.reason)" }
        report.rare.poisonJobs = letters.count { $0.id == Self.poison.job && $0.code == "poison" }
        report.rare.drained = try await ledger.count("lockstep.sync_log WHERE error_code = 'drained'")
        report.rare.leasesLostInRun =
            try logLines("leases were lost; their jobs stop") + logLines("was overtaken")
        report.rare.commitsResolved = try logLines("an unknown commit was resolved")
    }

    /// How many lines of the workers' logs say this.
    private func logLines(_ text: String) throws -> Int {
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: logs) where name.hasPrefix("worker-")
        {
            let log = try String(contentsOfFile: "\(logs)/\(name)", encoding: .utf8)
            count += log.split(separator: "\n").count { $0.contains(text) }
        }
        return count
    }
}

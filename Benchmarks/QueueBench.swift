// SPDX-License-Identifier: Apache-2.0

import Foundation
import JobQueue
import Logging
import Model
import RedisClient
import WorkerRuntime

/// (a) Jobs that do nothing, through claim and finish.
struct QueueBench {
    let url: String

    private struct NoWork: JobHandler {
        let done: LockedBox<Int>

        func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome {
            done.withLock { $0 += 1 }
            return .finished
        }
    }

    /// Notes when each job started, by the number in its user id.
    private struct Stopwatch: JobHandler {
        let starts: LockedBox<[String: ContinuousClock.Instant]>

        func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome {
            if case .key(let key) = job.payload.integration {
                starts.withLock { $0[key.userID] = .now }
            }
            return .finished
        }
    }

    func run() async throws {
        Report.title("(a) no-op jobs through claim and finish")
        let limit = try await pipelinedCommands()
        Report.line("limit: pipelined PING, one connection", limit, "commands/s")
        for workers in [1, 2] {
            let rate = try await throughput(workers: workers, jobs: 200_000)
            Report.line(
                "\(workers) worker\(workers == 1 ? "" : "s") in this process", rate, "jobs/s",
                target: workers == 1 ? "target 60,000" : "")
        }
        try await latency()
        try await idle()
    }

    private func connect() throws -> (RedisClient, Task<Void, any Error>) {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(configuration: try RedisConfiguration(url: url), logger: logger)
        return (redis, Task { try await redis.run() })
    }

    private func queue(_ redis: RedisClient, _ prefix: String) -> JobQueue {
        var configuration = JobQueueConfiguration()
        configuration.prefix = prefix
        return JobQueue(redis: redis, configuration: configuration)
    }

    private func pipelinedCommands() async throws -> Double {
        let (redis, running) = try connect()
        defer { running.cancel() }
        _ = try await redis.command(["PING"])
        let start = Usage.now()
        let (tasks, each) = (256, 2_000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                group.addTask { for _ in 0..<each { _ = try await redis.command(["PING"]) } }
            }
            try await group.waitForAll()
        }
        return Double(tasks * each) / Usage.now().seconds(since: start)
    }

    private func throughput(workers: Int, jobs: Int) async throws -> Double {
        let prefix = "bench\(workers)"
        let (redis, running) = try connect()
        defer { running.cancel() }
        for start in stride(from: 0, to: jobs, by: 1_000) {
            let payloads = (start..<start + 1_000).map { number in
                RedisArgument("{\"user_id\":\"u_\(number)\",\"service\":\"bench\",\"type\":\"full\"}")
            }
            _ = try await redis.command(["LPUSH", RedisArgument("\(prefix):queue:default")] + payloads)
        }
        try await ScriptTimes.reset(redis)
        let done = LockedBox(0)
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        var tasks: [Task<Void, any Error>] = []
        let start = Usage.now()
        for number in 0..<workers {
            let (own, ownRunning) = try connect()
            let consumer = JobConsumer(
                queue: queue(own, prefix), handler: NoWork(done: done), concurrency: 1_000,
                name: "bench-\(number)", logger: logger)
            tasks.append(
                Task {
                    defer { ownRunning.cancel() }
                    try await consumer.run()
                })
        }
        while done.withLock({ $0 }) < jobs { try await ContinuousClock().sleep(for: .milliseconds(5)) }
        let elapsed = Usage.now().seconds(since: start)
        for task in tasks { task.cancel() }
        for task in tasks { try await task.value }
        try await ScriptTimes.report(redis)
        return Double(jobs) / elapsed
    }

    private func latency() async throws {
        let (redis, running) = try connect()
        defer { running.cancel() }
        let starts = LockedBox<[String: ContinuousClock.Instant]>([:])
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let (own, ownRunning) = try connect()
        let consumer = JobConsumer(
            queue: queue(own, "benchl"), handler: Stopwatch(starts: starts), concurrency: 8, name: "bench",
            logger: logger)
        let consuming = Task { try await consumer.run() }
        var waits: [Double] = []
        for number in 0..<500 {
            let user = "u_\(number)"
            try await ContinuousClock().sleep(for: .milliseconds(4))
            let pushed = ContinuousClock.now
            _ = try await redis.command([
                "LPUSH", "benchl:queue:low",
                RedisArgument("{\"user_id\":\"\(user)\",\"service\":\"bench\",\"type\":\"full\"}"),
            ])
            while starts.withLock({ $0[user] }) == nil {
                try await ContinuousClock().sleep(for: .microseconds(200))
            }
            if let started = starts.withLock({ $0[user] }) {
                waits.append(Double(pushed.duration(to: started).wholeMicroseconds) / 1_000)
            }
        }
        consuming.cancel()
        try await consuming.value
        ownRunning.cancel()
        waits.sort()
        Report.line("pick-up after LPUSH, p50", waits[waits.count / 2], "ms", target: "target under 5")
        Report.line("pick-up after LPUSH, p99", waits[waits.count * 99 / 100], "ms", target: "target under 2")
    }

    private func idle() async throws {
        let (redis, running) = try connect()
        defer { running.cancel() }
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let (own, ownRunning) = try connect()
        let consumer = JobConsumer(
            queue: queue(own, "benchi"), handler: NoWork(done: LockedBox(0)), concurrency: 8, name: "bench",
            logger: logger)
        let consuming = Task { try await consumer.run() }
        try await ContinuousClock().sleep(for: .seconds(1))
        func commands() async throws -> Double {
            // Commands that clients send; those inside scripts have statistics of their own names.
            let info = try await redis.command(["INFO", "commandstats"]).text ?? ""
            let names = ["evalsha", "eval", "blmove", "client|unblock"].map { "cmdstat_\($0):calls=" }
            return info.split(whereSeparator: \.isNewline).reduce(0) { sum, line in
                guard let name = names.first(where: { line.hasPrefix($0) }) else { return sum }
                return sum + (Double(line.dropFirst(name.count).prefix { $0 != "," }) ?? 0)
            }
        }
        let before = try await commands()
        try await ContinuousClock().sleep(for: .seconds(20))
        let after = try await commands()
        consuming.cancel()
        try await consuming.value
        ownRunning.cancel()
        // Commands inside scripts are counted too; our own INFO is one.
        Report.line(
            "Redis commands of an idle worker", (after - before - 1) / 20, "commands/s", target: "target 2")
    }
}

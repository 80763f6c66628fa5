// SPDX-License-Identifier: Apache-2.0

import Foundation
import JobQueue
import Logging
import Model
import RedisClient
import WorkerRuntime

/// (f) A backlog of a million jobs, most of them of one user: how long scripts take, and how long another user waits.
struct BacklogBench {
    let url: String
    let jobs: Int

    private static let prefix = "benchbacklog"

    /// Takes 2 ms for each job, as a very fast sync would.
    private struct ShortWork: JobHandler {
        let starts: LockedBox<[String: ContinuousClock.Instant]>
        let done: LockedBox<Int>

        func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome {
            if case .key(let key) = job.payload.integration, key.userID.hasPrefix("small") {
                starts.withLock { $0[key.userID] = .now }
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(2)) } catch { return .released }
            done.withLock { $0 += 1 }
            return .finished
        }
    }

    func run() async throws {
        Report.title("(f) a backlog of \(jobs) jobs, nine of ten of one user")
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(configuration: try RedisConfiguration(url: url), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        try await push(redis)
        _ = try await redis.command(["CONFIG", "SET", "slowlog-log-slower-than", "1000"])
        _ = try await redis.command(["CONFIG", "SET", "slowlog-max-len", "10000"])
        _ = try await redis.command(["SLOWLOG", "RESET"])
        try await ScriptTimes.reset(redis)

        let (starts, done) = (LockedBox<[String: ContinuousClock.Instant]>([:]), LockedBox(0))
        var configuration = JobQueueConfiguration()
        configuration.prefix = Self.prefix
        let consumer = JobConsumer(
            queue: JobQueue(redis: redis, configuration: configuration),
            handler: ShortWork(starts: starts, done: done), concurrency: 16, name: "bench", logger: logger)
        let consuming = Task { try await consumer.run() }
        while done.withLock({ $0 }) < 2_000 { try await ContinuousClock().sleep(for: .milliseconds(10)) }
        let isOver = LockedBox(false)
        let spinning = Task { try await spin(redis, until: isOver) }
        let waits = try await waits(redis, starts)
        while done.withLock({ $0 }) < 20_000 { try await ContinuousClock().sleep(for: .milliseconds(10)) }
        consuming.cancel()
        try await consuming.value
        isOver.withLock { $0 = true }
        try await report(redis, waits, spins: try await spinning.value)
    }

    private func push(_ redis: RedisClient) async throws {
        for start in stride(from: 0, to: jobs, by: 1_000) {
            let payloads = (start..<start + 1_000).map { number in
                let user = number % 10 == 0 ? "u_\(number % 5_000)" : "large"
                return RedisArgument(
                    "{\"user_id\":\"\(user)\",\"service\":\"bench\",\"account\":\"a\(number)\",\"type\":\"full\"}"
                )
            }
            _ = try await redis.command(["LPUSH", RedisArgument("\(Self.prefix):queue:default")] + payloads)
        }
    }

    /// How long jobs of users without a backlog wait for their start.
    private func waits(
        _ redis: RedisClient, _ starts: LockedBox<[String: ContinuousClock.Instant]>
    ) async throws -> [Double] {
        var waits: [Double] = []
        for number in 0..<100 {
            let user = "small_\(number)"
            let pushed = ContinuousClock.now
            _ = try await redis.command([
                "LPUSH", RedisArgument("\(Self.prefix):queue:default"),
                RedisArgument("{\"user_id\":\"\(user)\",\"service\":\"bench\",\"type\":\"full\"}"),
            ])
            while starts.withLock({ $0[user] }) == nil {
                guard ContinuousClock.now - pushed < .seconds(30) else {
                    throw BenchFailure("the job of \(user) does not start")
                }
                try await ContinuousClock().sleep(for: .microseconds(500))
            }
            if let started = starts.withLock({ $0[user] }) { waits.append((started - pushed).seconds * 1e3) }
        }
        return waits.sorted()
    }

    /// A script that takes a third of a millisecond and touches nothing: how often it takes longer is the machine's share.
    private func spin(_ redis: RedisClient, until isOver: LockedBox<Bool>) async throws -> Int {
        var calls = 0
        while !isOver.withLock({ $0 }) {
            _ = try await redis.command([
                "EVAL", "local n = 0 for i = 1, 30000 do n = n + i end return n", "0",
            ])
            calls += 1
        }
        return calls
    }

    private func report(_ redis: RedisClient, _ waits: [Double], spins: Int) async throws {
        let entries = try await redis.command(["SLOWLOG", "GET", "-1"]).array ?? []
        func slow(_ command: String) -> [Double] {
            entries.compactMap { entry -> Double? in
                guard let fields = entry.array, fields.count > 3, let time = fields[2].int,
                    fields[3].array?.first?.text?.uppercased() == command
                else { return nil }
                return Double(time) / 1e3
            }
        }
        let scripts = slow("EVALSHA")
        let info = try await redis.command(["INFO", "commandstats"]).text ?? ""
        let calls =
            info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_evalsha:calls=") }
            .map { $0.dropFirst("cmdstat_evalsha:calls=".count).prefix { $0 != "," } }
            .flatMap { Double($0) } ?? 0
        Report.line("scripts that ran", calls, "calls")
        Report.line("  of them over 1 ms, by SLOWLOG", Double(scripts.count), "calls", target: "target 0")
        Report.line("  the longest of those", scripts.max() ?? 0, "ms")
        try await ScriptTimes.report(redis)
        Report.line("limit: scripts that touch no key", Double(spins), "calls")
        Report.line("  of them over 1 ms, by SLOWLOG", Double(slow("EVAL").count), "calls")
        Report.line("another user's job waits, p50", waits[waits.count / 2], "ms")
        Report.line("another user's job waits, p99", waits[waits.count * 99 / 100], "ms")
    }
}

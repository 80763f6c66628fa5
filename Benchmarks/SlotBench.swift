// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Logging
import PostgresClient
import RedisClient

/// (d) One slot of a schedule for many integrations: how fast its jobs are enqueued, and what the scheduler needs for it.
struct SlotBench {
    let environment: BenchEnvironment
    let integrations: Int

    func run() async throws {
        Report.title("(d) one slot for \(integrations) integrations, a lockstep-scheduler process")
        _ = try await environment.pool.query(
            """
            INSERT INTO lockstep.integrations (user_id, service)
            SELECT 'slot_' || n, 'slotbench' FROM generate_series(1, $1::bigint) n
            """, [.int(Int64(integrations))], deadline: .seconds(300))
        _ = try await environment.pool.query("ANALYZE lockstep.integrations", [], deadline: .seconds(60))
        let limit = try await pushLimit()
        Report.line("limit: Redis LPUSH of the payloads, 100 a command", limit, "jobs/s")
        // The slot came a moment ago: the first round of the scheduler takes it.
        _ = try await environment.pool.query("DELETE FROM lockstep.schedules")
        let schedule = try await environment.pool.query(
            """
            INSERT INTO lockstep.schedules (name, cron, type, service, spread_seconds, updated_at)
            VALUES ('slot-bench', '0 0 1 1 *', 'incremental', 'slotbench', 600, now()) RETURNING id
            """
        ).int(0, 0)
        guard let schedule else { throw BenchFailure("the schedule was not made") }
        _ = try await environment.pool.query(
            "INSERT INTO lockstep.schedule_fires (schedule_id, fire_at) VALUES ($1, date_trunc('second', now()))",
            [.int(schedule)])
        let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        let log = "\(FileManager.default.temporaryDirectory.path)/lockstep-bench-scheduler-\(getpid()).log"
        defer { unlink(log) }
        let start = Usage.now()
        let scheduler = try await ChildProcess.start(
            name: "scheduler", program: "\(programs)/lockstep-scheduler", arguments: [],
            environment: environment.cluster.environment, log: log)
        do {
            try await measure(scheduler, since: start, log: log, limit: limit)
        } catch {
            _ = await scheduler.stop()
            throw error
        }
        _ = await scheduler.stop()
    }

    private func measure(_ scheduler: ChildProcess, since start: Usage, log: String, limit: Double)
        async throws
    {
        var peak = 0
        while true {
            try await ContinuousClock().sleep(for: .milliseconds(100))
            peak = max(peak, try Self.peakMemory(of: scheduler))
            let row = try await environment.pool.query(
                """
                SELECT state, enqueued, extract(epoch FROM completed_at - created_at)::float8
                FROM lockstep.schedule_fires
                """)
            guard row.text(0, 0) == "enqueued" else {
                if Usage.now().seconds(since: start) > 300 {
                    throw BenchFailure("the slot is not enqueued after 300 s; see \(log)")
                }
                continue
            }
            guard let seconds = row.double(0, 2), row.int(0, 1) == Int64(integrations) else {
                throw BenchFailure("\(row.int(0, 1) ?? 0) jobs were enqueued, not \(integrations)")
            }
            try await check()
            let rate = Double(integrations) / seconds
            Report.line(
                "enqueued, from the slot to its last job", rate, "jobs/s", limit: limit,
                target: "target 20000")
            Report.line("  time, with the start of the process", seconds, "s")
            Report.line(
                "  peak memory of the scheduler", Double(peak) / 1_048_576, "MiB", target: "target 100")
            return
        }
    }

    /// A slot whose jobs are not all there does not count.
    private func check() async throws {
        let (redis, running) = try connect()
        defer { running.cancel() }
        let ready = try await redis.command(["LLEN", "lockstep:queue:default"]).int ?? 0
        let delayed = try await redis.command(["ZCARD", "lockstep:delayed"]).int ?? 0
        guard ready + delayed == Int64(integrations) else {
            throw BenchFailure("Redis holds \(ready) ready and \(delayed) delayed jobs, not \(integrations)")
        }
        try await ScriptTimes.report(redis)
        print("  checked: \(ready) ready and \(delayed) delayed jobs in Redis")
    }

    /// What Redis takes of the same payloads without anything else, one command after the other.
    private func pushLimit() async throws -> Double {
        let (redis, running) = try connect()
        defer { running.cancel() }
        let count = min(integrations, 200_000)
        let start = Usage.now()
        for first in stride(from: 0, to: count, by: 100) {
            let payloads = (first..<first + 100).map { number in
                RedisArgument(
                    "{\"integration_id\":\(number),\"type\":\"incremental\",\"id\":\"slot:3:1700000000:\(number)\"}"
                )
            }
            _ = try await redis.command(["LPUSH", "slotlimit"] + payloads)
        }
        let rate = Double(count) / Usage.now().seconds(since: start)
        _ = try await redis.command(["DEL", "slotlimit"])
        try await ScriptTimes.reset(redis)
        return rate
    }

    /// The highest resident size of a running process so far, in bytes.
    private static func peakMemory(of process: ChildProcess) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.processID)/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { throw BenchFailure("/proc has no peak memory of \(process.name)") }
        return kilobytes * 1_024
    }

    private func connect() throws -> (RedisClient, Task<Void, any Error>) {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: environment.cluster.servers.redisURL), logger: logger)
        return (redis, Task { try await redis.run() })
    }
}

// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Logging
import Model
import PostgresClient
import RedisClient
import SyncStore
import Testing

/// A Postgres whose clock the test sets, by libfaketime.
@Suite(.serialized) struct `Clocks that are set` {
    /// Starts a Postgres that runs again, with more in its environment. Only the server gets that: libfaketime does not
    /// survive the change of accounts before it.
    private static func restart(
        _ server: ChildProcess, _ environment: [String: String], adding more: [String], log: String
    ) async throws -> ChildProcess {
        let process = "/proc/\(server.processID)"
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "\(process)/exe")
        let words = try String(contentsOfFile: "\(process)/cmdline", encoding: .utf8).split(
            separator: "\0", omittingEmptySubsequences: false
        ).dropFirst().dropLast().map(String.init)
        await server.stop(SIGINT)
        return try await ChildProcess.start(
            name: "postgres", program: "/usr/bin/env", arguments: more + [program] + words,
            environment: environment, log: log, user: "postgres")
    }

    /// Waits until the server answers.
    private static func migrate(_ pool: PostgresPool) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(180))
        while true {
            do {
                _ = try await Migrator(pool: pool).migrate()
                return
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }
        }
    }

    /// Waits until a query counts as many.
    private static func until(
        _ pool: PostgresPool, _ sql: String, atLeast expected: Int64,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(180))
        var found: Int64 = -1
        while ContinuousClock.now < deadline {
            found = try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
            if found >= expected { return }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
        Issue.record("\(sql): \(found) rows, expected \(expected)", sourceLocation: location)
    }

    @Test func `by hours in either direction fire no slot twice and lose none silently`() async throws {
        let directory = "/tmp/lockstep-clock-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { Cluster.remove(directory) }
        let clock = "\(directory)/clock"
        func set(_ offset: String) throws {
            // Replaced at once: a server that reads a half-written file would see another time.
            try offset.write(toFile: clock, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: clock)
        }
        try set("+0")
        let plain = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"]
        let servers = try await PrivateServers.start(
            directory: directory, sockets: DevCluster.scratch(of: directory), environment: plain)
        let postgres = try await Self.restart(
            servers.postgres, plain,
            adding: [
                "LD_PRELOAD=\(try Cluster.fakeTimeLibrary())", "FAKETIME_TIMESTAMP_FILE=\(clock)",
                "FAKETIME_NO_CACHE=1",
                "DONT_FAKE_MONOTONIC=1",
            ], log: "\(directory)/postgres.log")
        var environment = plain
        environment["REDIS_URL"] = servers.redisURL
        environment["DATABASE_URL"] = servers.databaseURL
        environment["LOCKSTEP_LISTEN"] = "127.0.0.1:0"
        let pool = PostgresPool(configuration: try PostgresConfiguration(url: servers.databaseURL))
        try await Self.migrate(pool)
        _ = try await pool.query("DELETE FROM lockstep.schedules")
        _ = try await pool.query(
            "INSERT INTO lockstep.integrations (user_id, service) VALUES ('u', 'stripe')")
        _ = try await pool.query(
            "INSERT INTO lockstep.schedules (name, cron, type) VALUES ('test', '*/5 * * * * *', 'incremental')"
        )
        var schedulers: [ChildProcess] = []
        for name in ["one", "two"] {
            schedulers.append(
                try await ChildProcess.start(
                    name: name, program: "\(Cluster.programs)/lockstep-scheduler", arguments: [],
                    environment: environment, log: "\(directory)/\(name).log"))
        }
        do {
            try await steps(pool, servers, set)
        } catch {
            Issue.record(error)
        }
        for scheduler in schedulers { await scheduler.stop() }
        await pool.close()
        await postgres.stop(SIGINT)
        await servers.stop()
    }

    private func steps(
        _ pool: PostgresPool, _ servers: PrivateServers, _ set: (String) throws -> Void
    ) async throws {
        let fired = "schedule_fires WHERE state = 'enqueued'"
        try await Self.until(pool, fired, atLeast: 2)
        let begin = try await pool.query("SELECT min(fire_at) FROM lockstep.schedule_fires").timestamp(0, 0)

        // Three hours ahead: each of 2,160 slots has its row; those of the last 90 s are not late.
        try set("+3h")
        try await Self.until(pool, "schedule_fires WHERE state = 'skipped'", atLeast: 2_130)
        try await Self.until(pool, fired, atLeast: 4)
        // And back: what was skipped fires in its time.
        try set("+0")
        let before = try await pool.query("SELECT count(*) FROM lockstep.\(fired)").int(0, 0) ?? 0
        try await Self.until(pool, fired, atLeast: before + 2)
        // A scheduler that was in the middle of a round may have added some; they are found within seconds.
        try await Self.until(
            pool,
            "dispatch WHERE NOT EXISTS (SELECT 1 FROM lockstep.schedule_fires "
                + "WHERE fire_at > now() AND state = 'skipped' AND NOT revived)", atLeast: 1)
        // Three hours back, and forward again.
        try set("-3h")
        let there = try await pool.query("SELECT count(*) FROM lockstep.\(fired)").int(0, 0) ?? 0
        try await Self.until(pool, fired, atLeast: there + 2)
        try set("+0")
        try await Self.until(
            pool,
            "dispatch WHERE NOT EXISTS (SELECT 1 FROM lockstep.schedule_fires "
                + "WHERE revived AND fire_at <= now())", atLeast: 1)
        let back = try await pool.query("SELECT count(*) FROM lockstep.\(fired)").int(0, 0) ?? 0
        try await Self.until(pool, fired, atLeast: back + 2)
        _ = try await pool.query("UPDATE lockstep.schedules SET enabled = false")
        try await Self.until(
            pool,
            "dispatch WHERE NOT EXISTS (SELECT 1 FROM lockstep.schedule_fires "
                + "WHERE state = 'enqueueing')", atLeast: 1)

        let begun = try #require(begin)
        let silent = try await pool.query(
            """
            SELECT count(*) FROM generate_series(to_timestamp($1::bigint),
                (SELECT max(fire_at) FROM lockstep.schedule_fires WHERE fire_at <= now()), interval '5 s') slot
            WHERE NOT EXISTS (SELECT 1 FROM lockstep.schedule_fires f WHERE f.fire_at = slot
                AND (f.state = 'enqueued' OR f.skipped_reason IS NOT NULL))
            """, [.int(begun.seconds)])
        #expect(silent.int(0, 0) == 0)
        let rows = try await pool.query("SELECT count(*) FROM lockstep.\(fired)").int(0, 0) ?? -1
        let jobs = try await Self.jobs(servers.redisURL)
        #expect(Set(jobs).count == jobs.count)
        #expect(jobs.count == Int(rows))
    }

    private static func jobs(_ url: String) async throws -> [String] {
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: url), logger: Logger(label: "redis"))
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        let ready = try await redis.command(["LRANGE", "lockstep:queue:default", "0", "-1"]).array ?? []
        let delayed = try await redis.command(["ZRANGE", "lockstep:delayed", "0", "-1"]).array ?? []
        return (ready + delayed).compactMap(\.text).compactMap {
            $0.split(separator: " ").dropFirst(3).first.map(String.init)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Logging
import Model
import RedisClient
import TestSupport
import Testing

/// After each trouble of Redis the worker consumes again, and while one lasts its health says so.
@Suite(.serialized) struct `A worker whose Redis is in trouble` {
    @Test func `goes on after resets, and after connections that die without a word`() async throws {
        try await TroubledCluster.run { troubled in
            troubled.redis.cut()
            try await troubled.consumes()

            troubled.redis.halfClose(.toClient)
            try await troubled.consumes()

            // A hole so short that nobody is told: the connections are dead, and nothing says so.
            troubled.redis.swallow()
            try await ContinuousClock().sleep(for: .milliseconds(200))
            troubled.redis.heal()
            try await troubled.consumes(within: .seconds(7))

            troubled.redis.swallow()
            try await troubled.turnsRed()
            troubled.redis.heal()
            try await troubled.consumes()
            try await troubled.turnsGreen()

            troubled.redis.refuse()
            troubled.redis.cut()
            try await troubled.turnsRed()
            troubled.redis.heal()
            try await troubled.consumes()
        }
    }

    @Test func `goes on after restarts, a long loading, and a slow script`() async throws {
        try await TroubledCluster.run { troubled in
            let servers = troubled.cluster.processes.servers
            try await servers.restartRedis()
            try await troubled.consumes()

            // Each key takes 10 ms to load: about eight seconds.
            try await troubled.fillRedis(keys: 800)
            try await servers.restartRedis(adding: [
                "--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024",
            ])
            try await troubled.turnsRed(saying: "LOADING")
            try await troubled.untilRedisAnswers()
            try await troubled.consumes()
            try await troubled.turnsGreen()

            let redis = troubled.cluster.redis
            _ = try await redis.command(["CONFIG", "SET", "busy-reply-threshold", "100"])
            let script = Task {
                try await redis.blocking(["EVAL", "while true do end", "0"], serverTimeout: .seconds(60))
            }
            try await troubled.turnsRed(saying: "BUSY")
            try await troubled.untilRedisAnswers(asking: ["SCRIPT", "KILL"])
            await #expect(throws: RedisError.self) { try await script.value }
            try await troubled.consumes()
            try await troubled.turnsGreen()
        }
    }

    @Test func `goes on after a failover, a full memory, and lost scripts and content`() async throws {
        try await TroubledCluster.run { troubled in
            let redis = troubled.cluster.redis
            _ = try await redis.command(["REPLICAOF", "127.0.0.1", "1"])
            try await troubled.turnsRed(saying: "READONLY")
            _ = try await redis.command(["REPLICAOF", "NO", "ONE"])
            try await troubled.consumes()
            try await troubled.turnsGreen()

            _ = try await redis.command(["CONFIG", "SET", "maxmemory", "1"])
            try await troubled.turnsGreen()
            _ = try await redis.command(["CONFIG", "SET", "maxmemory", "0"])
            try await troubled.consumes()

            _ = try await redis.command(["SCRIPT", "FLUSH"])
            try await troubled.consumes()

            _ = try await redis.command(["FLUSHALL"])
            try await troubled.consumes()
        }
    }

    @Test func `gives back a job whose lease it could not keep, once it can`() async throws {
        try await TroubledCluster.run(lease: "9s", isBusy: false) { troubled in
            let cluster = troubled.cluster
            _ = try await cluster.control("faults", method: "DELETE")
            // Longer than the lease: meanwhile the run asks Redis for nothing, and so hears nothing of its silence.
            _ = try await cluster.control("faults?kind=slow&milliseconds=15000&user=u_1")
            for user in 1...2 {
                try await cluster.push(
                    "{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\",\"id\":\"kept-\(user)\"}"
                )
            }
            let asked = ContinuousClock.now.advanced(by: .seconds(60))
            while try await !String(
                decoding: cluster.control("ledger?service=stripe&limit=100000", method: "GET"), as: UTF8.self
            ).contains(#""fault":"slow""#), ContinuousClock.now < asked {
                try await ContinuousClock().sleep(for: .milliseconds(10))
            }

            // Long enough for the worker to count the lease as lost, and not for Redis.
            troubled.redis.swallow()
            let silent = ContinuousClock.now
            let limit = silent.advanced(by: .seconds(60))
            while try !troubled.log().contains("run was overtaken"), ContinuousClock.now < limit {
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
            #expect(silent.duration(to: .now) < .seconds(9), "the job went on when its lease was over")
            troubled.redis.heal()

            try await cluster.until(
                "sync_log WHERE status = 'succeeded' AND job_id = 'kept-1'", is: 1, within: .seconds(90))
        }
    }

    @Test func `serves the other queues while one has the wrong type`() async throws {
        try await TroubledCluster.run { troubled in
            let redis = troubled.cluster.redis
            _ = try await redis.command(["SET", "lockstep:queue:high", "not a list"])
            try await troubled.consumes()
            try await troubled.consumes(queue: "low")
            try await troubled.turnsGreen()

            _ = try await redis.command(["DEL", "lockstep:queue:high"])
            try await troubled.consumes(queue: "high")
        }
    }

    @Test func `says which permission it lacks, and goes on when it has it back`() async throws {
        try await TroubledCluster.run(
            redisLogin: "worker:old@",
            prepare: { cluster in
                _ = try await cluster.redis.command(["ACL", "SETUSER", "worker", "on", ">old", "~*", "+@all"])
            }
        ) { troubled in
            let redis = troubled.cluster.redis
            _ = try await redis.command(["ACL", "SETUSER", "worker", "-evalsha"])
            try await troubled.turnsRed(saying: "NOPERM")
            _ = try await redis.command(["ACL", "SETUSER", "worker", "+evalsha"])
            try await troubled.consumes()
            try await troubled.turnsGreen()

            // Without the right to wait for work it asks for it.
            _ = try await redis.command(["ACL", "SETUSER", "worker", "-blmove"])
            try await troubled.consumes()
            try await troubled.turnsGreen()
            _ = try await redis.command(["ACL", "SETUSER", "worker", "+blmove"])

            // A new password takes effect at the next login.
            _ = try await redis.command(["ACL", "SETUSER", "worker", "resetpass", ">new"])
            try await troubled.consumes()
            troubled.redis.cut()
            try await troubled.turnsRed(saying: "WRONGPASS")
            _ = try await redis.command(["ACL", "SETUSER", "worker", ">old"])
            try await troubled.consumes()
            try await troubled.turnsGreen()

            _ = try await redis.command(["ACL", "DELUSER", "worker"])
            try await troubled.turnsRed(saying: "WRONGPASS")
            _ = try await redis.command(["ACL", "SETUSER", "worker", "on", ">old", "~*", "+@all"])
            try await troubled.consumes()
            try await troubled.turnsGreen()
        }
    }
}

extension TroubledCluster {
    /// Puts keys into the base file of the append-only log, while which is loaded Redis says so.
    fileprivate func fillRedis(keys: Int) async throws {
        _ = try await cluster.redis.command([
            "EVAL", RedisArgument("for i = 1, \(keys) do redis.call('SET', 'filler:' .. i, i) end"), "0",
        ])
        _ = try await cluster.redis.command(["BGREWRITEAOF"])
        let limit = ContinuousClock.now.advanced(by: .seconds(90))
        while ContinuousClock.now < limit {
            let info = try await cluster.redis.command(["INFO", "persistence"]).text ?? ""
            if info.contains("aof_rewrite_in_progress:0"), info.contains("aof_rewrite_scheduled:0") { return }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        Issue.record("the append-only log was not rewritten")
    }

    /// Asks Redis on a connection of its own until it does what it is asked.
    fileprivate func untilRedisAnswers(asking command: [RedisArgument] = ["PING"]) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while ContinuousClock.now < limit {
            do throws(RedisError) {
                _ = try await cluster.redis.command(command)
                return
            } catch {
                guard [nil, "LOADING", "BUSY"].contains(error.serverPrefix) else { throw error }
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
        }
        Issue.record("Redis did not answer")
    }
}

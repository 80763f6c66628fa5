// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Model
import PostgresClient
import RedisClient
import SyncStore
import Testing

@Suite(.serialized) struct `A cluster` {
    @Test func `runs what redis-cli pushes, and keeps what is no job with a reason`() async throws {
        try await Cluster.run(workers: 1, users: 2, objects: 50) { cluster in
            try await cluster.connect("stripe", users: 2)

            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#, queue: "low")
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            try await cluster.push(#"{"user":"u_1","service":"stripe","type":"full"}"#)
            try await cluster.push(#"{"user_id":"nobody","service":"stripe","type":"full"}"#)
            try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"action","ref":1}"#)

            let deadline = ContinuousClock.now.advanced(by: .seconds(60))
            var letters: [DeadLetter] = []
            while letters.count < 3, ContinuousClock.now < deadline {
                letters = try await cluster.queue.deadLetters().letters
            }
            let reasons = letters.map(\.reason).joined(separator: "\n")
            #expect(reasons.contains("user_id"))
            #expect(reasons.contains("there is no integration nobody/stripe"))
            #expect(reasons.contains("has no action 1"))
            #expect(try await cluster.differences("stripe", users: 1) == 0)
        }
    }

    @Test func `stops a cancelled job within a second, and a paused user's jobs wait until the resume`()
        async throws
    {
        try await Cluster.run(workers: 1, users: 2, objects: 2_000) { cluster in
            try await cluster.connect("stripe", users: 2)
            _ = try await cluster.control("faults?kind=slow&milliseconds=300&times=1000")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full","id":"long"}"#)
            try await cluster.until("sync_log WHERE status = 'running' AND job_id = 'long'", is: 1)
            let asked = ContinuousClock.now
            #expect(try await cluster.queue.cancel(jobID: "long"))
            try await cluster.until("sync_log WHERE status = 'cancelled' AND job_id = 'long'", is: 1)
            #expect(ContinuousClock.now - asked < .seconds(2))

            try await cluster.queue.pause(.user("u_2"))
            try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"full","id":"waits"}"#)
            let deadline = ContinuousClock.now.advanced(by: .seconds(60))
            while try await cluster.queue.statistics().parked != 1, ContinuousClock.now < deadline {}
            #expect(try await cluster.count("sync_log WHERE job_id = 'waits'") == 0)
            #expect(try await cluster.queue.resume(.user("u_2")) == 1)
            try await cluster.until("sync_log WHERE job_id = 'waits'", is: 1)
        }
    }

    @Test func `loses no job and doubles no work while its workers are killed`() async throws {
        // CHAOS=long: 200 integrations and a minute of kills; a few seconds otherwise.
        let isLong = ProcessInfo.processInfo.environment["CHAOS"] == "long"
        let (users, objects, kills) = isLong ? (100, 1_000, 200) : (12, 300, 12)
        try await Cluster.run(workers: 3, users: users, objects: objects) { cluster in
            try await cluster.connect("stripe", users: users)
            try await cluster.connect("google-calendar", users: users)
            let services = ["stripe", "google-calendar"]
            for user in 1...users {
                for service in services {
                    try await cluster.push(
                        "{\"user_id\":\"u_\(user)\",\"service\":\"\(service)\",\"type\":\"full\"}")
                }
            }

            // A worker dies every 300 ms, and another takes its place.
            for _ in 0..<kills {
                try await ContinuousClock().sleep(for: .milliseconds(300))
                _ = cluster.processes.killWorker()
                try await cluster.processes.startWorker()
            }
            try await cluster.until(
                "integrations i WHERE NOT EXISTS (SELECT 1 FROM lockstep.sync_log l "
                    + "WHERE l.integration_id = i.id AND l.status = 'succeeded')", is: 0,
                within: .seconds(isLong ? 480 : 180))
            try await cluster.until("sync_log WHERE status = 'running'", is: 0, within: .seconds(90))

            for service in services { #expect(try await cluster.differences(service, users: users) == 0) }
            #expect(try await cluster.count("deletions") == 0)
            #expect(try await cluster.count("sync_log WHERE completed_at IS NULL") == 0)
            // Each page counts once: what was added is what there is, over all attempts together.
            let sums = try await cluster.pool.query(
                "SELECT sum(records_added)::bigint, (SELECT count(*) FROM lockstep.records) FROM lockstep.sync_log"
            )
            #expect(sums.int(0, 0) == sums.int(0, 1))
            let letters = try await cluster.queue.deadLetters().letters
            #expect(letters.isEmpty, "\(letters.map { "\($0.code): \($0.reason)" })")
        }
    }

    @Test func `refuses the commit of a worker that was stopped for longer than its lease`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 300, lease: "3s") { cluster in
            try await cluster.connect("stripe", users: 1)
            // Each page takes a while, so that the worker is stopped in the middle.
            _ = try await cluster.control("faults?kind=slow&milliseconds=300&times=1000")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'running'", is: 1)

            let stopped = try #require(cluster.processes.signalWorker(SIGSTOP))
            try await cluster.processes.startWorker()
            try await cluster.until("sync_log WHERE status = 'superseded'", is: 1, within: .seconds(90))
            #expect(cluster.processes.signal(stopped, SIGCONT))
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)

            #expect(try await cluster.count("sync_log") == 2)
            #expect(try await cluster.differences("stripe", users: 1) == 0)
            let sums = try await cluster.pool.query(
                "SELECT sum(records_added)::bigint, (SELECT count(*) FROM lockstep.records) FROM lockstep.sync_log"
            )
            #expect(sums.int(0, 0) == sums.int(0, 1))
        }
    }

    @Test func `runs a job again whose worker gave its lease up before anybody else took it`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 300, lease: "3s") { cluster in
            try await cluster.connect("stripe", users: 1)
            _ = try await cluster.control("faults?kind=slow&milliseconds=300&times=1000")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'running'", is: 1)

            // Longer than two thirds of the lease: the worker counts it as lost. Redis may not yet.
            let name = try #require(cluster.processes.signalWorker(SIGSTOP))
            try await ContinuousClock().sleep(for: .milliseconds(2_100))
            #expect(cluster.processes.signal(name, SIGCONT))

            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            try await cluster.until("sync_log WHERE status = 'running'", is: 0)
            #expect(try await cluster.differences("stripe", users: 1) == 0)
        }
    }

    @Test func `drains on SIGTERM and loses nothing`() async throws {
        try await Cluster.run(workers: 1, users: 2, objects: 300) { cluster in
            try await cluster.connect("stripe", users: 2)
            _ = try await cluster.control("faults?kind=slow&milliseconds=800&times=1000")
            for user in 1...2 {
                try await cluster.push("{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
            }
            try await cluster.until("sync_log WHERE status = 'running'", is: 2)

            let name = try #require(cluster.processes.signalWorker(SIGTERM))
            #expect(await cluster.processes.exit(of: name) == .code(0))
            #expect(
                try await cluster.count("sync_log WHERE status = 'yielded' AND error_code = 'drained'") == 2)
            try await cluster.processes.startWorker()
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 2)

            #expect(try await cluster.differences("stripe", users: 2) == 0)
            #expect(try await cluster.count("sync_log WHERE attempt > 1") == 0)
        }
    }

    @Test
    func
        `keeps the jobs of a full Redis, which refuses new ones and requests, and runs them when there is room`()
        async throws
    {
        try await Cluster.run(workers: 1, users: 2, objects: 50) { cluster in
            try await cluster.connect("stripe", users: 2)
            _ = try await cluster.redis.command(["CONFIG", "SET", "maxmemory", "1"])
            let error = await #expect(throws: RedisError.self) {
                try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#)
            }
            #expect(error?.serverPrefix == "OOM")

            _ = try await cluster.redis.command(["CONFIG", "SET", "maxmemory", "0"])
            for user in 1...2 {
                try await cluster.push("{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
            }
            _ = try await cluster.redis.command(["CONFIG", "SET", "maxmemory", "1"])
            // Limits are not kept there, so no request goes out; the jobs are given back without an attempt charged.
            try await cluster.until(
                "sync_log WHERE error_code = 'limits_unavailable' OR status = 'succeeded'", atLeast: 2)
            _ = try await cluster.redis.command(["CONFIG", "SET", "maxmemory", "0"])

            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 2)
            #expect(try await cluster.count("sync_log WHERE attempt > 1") == 0)
            #expect(try await cluster.queue.deadLetters().total == 0)
        }
    }

    @Test func `fires its schedules`() async throws {
        try await Cluster.run(workers: 1, users: 3, objects: 20) { cluster in
            try await cluster.connect("stripe", users: 3)
            _ = try await cluster.pool.query(
                """
                INSERT INTO lockstep.schedules (name, cron, type, spread_seconds) VALUES ('each-second', '* * * * * *', 'incremental', 0)
                """)

            try await cluster.until(
                "integrations i WHERE NOT EXISTS (SELECT 1 FROM lockstep.sync_log l "
                    + "WHERE l.integration_id = i.id AND l.status = 'succeeded')", is: 0)

            #expect(try await cluster.count("schedule_fires WHERE state = 'enqueued' AND enqueued = 3") > 0)
            #expect(try await cluster.differences("stripe", users: 3) == 0)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Model
import PostgresClient
import RedisClient
import Testing

@Suite(.serialized) struct `A cluster with a backlog` {
    /// How long one sync of a user takes from its push to the end of its run.
    private func time(_ cluster: Cluster, user: String, id: String, queue: String) async throws -> Duration {
        let pushed = ContinuousClock.now
        try await cluster.push(
            "{\"user_id\":\"\(user)\",\"service\":\"stripe\",\"type\":\"full\",\"id\":\"\(id)\"}",
            queue: queue)
        try await cluster.until("sync_log WHERE job_id = '\(id)' AND status = 'succeeded'", is: 1)
        return ContinuousClock.now - pushed
    }

    /// Takes what is ready away and waits for what runs.
    private func forgetBacklog(_ cluster: Cluster, _ queue: String) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        var statistics: QueueStatistics
        repeat {
            for name in ["queue:\(queue)", "lanes:\(queue)", "turns:\(queue)", "inbox:\(queue)", "waiting"] {
                _ = try await cluster.redis.command(["DEL", RedisArgument("lockstep:\(name)")])
            }
            statistics = try await cluster.queue.statistics()
        } while (statistics.inFlight != 0 || statistics.parked != 0) && ContinuousClock.now < deadline
        #expect(statistics.inFlight == 0)
    }

    @Test func `of one user delays another user's job little, in every queue`() async throws {
        try await Cluster.run(workers: 1, users: 20, objects: 100) { cluster in
            try await cluster.connect("stripe", users: 20)
            // The neighbour has many accounts, each with jobs of its own.
            for account in 0..<400 {
                try await cluster.connect(
                    IntegrationKey(userID: "u_20", service: "stripe", account: "a\(account)"))
            }
            _ = try await cluster.control("faults?kind=slow&milliseconds=20&times=100000")
            for (number, queue) in ["high", "default", "low"].enumerated() {
                let solo = try await time(
                    cluster, user: "u_\(number * 2 + 1)", id: "solo-\(queue)", queue: queue)
                for account in 0..<400 {
                    for type in ["full", "incremental"] {
                        try await cluster.push(
                            "{\"user_id\":\"u_20\",\"service\":\"stripe\",\"account\":\"a\(account)\",\"type\":\"\(type)\"}",
                            queue: queue)
                    }
                }
                let beside = try await time(
                    cluster, user: "u_\(number * 2 + 2)", id: "beside-\(queue)", queue: queue)
                // A slot has to come free, on a machine that others use too.
                #expect(
                    beside < solo * 2 + .seconds(3), "\(queue): \(solo) alone, \(beside) beside a backlog")
                try await forgetBacklog(cluster, queue)
            }
        }
    }

    @Test func `stops within 100 ms of a queue's pause`() async throws {
        try await Cluster.run(workers: 2, users: 10, objects: 10) { cluster in
            for number in 0..<400 {
                try await cluster.connect(
                    IntegrationKey(userID: "u_\(number % 10 + 1)", service: "stripe", account: "a\(number)"))
            }
            _ = try await cluster.control("faults?kind=slow&milliseconds=50&times=100000")
            for number in 0..<400 {
                try await cluster.push(
                    "{\"user_id\":\"u_\(number % 10 + 1)\",\"service\":\"stripe\",\"account\":\"a\(number)\",\"type\":\"full\",\"id\":\"j\(number)\"}"
                )
            }
            try await cluster.until("sync_log WHERE status = 'succeeded' AND job_id = 'j0'", is: 1)
            try await cluster.queue.pause(.queue(.default))
            let paused = try #require(
                try await cluster.pool.query("SELECT (extract(epoch FROM now()) * 1000000)::bigint").int(0, 0)
            )
            let before = try await cluster.queue.statistics()
            #expect(before.ready[.default, default: 0] > 0, "the backlog was too short")
            try await cluster.until("sync_log WHERE status = 'running'", is: 0)
            let late = try await cluster.count(
                "sync_log WHERE extract(epoch FROM started_at) * 1000000 > \(paused + 100_000)")
            #expect(late == 0)
            // What is ready stays, and goes on after the resume.
            let stopped = try await cluster.queue.statistics().ready[.default]
            #expect(stopped.map { $0 > 0 } == true)
            try await cluster.queue.resume(.queue(.default))
            let deadline = ContinuousClock.now.advanced(by: .seconds(20))
            while try await cluster.queue.statistics().ready[.default] == stopped,
                ContinuousClock.now < deadline
            {}
            #expect(try await cluster.queue.statistics().ready[.default] != stopped)
        }
    }
}

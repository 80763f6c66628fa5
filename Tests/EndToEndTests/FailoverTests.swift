// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Logging
import RedisClient
import TestSupport
import Testing

@Suite(.serialized) struct `A worker whose Redis fails over` {
    /// A Redis with a replica, in which the keys of one prefix are, and the end of its master.
    struct Place: Sendable {
        let url: String
        let prefix: String
        let kill: @Sendable () -> Void
    }

    @Test func `goes on with its job and takes others, with sentinels`() async throws {
        let setup = try await SentinelSetup.start()
        try await Self.survive(
            Place(url: setup.url, prefix: "lockstep", kill: { setup.servers[0].kill() }))
        try await RedisServer.until("the sentinels agree on the replica") { try await setup.master() == 1 }
    }

    @Test func `goes on with its job and takes others, in a cluster`() async throws {
        let cluster = try await RedisClusterSetup.start(nodeTimeout: .seconds(1))
        let (prefix, _) = try await cluster.makePrefix()
        try await Self.survive(
            Place(url: cluster.url(), prefix: prefix, kill: { cluster.nodes[0].kill() }))
    }

    @Test(arguments: ["lockstep-worker", "lockstep-scheduler", "lockstep"])
    func `is refused a cluster whose prefix has no hash tag`(program: String) async throws {
        let log = "/tmp/lockstep-prefix-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).log"
        defer { Cluster.remove(log) }
        let environment = [
            "REDIS_URL": "redis+cluster://127.0.0.1:7000", "DATABASE_URL": "postgres://nowhere/db",
            "LOCKSTEP_KEYS": "k1:\(String(repeating: "A", count: 43))=", "LOCKSTEP_PREFIX": "lockstep",
        ]
        let process = try await ChildProcess.start(
            name: program, program: "\(Cluster.programs)/\(program)",
            arguments: program == "lockstep" ? ["queue", "stats"] : [], environment: environment, log: log)
        #expect(await process.wait() == .code(78))
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(text.contains("LOCKSTEP_PREFIX: 'lockstep' has no braces, but REDIS_URL is a cluster"))
        #expect(text.contains("allowed: a hash tag, such as {lockstep}"))
    }

    private static func survive(_ place: Place) async throws {
        try await Cluster.run(users: 2, objects: 300, starting: false) { cluster in
            try await cluster.connect("stripe", users: 2)
            // Each page takes a while, so that the job runs when its Redis dies.
            _ = try await cluster.control("faults?kind=slow&milliseconds=300&times=1000")
            var environment = cluster.processes.environment
            environment["REDIS_URL"] = place.url
            environment["LOCKSTEP_PREFIX"] = place.prefix
            // The servers of these tests write no files.
            environment["LOCKSTEP_ALLOW_LOSSY_REDIS"] = "1"
            environment["LOCKSTEP_LEASE"] = "30s"
            let log = "/tmp/lockstep-failover-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).log"
            defer { Cluster.remove(log) }
            let worker = try await ChildProcess.start(
                name: "worker", program: "\(Cluster.programs)/lockstep-worker", arguments: [],
                environment: environment, log: log)
            do {
                try await survive(place, cluster)
            } catch {
                await worker.stop()
                throw error
            }
            #expect(await worker.stop() == .code(0))
        }
    }

    private static func survive(_ place: Place, _ cluster: Cluster) async throws {
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: place.url, keyPrefix: place.prefix),
            logger: Logger(label: "redis"))
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        func push(_ user: String) async throws {
            let list = RedisArgument("\(place.prefix):queue:default")
            let payload = #"{"user_id":"\#(user)","service":"stripe","type":"full"}"#
            _ = try await redis.command(["LPUSH", list, RedisArgument(payload)], deadline: .seconds(90))
        }

        try await push("u_1")
        try await cluster.until("sync_log WHERE status = 'running'", is: 1)
        #expect(try await redis.command(["WAIT", "1", "20000"], deadline: .seconds(30)).int == 1)
        place.kill()
        do {
            try await push("u_2")
        } catch let error as RedisError where error.code == .connectionLost {
            // It went to the dead one, before anybody noticed.
            try await push("u_2")
        }
        try await cluster.until("sync_log WHERE status = 'succeeded'", is: 2)

        // A run that meets the limiter in the wrong moment is given back, and goes on in another. Nothing else may happen.
        #expect(
            try await cluster.count(
                "sync_log WHERE attempt > 1 OR status <> 'succeeded' "
                    + "AND (status <> 'yielded' OR error_code IS DISTINCT FROM 'limits_unavailable')") == 0,
            "no job failed or ran twice")
        #expect(try await cluster.differences("stripe", users: 2) == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

// One after the other: each has half a dozen servers.
@Suite(.serialized) struct `The queue of a Redis that fails over` {
    @Test func `loses no job and doubles none while its slot moves from node to node of a cluster`()
        async throws
    {
        let cluster = try await RedisClusterSetup.start()
        let (prefix, slot) = try await cluster.makePrefix()
        try await withQueue(at: cluster.url(), prefix: prefix) { fixture in
            let isSettled = LockedBox(false)
            /// Known when the slot has moved for the last time: until then there is always work.
            let total = LockedBox<Int?>(nil)
            let done = try await withThrowingTaskGroup(of: [String].self) { group in
                group.addTask {
                    try await Self.moveAround(cluster, slot, fixture)
                    isSettled.withLock { $0 = true }
                    return []
                }
                group.addTask {
                    var count = 0
                    while true {
                        // Never a long queue, so that workers wait for pushes too.
                        if try await fixture.counter("finished") + 10 < count { continue }
                        try await fixture.queue.enqueue([Array(payload("u\(count)").utf8)], in: .default)
                        count += 1
                        if isSettled.withLock({ $0 }) { break }
                    }
                    total.withLock { [count] in $0 = count }
                    return []
                }
                for _ in 0..<2 {
                    group.addTask {
                        try await Self.work(fixture.queue) { finished in
                            total.withLock { $0 } == finished
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(done.count == total.withLock { $0 })
            #expect(Set(done).count == done.count)
            #expect(try await fixture.counter("finished") == done.count)
            try await fixture.expectNothingInFlight()
        }
        #expect(try await cluster.refusals("MOVED").allSatisfy { $0 > 0 })
        let (asked, told) = (try await cluster.refusals("ASK"), try await cluster.refusals("TRYAGAIN"))
        #expect(zip(asked, told).allSatisfy { $0 + $1 > 0 }, "\(asked) \(told)")
    }

    @Test func `goes on with the replica when the master is killed, with sentinels`() async throws {
        let setup = try await SentinelSetup.start()
        try await withQueue(at: setup.url) { fixture in
            try await survive(fixture, loss: { setup.servers[0].kill() })
        }
        // The client may hear of the replica from the first sentinel that knows, before the others do.
        try await RedisServer.until("the sentinels agree on the replica") { try await setup.master() == 1 }
    }

    @Test func `goes on with the replica when the owner of its keys dies, in a cluster`() async throws {
        let cluster = try await RedisClusterSetup.start(nodeTimeout: .seconds(1))
        let (prefix, _) = try await cluster.makePrefix()
        try await withQueue(at: cluster.url(), prefix: prefix) { fixture in
            try await survive(fixture, loss: { cluster.nodes[0].kill() })
        }
        #expect(try await cluster.nodes[3].cli("INFO", "replication").contains("role:master"))
    }

    /// Moves the slot to each other master and back, each time in the middle of work.
    private static func moveAround(
        _ cluster: RedisClusterSetup, _ slot: Int, _ fixture: QueueFixture
    ) async throws {
        for (source, target) in [(0, 1), (1, 2), (2, 0)] {
            let finished = try await fixture.counter("finished")
            try await RedisServer.until("jobs are done at the owner") {
                try await fixture.counter("finished") > finished + 5
            }
            try await cluster.beginMove(slot: slot, from: source, to: target)
            try await RedisServer.until("the queue is refused by redirects") {
                try await cluster.refusals("ASK", by: source) + cluster.refusals("TRYAGAIN", by: source) > 0
            }
            try await cluster.move(slot: slot, from: source, to: target)
        }
    }

    /// Claims and finishes jobs until the number of finished ones is enough; the ids of its own.
    private static func work(_ queue: JobQueue, until isEnough: (Int) -> Bool) async throws -> [String] {
        var done: [String] = []
        let limit = ContinuousClock.now + .seconds(240)
        while ContinuousClock.now < limit {
            let reply = try await queue.claim(limit: 3)
            for job in reply.jobs {
                #expect(try await queue.renew([job.lease]).isEmpty)
                #expect(try await queue.finish(job.lease))
                done.append(job.id)
            }
            if isEnough(try await queue.statistics().counters["finished"] ?? 0) { break }
            if reply.taken == 0 {
                _ = try await queue.waitForWork(in: Queue.allCases, upTo: .milliseconds(200))
            }
        }
        return done
    }
}

/// Jobs that the replica has are run after the server with them was lost, and every operation works again.
private func survive(_ fixture: QueueFixture, loss: () -> Void) async throws {
    try await fixture.queue.enqueue((0..<20).map { Array(payload("u\($0)").utf8) }, in: .default)
    let held = try await fixture.claimOne()
    #expect(try await fixture.redis.command(["WAIT", "1", "20000"], deadline: .seconds(30)).int == 1)
    loss()

    var jobs = [held]
    try await RedisServer.until("jobs are claimed again") {
        do throws(QueueError) {
            jobs += try await fixture.queue.claim(limit: 100).jobs
        } catch {
            // A claim that broke off took nothing: its server was gone.
            #expect(error.code == .unavailable)
            return false
        }
        return jobs.count == 20
    }
    #expect(Set(jobs.map(\.id)).count == 20)
    #expect(try await fixture.queue.renew(jobs.map(\.lease)).isEmpty)
    #expect(try await fixture.queue.finish(jobs.map(\.lease)).isEmpty)

    let waiting = Task { try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .seconds(60)) }
    try await fixture.push(payload("late"))
    #expect(try await waiting.value == .work)
    let late = try await fixture.claimOne()
    #expect(try await fixture.queue.deadLetter(late, code: "x", reason: "x", detail: "x"))
    try await fixture.expectNothingInFlight()
}

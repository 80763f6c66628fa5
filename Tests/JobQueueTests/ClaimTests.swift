// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A claim` {
    @Test func `returns a pushed payload as a job and leaves its bytes untouched`() async throws {
        try await withQueue { fixture in
            let pushed =
                #" { "service" : "stripe","user_id":"u_é", "type":"full", "streams":["a"] , "id":"my:job-1" }"#
            try await fixture.push(pushed)

            let job = try await fixture.claimOne()

            #expect(job.id == "my:job-1")
            #expect(Array(job.payloadBytes) == Array(pushed.utf8))
            #expect(job.payload.integration == .key(IntegrationKey(userID: "u_é", service: "stripe")))
            #expect(job.payload.streams == ["a"])
            #expect(job.attempt == 1 && job.recoveries == 0 && job.queue == .default)
            #expect(abs(job.enqueuedAt.milliseconds - Timestamp.now().milliseconds) < 60_000)
            #expect(try await fixture.queue.finish(job.lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `gives a job without an id a UUIDv7`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u2"))
            let jobs = try await fixture.claimAll()
            #expect(jobs.count == 2 && jobs[0].id != jobs[1].id)
            for job in jobs {
                let pattern = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/
                #expect(job.id.wholeMatch(of: pattern) != nil, "\(job.id)")
            }
        }
    }

    @Test func `takes high before default before low, and the oldest of each first`() async throws {
        try await withQueue { fixture in
            for queue in ["low", "default", "high"] {
                try await fixture.push(payload("\(queue)1"), payload("\(queue)2"), to: queue)
            }
            let users = try await fixture.claimAll(limit: 4).map { job -> String in
                if case .key(let key) = job.payload.integration { key.userID } else { "" }
            }
            #expect(users == ["high1", "high2", "default1", "default2", "low1", "low2"])
        }
    }

    @Test func `takes no more than its limit and leaves the rest ready`() async throws {
        try await withQueue { fixture in
            for number in 0..<5 { try await fixture.push(payload("u\(number)")) }
            let reply = try await fixture.queue.claim(limit: 3)
            #expect(reply.jobs.count == 3)
            #expect(try await fixture.queue.statistics().ready[.default] == 2)
            #expect(reply.openQueues == [.high, .default, .low])
        }
    }

    @Test func `of a process for some queues leaves the others alone`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), to: "high")
            var configuration = fixture.queue.configuration
            configuration.queues = [.low, .default]
            let other = JobQueue(redis: fixture.redis, configuration: configuration)
            #expect(try await other.claim(limit: 9).taken == 0)
        }
    }

    @Test func `takes from the inbox before the queue`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("later"))
            _ = try await fixture.redis.command([
                "LPUSH", fixture.key("inbox:default"), RedisArgument(payload("woken")),
            ])
            let job = try await fixture.claimOne()
            #expect(job.payload.integration == .key(IntegrationKey(userID: "woken", service: "stripe")))
        }
    }

    @Test func `that nobody finishes loses nothing`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"job""#))
            let dead = try await fixture.mortal.claim(limit: 1)
            #expect(dead.jobs.count == 1)

            let reaped = try await fixture.reapUntilRecovered()
            #expect(reaped.recovered == 1 && reaped.problems.isEmpty)

            let job = try await fixture.claimOne()
            #expect(job.id == "job" && job.recoveries == 1 && job.attempt == 1)
            #expect(try await fixture.queue.finish(dead.jobs[0].lease) == false)
            #expect(try await fixture.queue.renew([dead.jobs[0].lease]) == [dead.jobs[0].lease])
            #expect(try await fixture.queue.finish(job.lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `by many workers at once loses and doubles nothing`() async throws {
        try await withQueue { fixture in
            let count = 3_000
            let payloads = (0..<count).map { Array(payload("u\($0)", more: #","id":"j\#($0)""#).utf8) }
            try await fixture.queue.enqueue(payloads, in: .default)

            let ids = try await withThrowingTaskGroup(of: [String].self) { group in
                for limit in [1, 3, 10, 40, 100, 100] {
                    group.addTask {
                        var done: [String] = []
                        while true {
                            let jobs = try await fixture.queue.claim(limit: limit).jobs
                            if jobs.isEmpty { return done }
                            #expect(try await fixture.queue.finish(jobs.map(\.lease)).isEmpty)
                            done += jobs.map(\.id)
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }

            #expect(ids.count == count)
            #expect(Set(ids).count == count)
            #expect(try await fixture.counter("finished") == count)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `with workers that die at random still runs every job`() async throws {
        try await withQueue { fixture in
            let count = 300
            let payloads = (0..<count).map { Array(payload("u\($0)", more: #","id":"j\#($0)""#).utf8) }
            try await fixture.queue.enqueue(payloads, in: .low)
            var configuration = fixture.mortal.configuration
            configuration.poisonLimit = 1_000
            let worker = JobQueue(redis: fixture.redis, configuration: configuration)

            let finished = LockedBox<Set<String>>([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        while finished.withLock({ $0.count }) < count {
                            _ = try await worker.reap()
                            let jobs = try await worker.claim(limit: 20).jobs
                            for job in jobs where Bool.random() {
                                if try await worker.finish(job.lease) {
                                    let isNew = finished.withLock { $0.insert(job.id).inserted }
                                    #expect(isNew)
                                }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `keeps its reply small when the payloads are large`() async throws {
        try await withQueue { fixture in
            let space = String(repeating: " ", count: 50_000)
            let large = (0..<80).map { Array(payload("u\($0)", more: space).utf8) }
            try await fixture.queue.enqueue(large, in: .default)

            let first = try await fixture.queue.claim(limit: 100)
            #expect(first.jobs.count < 25 && first.jobs.count > 15)
            let rest = try await fixture.claimAll()
            #expect(first.jobs.count + rest.count == 80)
            let users = (first.jobs + rest).map(\.payload.integration)
            #expect(users == (0..<80).map { .key(IntegrationKey(userID: "u\($0)", service: "stripe")) })
        }
    }

    @Test func `needs no write when there is nothing to take`() async throws {
        try await withQueue { fixture in
            let reply = try await fixture.queue.claim(limit: 5)
            #expect(
                reply.taken == 0 && reply.jobs.isEmpty && reply.nextDueIn == nil && reply.problems.isEmpty)
            let keys = try await fixture.redis.command(["KEYS", RedisArgument("\(fixture.prefix)*")])
            #expect(keys == .array([]))
        }
    }

    @Test func `drops the same job under the same id, and refuses another one under it`() async throws {
        try await withQueue { fixture in
            let first = payload("u1", more: #","id":"x""#)
            try await fixture.push(first, first, payload("u2", more: #","id":"x""#))
            let jobs = try await fixture.claimAll()
            #expect(jobs.map(\.id) == ["x"])
            #expect(try await fixture.counter("coalesced") == 1)
            let letters = try await fixture.queue.deadLetters()
            #expect(
                letters.letters.map(\.reason) == [
                    "another job with the id \"x\" is in flight; give each job its own id"
                ])
        }
    }
}

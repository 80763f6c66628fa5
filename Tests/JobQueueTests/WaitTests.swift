// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

@Suite struct `A wait for work` {
    @Test(arguments: Queue.allCases)
    func `ends when a job is pushed`(queue: Queue) async throws {
        try await withQueue { fixture in
            let waiting = Task { try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .seconds(60)) }
            try await fixture.push(payload("u1"), to: queue.rawValue)
            #expect(try await waiting.value == .work)
            #expect(try await fixture.claimAll().map(\.queue) == [queue])
        }
    }

    @Test func `ends after its time`() async throws {
        try await withQueue { fixture in
            let onQueues = try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .milliseconds(30))
            let onNothing = try await fixture.queue.waitForWork(in: [], upTo: .milliseconds(10))
            #expect(onQueues == .timeout && onNothing == .timeout)
        }
    }

    @Test func `costs one command per queue`() async throws {
        let server = try await RedisServer()
        try await withQueue(at: server.url) { fixture in
            // The first wait makes the connections.
            _ = try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .milliseconds(20))
            _ = try await fixture.redis.command(["CONFIG", "RESETSTAT"])
            _ = try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .milliseconds(200))
            let statistics = try await fixture.redis.command(["INFO", "commandstats"]).text ?? ""
            let names = statistics.split(whereSeparator: \.isNewline).dropFirst().map {
                $0.prefix { $0 != ":" }
            }
            #expect(Set(names).subtracting(["cmdstat_config|resetstat"]) == ["cmdstat_blmove"])
            #expect(statistics.contains("cmdstat_blmove:calls=3,"))
        }
    }

    @Test func `ends soon when it is cancelled and takes nothing with it`() async throws {
        try await withQueue { fixture in
            let waiting = Task { try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .seconds(60)) }
            try await Task.sleep(for: .milliseconds(10))
            waiting.cancel()
            #expect(try await waiting.value == .timeout)
            try await fixture.push(payload("u1"))
            #expect(try await fixture.claimAll().count == 1)
        }
    }

    @Test func `of many workers ends for one of them per push`() async throws {
        try await withQueue { fixture in
            let woken = LockedBox(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        while !Task.isCancelled {
                            guard
                                try await fixture.queue.waitForWork(in: [.default], upTo: .seconds(60))
                                    == .work
                            else { continue }
                            woken.withLock { $0 += 1 }
                            for job in try await fixture.queue.claim(limit: 1).jobs {
                                _ = try await fixture.queue.finish(job.lease)
                            }
                        }
                    }
                }
                for number in 0..<20 { try await fixture.push(payload("u\(number)")) }
                let limit = ContinuousClock.now + .seconds(30)
                while try await fixture.counter("finished") < 20, ContinuousClock.now < limit {}
                group.cancelAll()
            }
            #expect(try await fixture.counter("finished") == 20)
            #expect(woken.withLock { $0 } == 20)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `gives back what it was not meant to get`() async throws {
        try await withQueue { fixture in
            for queue in ["high", "default", "low"] {
                try await fixture.push(payload("u-\(queue)"), to: queue)
            }
            #expect(try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .seconds(60)) == .work)
            var inInboxes = 0
            for queue in ["high", "default", "low"] {
                inInboxes += Int(
                    try await fixture.redis.command(["LLEN", fixture.key("inbox:\(queue)")]).int ?? 0)
            }
            #expect(inInboxes == 1)
            #expect(try await fixture.claimAll().count == 3)
        }
    }

    @Test func `is cut short by a parked job that is released`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u1", "incremental"))
            let first = try #require(try await fixture.claimAll().first)
            let waiting = Task { try await fixture.queue.waitForWork(in: [.default], upTo: .seconds(60)) }
            #expect(try await fixture.queue.finish(first.lease))
            #expect(try await waiting.value == .work)
        }
    }
}

@Suite struct `The workers of a queue` {
    @Test func `are known by their heartbeats`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.heartbeat(worker: "a")
            try await fixture.queue.heartbeat(worker: "b")
            let workers = try await fixture.queue.workers()
            #expect(Set(workers.map(\.id)) == ["a", "b"])
            #expect(workers.allSatisfy { abs($0.lastHeartbeat.seconds - Timestamp.now().seconds) < 60 })
            try await fixture.queue.retire(worker: "a")
            #expect(try await fixture.queue.statistics().workers == 1)
        }
    }

    @Test func `see the queue in numbers`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u2"), payload("u1", "incremental"), "garbage")
            try await fixture.push(payload("u3"), to: "low")
            let jobs = try await fixture.queue.claim(limit: 2).jobs
            _ = try await fixture.queue.claim(limit: 1)
            try await fixture.queue.enqueueDelayed(
                [Array(payload("u4").utf8)], in: .high, after: .seconds(60))
            try await fixture.queue.pause(.user("nobody"))
            #expect(try await fixture.queue.finish(jobs[1].lease))

            let statistics = try await fixture.queue.statistics()
            #expect(statistics.ready == [.high: 0, .default: 0, .low: 0])
            #expect(statistics.inFlight == 2 && statistics.delayed == 1 && statistics.parked == 1)
            #expect(
                statistics.dead == 1 && statistics.paused == ["user:nobody"] && statistics.wrongKeys.isEmpty)
            #expect(statistics.counters == ["finished": 1, "dead": 1])
        }
    }
}

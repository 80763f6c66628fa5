// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A delayed job` {
    /// Claims until a job comes, for at most half a minute.
    private func claimLater(_ fixture: QueueFixture) async throws -> ClaimedJob? {
        let limit = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < limit {
            if let job = try await fixture.queue.claim(limit: 1).jobs.first { return job }
            try await Task.sleep(for: .milliseconds(2))
        }
        return nil
    }

    @Test func `that failed runs again as the next attempt`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), to: "high")
            let first = try await fixture.claimOne()
            #expect(try await fixture.queue.retry(first.lease, after: .milliseconds(20)))
            try await fixture.expectNothingInFlight()

            let reply = try await fixture.queue.claim(limit: 1)
            if reply.jobs.isEmpty { #expect(reply.nextDueIn.map { $0 <= .milliseconds(20) } == true) }
            let claimed = reply.jobs.first
            let second = if let claimed { claimed } else { try #require(try await claimLater(fixture)) }
            #expect(second.id == first.id && second.attempt == 2 && second.queue == .high)
            #expect(second.payloadBytes == first.payloadBytes && second.enqueuedAt == first.enqueuedAt)
        }
    }

    @Test func `that was snoozed is charged no attempt`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let first = try await fixture.claimOne()
            #expect(try await fixture.queue.snooze(first.lease, after: .milliseconds(5)))
            let second = try #require(try await claimLater(fixture))
            #expect(second.id == first.id && second.attempt == 1)
        }
    }

    @Test func `that was drained is the next one to run`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u2"))
            let first = try await fixture.claimOne()
            #expect(try await fixture.queue.snooze([first.lease], after: .zero).isEmpty)
            #expect(try await fixture.claimOne().id == first.id)
        }
    }

    @Test func `says when it is due`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.enqueueDelayed([Array(payload("u1").utf8)], in: .low, after: .seconds(60))
            let due = try #require(try await fixture.queue.claim(limit: 1).nextDueIn)
            #expect(due > .seconds(50) && due <= .seconds(60))
        }
    }

    @Test func `is promoted in bounded batches`() async throws {
        try await withQueue { fixture in
            let payloads = (0..<230).map { Array(payload("u\($0)").utf8) }
            try await fixture.queue.enqueueDelayed(payloads, in: .default, after: .milliseconds(1))
            var counts: [Int] = []
            let limit = ContinuousClock.now + .seconds(30)
            while counts.reduce(0, +) < 230, ContinuousClock.now < limit {
                let reply = try await fixture.queue.claim(limit: 100)
                if !reply.jobs.isEmpty { counts.append(reply.jobs.count) }
            }
            #expect(counts.reduce(0, +) == 230 && counts.allSatisfy { $0 <= JobQueue.claimLimit })
        }
    }

    @Test func `that was pushed with not_before waits for its time`() async throws {
        try await withQueue { fixture in
            let time = Timestamp.now().advanced(by: .seconds(3_600))
            try await fixture.push(payload("u1", more: #","not_before":"\#(time.rfc3339)""#))
            let reply = try await fixture.queue.claim(limit: 1)
            #expect(reply.jobs.isEmpty && reply.taken == 1)
            let due = try #require(try await fixture.queue.claim(limit: 1).nextDueIn)
            #expect(due > .seconds(3_500) && due <= .seconds(3_601))
            try await fixture.expectNothingInFlight()
            try await fixture.push(payload("u2", more: #","not_before":"2001-01-01T00:00:00Z""#))
            #expect(try await fixture.claimAll().count == 1)
        }
    }

    @Test func `that was enqueued with not_before is never taken early`() async throws {
        try await withQueue { fixture in
            let time = Timestamp.now().advanced(by: .seconds(3_600)).rfc3339
            let bytes = Array(payload("u1", more: #","not_before":"\#(time)""#).utf8)
            try await fixture.queue.enqueue([bytes], in: .default)
            #expect(try await fixture.queue.claim(limit: 1).taken == 0)
        }
    }

    @Test func `of a newer version is left for newer workers, then dead-lettered`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","v":2,"new_field":true"#))
            let reply = try await fixture.queue.claim(limit: 1)
            #expect(reply.jobs.isEmpty && reply.taken == 1 && reply.problems.isEmpty)
            let due = try #require(try await fixture.queue.claim(limit: 1).nextDueIn)
            #expect(due > .seconds(5) && due <= .seconds(10))
        }

        let now = Timestamp(seconds: 1_000_000)
        let seen = now.advanced(by: .seconds(-600)).milliseconds
        let bytes = Array("v1 t h job 0 0 low \(seen) 7 0 0\n{\"v\":2}".utf8)
        let envelope = try #require(Envelope(bytes))
        guard case .bury(_, _, let problem) = ClaimDecision(envelope, .none, now: now) else {
            Issue.record("not dead-lettered")
            return
        }
        #expect(problem.reason == "the payload has version 2; this worker knows only 1")
    }

    @Test func `tells how long a job was ready, the first time it is taken`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("bare"))
            try await fixture.queue.enqueue([Array(payload("now").utf8)], in: .default)
            let first = try await fixture.claimAll()
            #expect(first.count == 2 && first.allSatisfy { $0.waited.map { $0 < .seconds(60) } == true })
            for job in first { _ = try await fixture.queue.snooze(job.lease, after: .zero) }
            let again = try await fixture.claimAll()
            #expect(again.count == 2 && again.allSatisfy { $0.waited == nil })

            // What waited for its own time has waited for no worker.
            let asked = ContinuousClock.now
            try await fixture.queue.enqueueDelayed(
                [Array(payload("later").utf8)], in: .default, after: .milliseconds(400))
            let limit = ContinuousClock.now + .seconds(30)
            var late: [ClaimedJob] = []
            while late.isEmpty, ContinuousClock.now < limit { late = try await fixture.claimAll() }
            let waited = try #require(late.first?.waited)
            #expect(waited <= ContinuousClock.now - asked - .milliseconds(399))
        }
    }
}

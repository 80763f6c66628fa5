// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A lease` {
    @Test func `is extended by a renewal`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let job = try #require(try await fixture.mortal.claim(limit: 1).jobs.first)
            #expect(try await fixture.queue.renew([job.lease]).isEmpty)

            let deadline = try await fixture.redis.command([
                "ZSCORE", fixture.key("leases"), RedisArgument(job.id),
            ])
            let time = try await fixture.redis.command(["TIME"]).array?.first?.int ?? 0
            #expect((deadline.int ?? 0) > (time + 20) * 1_000)
            #expect(try await fixture.queue.reap().recovered == 0)
        }
    }

    @Test func `that is lost guards every operation`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let old = try #require(try await fixture.mortal.claim(limit: 1).jobs.first)
            _ = try await fixture.reapUntilRecovered()
            let new = try await fixture.claimOne()

            #expect(try await fixture.queue.renew([old.lease, new.lease]) == [old.lease])
            #expect(try await !fixture.queue.finish(old.lease))
            #expect(try await !fixture.queue.retry(old.lease, after: .zero))
            #expect(try await !fixture.queue.snooze(old.lease, after: .zero))
            #expect(try await !fixture.queue.deadLetter(old, code: "x", reason: "x", detail: "x"))
            let key = IntegrationKey(userID: "u1", service: "stripe")
            #expect(try await fixture.queue.bind(old.lease, integrationID: 1, key: key) == .lost)

            #expect(try await fixture.queue.finish(new.lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of more than a hundred jobs is renewed and finished in several calls`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.enqueue((0..<250).map { Array(payload("u\($0)").utf8) }, in: .high)
            let leases = try await fixture.claimAll().map(\.lease)
            let foreign = LeaseHandle(id: "nobody", token: "0")
            #expect(leases.count == 250)
            #expect(try await fixture.queue.renew(leases + [foreign]) == [foreign])
            #expect(try await fixture.queue.finish([foreign] + leases) == [foreign])
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of a poison job ends in the dead letters at the third death`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"poison""#))
            for death in 1...3 {
                #expect(try await fixture.mortal.claim(limit: 1).jobs.map(\.recoveries) == [death - 1])
                let reply = try await fixture.reapUntilRecovered()
                #expect(reply.problems.count == (death == 3 ? 1 : 0))
            }
            #expect(try await fixture.claimAll().isEmpty)
            let letter = try #require(try await fixture.queue.deadLetter(id: "poison"))
            #expect(letter.code == "poison" && letter.attempts == 0)
            #expect(letter.reason.hasPrefix("3 workers died"))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of a poison job takes no other job to the dead letters with it`() async throws {
        try await withQueue { fixture in
            let others = (1...7).map { "other\($0)" }
            for id in others.prefix(3) + ["poison"] + others.suffix(4) {
                try await fixture.push(payload(id, more: ",\"id\":\"\(id)\""))
            }
            // Each worker runs what it may until the poison job is among it, and dies then.
            var configuration = fixture.mortal.configuration
            configuration.lease = .milliseconds(200)
            let worker = JobQueue(redis: fixture.redis, configuration: configuration)
            var deaths = 0
            while try await fixture.queue.deadLetters().total == 0 {
                let jobs = try await worker.claim(limit: 10).jobs
                #expect(jobs.filter(\.isSuspect).count <= 1)
                if jobs.contains(where: { $0.id == "poison" }) {
                    deaths += 1
                    _ = try await fixture.reapUntilRecovered()
                } else {
                    #expect(deaths < 3)
                    for job in jobs { #expect(try await worker.finish(job.lease)) }
                }
            }
            #expect(deaths == 3)
            #expect(try await fixture.queue.deadLetters().letters.map(\.id) == ["poison"])

            let deadline = ContinuousClock.now.advanced(by: .seconds(20))
            while try await fixture.counter("finished") < others.count, ContinuousClock.now < deadline {
                for job in try await fixture.queue.claim(limit: 10).jobs {
                    #expect(try await fixture.queue.finish(job.lease))
                }
            }
            #expect(try await fixture.counter("finished") == others.count)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of a job that was there at few of many deaths is no poison until it died often`() async throws
    {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"unlucky""#))
            func diesWithAWorker() async throws -> ReapReply {
                let worker = JobQueue(redis: fixture.redis, configuration: fixture.mortal.configuration)
                #expect(try await worker.claim(limit: 1).jobs.map(\.id) == ["unlucky"])
                return try await fixture.reapUntilRecovered()
            }
            // Others die without it: 40 claimants that lost jobs a moment ago.
            let now = try await fixture.redis.command(["TIME"]).array?.first?.int ?? 0
            for number in 0..<40 {
                _ = try await fixture.redis.command(
                    [
                        "ZADD", fixture.key("deaths"), RedisArgument(now * 1000),
                        RedisArgument("other\(number)"),
                    ])
            }
            for _ in 1...11 { #expect(try await diesWithAWorker().problems.isEmpty) }
            #expect(try await diesWithAWorker().problems.count == 1)
            #expect(try await fixture.queue.deadLetter(id: "unlucky")?.code == "poison")
        }
    }

    @Test func `of a poison job is kept until what it left open is closed`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"poison""#))
            for _ in 1...2 {
                _ = try await fixture.mortal.claim(limit: 1)
                _ = try await fixture.reapUntilRecovered()
            }
            _ = try await fixture.mortal.claim(limit: 1)
            let kept = try await fixture.reapUntilRecovered(fixture.mortal) { _ in false }
            #expect(kept.problems.isEmpty)
            #expect(try await fixture.queue.deadLetter(id: "poison") == nil)
            #expect(try await fixture.claimAll().isEmpty)

            let buried = try await fixture.reapUntilRecovered { $0 == "poison" }
            #expect(buried.problems.count == 1)
            #expect(try await fixture.queue.deadLetter(id: "poison")?.code == "poison")
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of a job that gets further, or is given back, starts the count of deaths anew`() async throws
    {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            for _ in 1...2 {
                _ = try await fixture.mortal.claim(limit: 1)
                _ = try await fixture.reapUntilRecovered()
            }
            let job = try #require(try await fixture.mortal.claim(limit: 1).jobs.first)
            #expect(job.recoveries == 2)
            #expect(try await fixture.queue.progressed(job.lease))
            _ = try await fixture.reapUntilRecovered()
            #expect(try await !fixture.queue.progressed(job.lease))

            let next = try await fixture.claimOne()
            #expect(next.recoveries == 1)
            #expect(try await fixture.queue.snooze(next.lease, after: .zero))
            #expect(try await fixture.claimOne().recoveries == 0)
        }
    }

    @Test func `that is missing does not hide a job in flight`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u2"), payload("u3"))
            _ = try await fixture.claimAll()
            _ = try await fixture.redis.command(["DEL", fixture.key("leases")])
            #expect(try await fixture.reapUntilRecovered().recovered == 3)
            #expect(try await fixture.claimAll().count == 3)
        }
    }

    @Test func `without a job is forgotten, and so is a lock`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            _ = try await fixture.mortal.claim(limit: 1)
            _ = try await fixture.redis.command(["DEL", fixture.key("jobs")])
            let limit = ContinuousClock.now + .seconds(30)
            while try await fixture.redis.command(["EXISTS", fixture.key("leases"), fixture.key("running")])
                .int != 0,
                ContinuousClock.now < limit
            {
                _ = try await fixture.queue.reap()
            }
            try await fixture.expectNothingInFlight()
            try await fixture.push(payload("u1"))
            #expect(try await fixture.claimAll().count == 1)
        }
    }

    @Test func `recovery works in bounded batches and says when there is more`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.enqueue((0..<150).map { Array(payload("u\($0)").utf8) }, in: .low)
            while try await fixture.mortal.claim(limit: 100).taken > 0 {}
            let limit = ContinuousClock.now + .seconds(30)
            while try await fixture.redis.command([
                "ZCOUNT", fixture.key("leases"), "-inf", RedisArgument(Timestamp.now().milliseconds),
            ]).int != 150, ContinuousClock.now < limit {}
            let first = try await fixture.queue.reap()
            #expect(first.recovered == 100 && first.hasMore)
            #expect(try await fixture.queue.reap().recovered == 50)
        }
    }

    @Test func `recovery tells of jobs that wait in an inbox`() async throws {
        try await withQueue { fixture in
            _ = try await fixture.redis.command([
                "LPUSH", fixture.key("inbox:low"), RedisArgument(payload("u1")),
            ])
            #expect(try await fixture.queue.reap().waitingInInboxes == 1)
        }
    }
}

@Suite struct `The state of a lease` {
    private let start = ContinuousClock.now

    private func after(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test func `is held for a third, then due, and lost after two thirds`() {
        let lease = LeaseState(length: .seconds(30), requestedAt: start)
        #expect(lease.verdict(at: start) == .held(until: after(10)))
        #expect(lease.verdict(at: after(9)) == .held(until: after(10)))
        #expect(lease.verdict(at: after(10)) == .renew)
        #expect(lease.verdict(at: after(19)) == .renew)
        #expect(lease.verdict(at: after(20)) == .lost)
        #expect(lease.lostAt == after(20))
    }

    @Test func `counts a renewal from when it was sent`() {
        var lease = LeaseState(length: .seconds(30), requestedAt: start)
        lease.renewed(requestedAt: after(11), now: after(14))
        #expect(lease.verdict(at: after(20)) == .held(until: after(21)))
        #expect(lease.lostAt == after(31))
    }

    @Test func `is not moved back by a renewal that was sent earlier`() {
        var lease = LeaseState(length: .seconds(30), requestedAt: start)
        lease.renewed(requestedAt: after(12), now: after(13))
        lease.renewed(requestedAt: after(10), now: after(14))
        #expect(lease.lostAt == after(32))
    }

    @Test func `stays lost when a renewal comes too late`() {
        var lease = LeaseState(length: .seconds(30), requestedAt: start)
        lease.renewed(requestedAt: after(15), now: after(21))
        #expect(lease.verdict(at: after(21)) == .lost)
    }

    @Test func `is lost at once when the queue says so`() {
        var lease = LeaseState(length: .seconds(30), requestedAt: start)
        lease.revoked()
        #expect(lease.verdict(at: start) == .lost)
        lease.renewed(requestedAt: after(1), now: after(1))
        #expect(lease.verdict(at: after(1)) == .lost)
    }
}

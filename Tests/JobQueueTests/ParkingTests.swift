// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `Jobs of one integration` {
    @Test func `run one at a time, and the next starts when the first ends`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", "full"), payload("u1", "incremental"), payload("u2", "full"))
            let running = try await fixture.claimAll()
            #expect(running.map(\.payload.type) == [.full, .full])
            #expect(try await fixture.queue.statistics().parked == 1)

            #expect(try await fixture.queue.finish(running[0].lease))

            let next = try await fixture.claimAll()
            #expect(next.map(\.payload.type) == [.incremental])
            #expect(try await fixture.queue.finish(next.map(\.lease) + [running[1].lease]).isEmpty)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test(arguments: ["retry", "snooze", "dead letter", "death"])
    func `are released however the first one leaves`(how: String) async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", "full"))
            let owner = how == "death" ? fixture.mortal : fixture.queue
            let first = try #require(try await owner.claim(limit: 1).jobs.first)
            // With the short lease it may be over before the second job comes; then that one simply runs.
            try await fixture.push(payload("u1", "backfill", more: #","since":"2025-01-01T00:00:00Z""#))
            let early = how == "death" ? [] : try await fixture.claimAll()
            #expect(early.isEmpty)

            switch how {
            case "retry": #expect(try await fixture.queue.retry(first.lease, after: .seconds(60)))
            case "snooze": #expect(try await fixture.queue.snooze(first.lease, after: .seconds(60)))
            case "dead letter":
                #expect(try await fixture.queue.deadLetter(first, code: "rejected", reason: "no", detail: ""))
            default: _ = try await fixture.reapUntilRecovered()
            }

            var types: [JobType] = []
            for _ in 0..<(how == "death" ? 2 : 1) {
                let jobs = try await fixture.claimAll()
                types += jobs.map(\.payload.type)
                #expect(try await fixture.queue.finish(jobs.map(\.lease)).isEmpty)
            }
            #expect(types == (how == "death" ? [.full, .backfill] : [.backfill]))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `run in the order in which they came`() async throws {
        try await withQueue { fixture in
            var expected: [Int64] = []
            try await fixture.push(payload("u1"))
            let first = try await fixture.claimOne()
            for ref in 1...30 {
                try await fixture.push(payload("u1", "webhook", more: #","ref":\#(ref)"#))
                expected.append(Int64(ref))
            }
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.finish(first.lease))

            var seen: [Int64] = []
            while let job = try await fixture.claimAll().first {
                seen.append(job.payload.ref ?? 0)
                #expect(try await fixture.queue.finish(job.lease))
            }
            #expect(seen == expected)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `coalesce when they do the same as the running one`() async throws {
        try await withQueue { fixture in
            let streams = #","streams":["a","b"]"#, swapped = #","streams":["b","a"]"#
            try await fixture.push(
                payload("u1", "full", more: streams), payload("u1", "full", more: swapped),
                payload("u1", "full", more: #","streams":["a"]"#))
            let jobs = try await fixture.claimAll()
            #expect(jobs.count == 1)
            #expect(try await fixture.counter("coalesced") == 1)
            #expect(try await fixture.queue.statistics().parked == 1)
        }
    }

    @Test func `do not coalesce with a running one that may have read what they are for already`()
        async throws
    {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let running = try await fixture.claimOne()
            try await fixture.later(than: running.enqueuedAt)
            // The first waits, the second is merged with it.
            for _ in 0..<2 {
                try await fixture.push(payload("u1"))
                #expect(try await fixture.claimAll().isEmpty)
            }
            #expect(try await fixture.queue.statistics().parked == 1)
            #expect(try await fixture.queue.finish(running.lease))
            let next = try await fixture.claimOne()
            #expect(next.id != running.id)
            #expect(try await fixture.queue.finish(next.lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `are not merged with one whose worker was lost, as that may have done its work`() async throws
    {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"old""#))
            #expect(try await fixture.mortal.claim(limit: 1).jobs.map(\.id) == ["old"])
            #expect(try await fixture.reapUntilRecovered().recovered == 1)
            // Another job runs while the lost one and a new one ask for the same integration.
            try await fixture.push(payload("u1", "webhook", more: #","ref":1"#), to: "high")
            let running = try await fixture.claimOne()
            #expect(running.payload.type == .webhook)
            #expect(try await fixture.claimAll().isEmpty)
            try await fixture.push(
                payload("u1", more: #","id":"new""#), payload("u1", "incremental", more: #","id":"more""#))
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.finish(running.lease))
            var seen: Set<String> = []
            while let job = try await fixture.claimAll().first {
                seen.insert(job.id)
                #expect(try await fixture.queue.finish(job.lease))
            }
            // The new full sync covers the incremental one; the old one covers nothing.
            #expect(seen.isSuperset(of: ["old", "new"]) && !seen.contains("more"))
        }
    }

    @Test func `coalesce with a parked one, but not across types, ranges or events`() async throws {
        try await withQueue { fixture in
            let range = #","since":"2025-01-01T00:00:00Z""#
            try await fixture.push(payload("u1", "full"))
            #expect(try await fixture.claimAll().count == 1)
            for _ in 0..<2 {
                try await fixture.push(
                    payload("u1", "incremental"), payload("u1", "backfill", more: range),
                    payload("u1", "backfill", more: range + #","until":"2025-02-01T00:00:00Z""#),
                    payload("u1", "webhook", more: #","ref":1"#),
                    payload("u1", "webhook", more: #","ref":2"#),
                    payload("u1", "action", more: #","ref":1"#))
                #expect(try await fixture.claimAll().isEmpty)
            }
            #expect(try await fixture.queue.statistics().parked == 6)
            #expect(try await fixture.counter("coalesced") == 6)
        }
    }

    @Test func `a parked full sync absorbs incremental ones, whichever came first`() async throws {
        for order in [["full", "incremental"], ["incremental", "full"]] {
            try await withQueue { fixture in
                try await fixture.push(payload("u1", "webhook", more: #","ref":1"#))
                let running = try await fixture.claimOne()
                for type in order {
                    try await fixture.push(payload("u1", type))
                    #expect(try await fixture.claimAll().isEmpty)
                }
                #expect(try await fixture.queue.statistics().parked == 1)
                #expect(try await fixture.counter("coalesced") == 1)

                #expect(try await fixture.queue.finish(running.lease))
                let next = try await fixture.claimOne()
                #expect(next.payload.type == .full)
                #expect(try await fixture.queue.finish(next.lease))
                try await fixture.expectNothingInFlight()
            }
        }
    }

    @Test func `a full sync of some streams does not absorb an incremental of others`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", "webhook", more: #","ref":1"#))
            #expect(try await fixture.claimAll().count == 1)
            try await fixture.push(
                payload("u1", "full", more: #","streams":["a"]"#),
                payload("u1", "incremental", more: #","streams":["a"]"#),
                payload("u1", "incremental", more: #","streams":["b"]"#), payload("u1", "incremental"))
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.statistics().parked == 3)
        }
    }

    @Test func `an invalid payload is told to a person, even if it looks like a duplicate`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u1", more: #","colour":1"#))
            #expect(try await fixture.claimAll().count == 1)
            #expect(try await fixture.queue.deadLetters().letters.map(\.code) == ["unknown_field"])
            #expect(try await fixture.counter("coalesced") == 0)
        }
    }

    @Test func `are told apart by their bytes`() async throws {
        try await withQueue { fixture in
            // é in its two Unicode forms, an account, and names that only look alike when joined carelessly.
            try await fixture.push(
                payload("\u{e9}"), payload("e\u{301}"), payload("u", more: #","account":"x""#), payload("u"))
            #expect(try await fixture.claimAll().count == 4)
        }
    }

    @Test func `escaped and plain spellings of one name are one integration`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u\u{e9}"), payload(#"u\u00e9"#, more: #","account":"default""#))
            #expect(try await fixture.claimAll().count == 1)
            #expect(try await fixture.counter("coalesced") == 1)
        }
    }

    @Test func `by id run one at a time too`() async throws {
        try await withQueue { fixture in
            try await fixture.push(
                #"{"integration_id":17,"type":"full"}"#, #"{"integration_id":17,"type":"incremental"}"#,
                #"{"integration_id":18,"type":"full"}"#)
            #expect(try await fixture.claimAll().map(\.payload.integration) == [.id(17), .id(18)])
        }
    }

    @Test func `parked by a lost lock are found again`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), payload("u1", "incremental"))
            #expect(try await fixture.claimAll().count == 1)
            _ = try await fixture.redis.command([
                "DEL", fixture.key("running"), fixture.key("jobs"), fixture.key("leases"),
            ])
            _ = try await fixture.queue.reap()
            #expect(try await fixture.claimAll().map(\.payload.type) == [.incremental])
        }
    }
}

@Suite struct `Binding a job to its integration's row` {
    private let key = IntegrationKey(userID: "u1", service: "stripe")

    @Test func `makes payloads by name and by id exclude each other`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), #"{"integration_id":17,"type":"incremental"}"#)
            let jobs = try await fixture.claimAll()
            #expect(jobs.count == 2)
            #expect(try await fixture.queue.bind(jobs[1].lease, integrationID: 17, key: key) == .bound)
            #expect(try await fixture.queue.bind(jobs[0].lease, integrationID: 17, key: key) == .parked)
            #expect(try await fixture.queue.renew([jobs[0].lease]) == [jobs[0].lease])
            #expect(try await fixture.claimAll().isEmpty)

            #expect(try await fixture.queue.finish(jobs[1].lease))
            let next = try await fixture.claimOne()
            #expect(next.id == jobs[0].id)
            #expect(try await fixture.queue.bind(next.lease, integrationID: 17, key: key) == .bound)
            #expect(try await fixture.queue.bind(next.lease, integrationID: 17, key: key) == .bound)

            try await fixture.push(#"{"integration_id":17,"type":"full"}"#)
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.finish(next.lease))
            let last = try await fixture.claimOne()
            #expect(last.payload.integration == .id(17) && last.payload.type == .full)
            #expect(try await fixture.queue.finish(last.lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `coalesces a job that the other spelling runs already`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"), #"{"integration_id":17,"type":"full"}"#)
            let jobs = try await fixture.claimAll()
            #expect(try await fixture.queue.bind(jobs[0].lease, integrationID: 17, key: key) == .coalesced)
            #expect(try await fixture.queue.finish(jobs[1].lease))
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `survives the death of the worker`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let job = try #require(try await fixture.mortal.claim(limit: 1).jobs.first)
            _ = try await fixture.queue.bind(job.lease, integrationID: 17, key: key)
            _ = try await fixture.reapUntilRecovered()
            try await fixture.expectNothingInFlight()
            #expect(try await fixture.claimOne().recoveries == 1)
        }
    }

    @Test func `notices pauses that the payload does not show`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.pause(.integration(17))
            try await fixture.push(payload("u1"))
            let job = try await fixture.claimOne()
            #expect(try await fixture.queue.bind(job.lease, integrationID: 17, key: key) == .parked)
            try await fixture.expectNothingRuns()
            #expect(try await fixture.queue.resume(.integration(17)) == 1)
            #expect(try await fixture.claimOne().id == job.id)
        }
    }
}

@Suite struct `A pause` {
    @Test(arguments: [Pause.service("stripe"), .user("u1")])
    func `parks the jobs it names and releases them in order`(pause: Pause) async throws {
        try await withQueue { fixture in
            #expect(try await fixture.queue.pause(pause))
            #expect(try await !fixture.queue.pause(pause))
            try await fixture.push(
                payload("u1"), payload("u1", "incremental", more: #","streams":["a"]"#),
                payload("u1", "action", more: #","ref":5"#),
                #"{"user_id":"u2","service":"slack","type":"full"}"#)
            #expect(try await fixture.claimAll().count == 1)
            #expect(try await fixture.queue.statistics().parked == 2)
            #expect(try await fixture.queue.pauses() == [pause])

            #expect(try await fixture.queue.resume(pause) == 2)
            let job = try await fixture.claimOne()
            #expect(job.payload.type == .full)
            #expect(try await fixture.queue.pauses().isEmpty)
        }
    }

    @Test func `of a queue leaves its jobs in their list`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.pause(.queue(.default))
            try await fixture.push(payload("u1"))
            try await fixture.push(payload("u2"), to: "low")
            let reply = try await fixture.queue.claim(limit: 5)
            #expect(reply.jobs.count == 1 && reply.openQueues == [.high, .low])
            #expect(try await fixture.queue.resume(.queue(.default)) == 0)
            #expect(try await fixture.claimAll().count == 1)
        }
    }

    @Test func `of an integration parks its jobs by id`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.pause(.integration(17))
            try await fixture.push(
                #"{"integration_id":17,"type":"full"}"#, #"{"integration_id":18,"type":"full"}"#)
            #expect(try await fixture.claimAll().map(\.payload.integration) == [.id(18)])
        }
    }

    @Test func `that is removed by hand is noticed`() async throws {
        try await withQueue { fixture in
            _ = try await fixture.redis.command(["SADD", fixture.key("paused"), "service:stripe"])
            try await fixture.push(payload("u1"))
            #expect(try await fixture.claimAll().isEmpty)
            _ = try await fixture.redis.command(["SREM", fixture.key("paused"), "service:stripe"])
            _ = try await fixture.queue.reap()
            #expect(try await fixture.claimAll().count == 1)
        }
    }

    @Test func `that parks a released job does not strand those behind it`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            let first = try await fixture.claimOne()
            try await fixture.push(payload("u1", "action", more: #","ref":1"#), to: "low")
            try await fixture.push(payload("u1", "action", more: #","ref":2"#), to: "high")
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.statistics().parked == 2)
            #expect(try await fixture.queue.finish(first.lease))
            // Whichever was released, while the user is paused both end up behind the pause.
            try await fixture.queue.pause(.user("u1"))
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.resume(.user("u1")) == 2)
            var refs: Set<Int64> = []
            while let job = try await fixture.claimAll().first {
                refs.insert(job.payload.ref ?? 0)
                #expect(try await fixture.queue.finish(job.lease))
            }
            #expect(refs == [1, 2])
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `of many jobs is resumed in bounded steps`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.pause(.service("stripe"))
            try await fixture.queue.enqueue((0..<250).map { Array(payload("u\($0)").utf8) }, in: .low)
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.statistics().parked == 250)
            #expect(try await fixture.queue.resume(.service("stripe")) == 250)
            #expect(try await fixture.claimAll().count == 250)
        }
    }

    @Test func `is read from its text`() {
        #expect(Pause("queue:low") == .queue(.low))
        #expect(Pause("service:a:b") == .service("a:b"))
        #expect(Pause("user:u_42") == .user("u_42"))
        #expect(Pause("integration:17") == .integration(17))
        for text in [
            "", "queue", "queue:", "queue:middle", "integration:x", "integration:017", "integration:-1",
            "team:a",
        ] {
            #expect(Pause(text) == nil, "\(text)")
        }
    }
}

extension QueueFixture {
    func expectNothingRuns() async throws {
        let running = try await redis.command(["EXISTS", key("running")])
        #expect(running.int == 0)
    }
}

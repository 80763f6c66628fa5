// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `An explanation` {
    private func one(
        _ fixture: QueueFixture, _ search: JobSearch, _ location: SourceLocation = #_sourceLocation
    ) async throws -> JobSighting {
        let explanation = try await fixture.queue.explain(search)
        #expect(explanation.sightings.count == 1, sourceLocation: location)
        return try #require(explanation.sightings.first, sourceLocation: location)
    }

    private func search(_ user: String, id: Int64 = 1) -> JobSearch {
        .integration(id: id, key: IntegrationKey(userID: user, service: "stripe"))
    }

    @Test func `finds a ready job, and says that no worker lives or none serves its queue`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"a""#), payload("u2", more: #","id":"b""#))
            let second = try await one(fixture, .id("b"))
            #expect(second.place == .list(before: 1, of: 2))
            #expect(second.reasons.map(\.code) == ["no_worker", "turn"])
            #expect(second.type == .full && second.queue == .default)

            var configuration = JobQueueConfiguration()
            configuration.prefix = fixture.prefix
            configuration.queues = [.high, .low]
            let other = JobQueue(redis: fixture.redis, configuration: configuration)
            try await other.heartbeat(worker: "w1")
            #expect(
                try await one(fixture, search("u1")).reasons.map(\.code) == ["no_worker_for_queue", "turn"])
            try await fixture.queue.heartbeat(worker: "w2")
            #expect(try await one(fixture, search("u1")).reasons.map(\.code) == ["turn"])
            try await other.retire(worker: "w1")
            #expect(try await fixture.redis.command(["HLEN", fixture.key("serves")]).int == 1)
        }
    }

    @Test func `finds a job in flight with its lease, and the one parked behind it`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"runs""#))
            _ = try await fixture.claimOne()
            try await fixture.push(payload("u1", "incremental", more: #","id":"waits""#))
            _ = try await fixture.claimAll()

            let running = try await one(fixture, .id("runs"))
            guard case .inFlight(let ends, let claimant, true) = running.place else {
                Issue.record("\(running.place)")
                return
            }
            #expect(ends.map { $0 > Timestamp.now() } == true && claimant.utf8.count == 7)
            #expect(running.reasons.isEmpty)

            let waiting = try await one(fixture, .id("waits"))
            #expect(waiting.place == .parked && waiting.reasons.map(\.code) == ["integration_busy"])
            #expect(waiting.reasons.first?.text.contains("job runs of the same integration runs") == true)
            let all = try await fixture.queue.explain(search("u1"))
            #expect(all.sightings.map(\.id) == ["runs", "waits"])
        }
    }

    @Test func `tells a pause before and after the job's turn, and a cap with its use`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.heartbeat(worker: "w")
            try await fixture.queue.pause(.user("u1"))
            try await fixture.push(payload("u1", more: #","id":"a""#))
            #expect(try await one(fixture, .id("a")).reasons.map(\.code) == ["paused", "turn"])
            _ = try await fixture.claimAll()
            let parked = try await one(fixture, search("u1"))
            #expect(parked.place == .parked && parked.reasons.map(\.code) == ["paused"])
            #expect(parked.reasons.first?.text.contains("lockstep queue resume user:u1") == true)

            try await fixture.queue.setCap(1, of: .service("stripe"))
            try await fixture.push(payload("u2", more: #","id":"b""#))
            _ = try await fixture.claimOne()
            try await fixture.push(payload("u3", more: #","id":"c""#))
            let ready = try await one(fixture, .id("c"))
            #expect(ready.reasons.map(\.code) == ["cap", "turn"])
            _ = try await fixture.claimAll()
            let capped = try await one(fixture, .id("c"))
            #expect(capped.place == .parked)
            #expect(
                capped.reasons.first?.text.contains("1 of at most 1 jobs of service:stripe run") == true)

            try await fixture.queue.pause(.queue(.default))
            try await fixture.push(payload("u4", more: #","id":"d""#))
            #expect(try await one(fixture, .id("d")).reasons.map(\.code).first == "queue_paused")
        }
    }

    @Test func `tells a retry, a wait, a later start and a slot's spread apart`() async throws {
        try await withQueue { fixture in
            for id in ["retried", "snoozed"] { try await fixture.push(payload(id, more: #","id":"\#(id)""#)) }
            let jobs = try await fixture.claimAll()
            for job in jobs {
                _ =
                    job.id == "retried"
                    ? try await fixture.queue.retry(job.lease, after: .seconds(60))
                    : try await fixture.queue.snooze(job.lease, after: .seconds(60))
            }
            try await fixture.queue.enqueueDelayed(
                [Array(payload("later", more: #","id":"later""#).utf8)], in: .low, after: .seconds(60))
            try await fixture.queue.enqueueDelayed(
                [Array(#"{"integration_id":7,"type":"full","id":"slot:1:1700000000:7"}"#.utf8)], in: .low,
                after: .seconds(60))
            for (id, code) in [
                ("retried", "retry"), ("snoozed", "snoozed"), ("later", "enqueued_later"),
                ("slot:1:1700000000:7", "spread"),
            ] {
                let sighting = try await one(fixture, .id(id))
                guard case .delayed = sighting.place else {
                    Issue.record("\(sighting.place)")
                    continue
                }
                #expect(sighting.reasons.map(\.code) == [code])
            }
            // By either name of the integration.
            #expect(try await one(fixture, search("nobody", id: 7)).id == "slot:1:1700000000:7")
            #expect(try await one(fixture, search("later")).id == "later")
        }
    }

    @Test func `tells a sorted job's place, its turn and about how many jobs come before it`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.heartbeat(worker: "w")
            for number in 0..<60 {
                try await fixture.push(
                    #"{"user_id":"big","service":"stripe","account":"a\#(number)","type":"full"}"#)
            }
            try await fixture.push(payload("small", more: #","id":"mine""#))
            while try await fixture.queue.sort() > 1 {}
            let sighting = try await one(fixture, .id("mine"))
            guard case .lane("small", 0, 1, let lanes) = sighting.place else {
                Issue.record("\(sighting.place)")
                return
            }
            #expect(lanes <= 1)
            let last = try #require(sighting.reasons.last)
            #expect(last.code == "turn" && last.text.contains("number 1 of 1 in the lane of small"))
            #expect(last.text.contains("about 1 jobs") || last.text.contains("about 0 jobs"), "\(last.text)")
            // By its integration too, and the last of the long lane has the others of its lane before it.
            #expect(try await one(fixture, search("small")).id == "mine")
            let end = try await fixture.queue.explain(
                .integration(id: 9, key: IntegrationKey(userID: "big", service: "stripe", account: "a59")))
            #expect(end.sightings.count == 1)
            guard case .lane("big", let position, let total, _)? = end.sightings.first?.place else {
                Issue.record("\(end.sightings)")
                return
            }
            #expect(position == total - 1 && total >= 58)
        }
    }

    @Test func `knows the cancelled, the dead and the unknown`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.heartbeat(worker: "w")
            try await fixture.push(payload("u1", more: #","id":"a""#))
            try await fixture.queue.cancel(jobID: "a")
            #expect(try await one(fixture, .id("a")).reasons.map(\.code) == ["cancelled"])
            _ = try await fixture.claimAll()
            #expect(try await fixture.queue.explain(.id("a")).sightings.isEmpty)
            // A wish that has met no job yet.
            try await fixture.queue.cancel(jobID: "early")
            #expect(try await fixture.queue.explain(.id("early")).isCancelled)

            try await fixture.push(payload("u2", more: #","id":"b""#))
            let job = try await fixture.claimOne()
            _ = try await fixture.queue.deadLetter(job, code: "http_400", reason: "no", detail: "")
            let dead = try await one(fixture, .id("b"))
            guard case .dead("http_400", "no", _) = dead.place else {
                Issue.record("\(dead.place)")
                return
            }
            #expect(try await one(fixture, search("u2")).id == "b")
            let unknown = try await fixture.queue.explain(.id("never"))
            #expect(unknown.sightings.isEmpty && unknown.partial.isEmpty && !unknown.isCancelled)
        }
    }

    @Test func `looks through both ends of a long list, and says what it left out`() async throws {
        try await withQueue { fixture in
            let script = RedisScript(
                Array(
                    """
                    #!lua
                    for i = 1, 11000 do redis.call('LPUSH', KEYS[1], '{"user_id":"u' .. i .. '","service":"stripe","type":"full","id":"j' .. i .. '"}') end
                    """.utf8))
            _ = try await fixture.redis.eval(script, keys: [fixture.key("queue:low")], arguments: [])
            #expect(try await one(fixture, .id("j1")).place == .list(before: 0, of: 11_000))
            #expect(try await one(fixture, .id("j5000")).place == .list(before: 4_999, of: 11_000))
            #expect(try await one(fixture, .id("j11000")).place == .list(before: 10_999, of: 11_000))
            let middle = try await fixture.queue.explain(.id("j5500"))
            #expect(middle.sightings.isEmpty)
            #expect(
                middle.partial == [
                    .init(place: "the unsorted jobs of low", looked: 10_000, total: 11_000)
                ])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `Statistics` {
    @Test func `count ready, due and parked jobs by queue and by reason`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.pause(.user("paused"))
            try await fixture.queue.setCap(1, of: .user("capped"))
            for account in ["a", "b", "c"] {
                try await fixture.push(
                    #"{"user_id":"capped","service":"stripe","account":"\#(account)","type":"full"}"#)
            }
            try await fixture.push(payload("busy"), payload("paused"))
            _ = try await fixture.claimAll()
            try await fixture.push(payload("busy", "incremental"))
            _ = try await fixture.claimAll()
            try await fixture.push(payload("ready"), to: "low")
            try await fixture.queue.enqueue(
                [Array(payload("due").utf8)], in: .high, due: .after(.milliseconds(1)))
            try await fixture.queue.enqueue(
                [Array(payload("later").utf8)], in: .high, due: .after(.seconds(60)))

            let limit = ContinuousClock.now + .seconds(30)
            var statistics = try await fixture.queue.statistics()
            while statistics.due[.high] != 1, ContinuousClock.now < limit {
                statistics = try await fixture.queue.statistics()
            }
            #expect(statistics.parkedFor == [.integration: 1, .pause: 1, .cap: 2] && statistics.parked == 4)
            #expect(statistics.inFlight == 2 && statistics.delayed == 2)
            #expect(statistics.ready == [.high: 0, .default: 0, .low: 1])
            #expect(statistics.backlog(of: .high) == 1 && statistics.backlog(of: .low) == 1)
            // A bare payload does not tell when it was pushed; a job that Lockstep enqueued does.
            #expect(statistics.oldestWait.isEmpty)
            try await fixture.queue.enqueue([Array(payload("other").utf8)], in: .default)
            #expect(try await fixture.queue.statistics().oldestWait[.default] != nil)
        }
    }
}

@Suite struct `The policy` {
    @Test func `is set, listed and taken away by scope`() async throws {
        try await withQueue { fixture in
            try await fixture.queue.setCap(3, of: .eachUser)
            try await fixture.queue.setCap(2, of: .queue(.low))
            try await fixture.queue.setWeight(2.5, ofUser: "u:1")
            _ = try await fixture.redis.command(["HSET", fixture.key("policy"), "cap:queue:urgent", "1"])
            #expect(
                try await fixture.queue.policy() == [
                    PolicyEntry(field: "cap:queue:low", value: "2"),
                    PolicyEntry(field: "cap:queue:urgent", value: "1"),
                    PolicyEntry(field: "cap:user:*", value: "3"),
                    PolicyEntry(field: "weight:user:u:1", value: "2.5"),
                ])
            let kinds = try await fixture.queue.policy().map(\.kind)
            #expect(kinds == [.cap, .ignored, .cap, .weight])
            try await fixture.queue.setCap(nil, of: .eachUser)
            try await fixture.queue.setWeight(nil, ofUser: "u:1")
            #expect(try await fixture.queue.policy().count == 2)
        }
    }

    @Test(arguments: ["", "user", "user:", "queue:urgent", "queue:*", "integration:1", "team:a", "user:a\nb"])
    func `refuses what is no scope`(text: String) {
        #expect(PolicyScope(text) == nil)
    }

    @Test(arguments: ["user:u_1", "user:*", "service:slack", "service:*", "queue:high", "user:a:b"])
    func `reads back every scope that it writes`(text: String) {
        #expect(PolicyScope(text)?.member == text)
    }
}

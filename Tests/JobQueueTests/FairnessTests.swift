// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

extension QueueFixture {
    /// What an operator does with one long redis-cli LPUSH.
    func push(_ payloads: [String], to queue: String = "default") async throws {
        for start in stride(from: 0, to: payloads.count, by: 1_000) {
            let batch = payloads[start..<min(start + 1_000, payloads.count)]
            _ = try await redis.command(
                ["LPUSH", key("queue:\(queue)")] + batch.map { RedisArgument($0) })
        }
    }

    /// Jobs of one user for many of its accounts.
    func jobs(of user: String, _ count: Int, from first: Int = 0) -> [String] {
        (first..<first + count).map {
            #"{"user_id":"\#(user)","service":"stripe","account":"a\#($0)","type":"full"}"#
        }
    }

    /// The users of the next `count` jobs, one claim for each.
    func users(_ count: Int) async throws -> [String] {
        var users: [String] = []
        while users.count < count {
            let reply = try await queue.claim(limit: 1)
            users += reply.jobs.map { $0.payload.userID ?? "?" }
            if reply.taken == 0 { break }
        }
        return users
    }

    func policy(_ field: String, _ value: String) async throws {
        _ = try await redis.command(["HSET", key("policy"), RedisArgument(field), RedisArgument(value)])
    }
}

extension JobPayload {
    var userID: String? {
        if case .key(let key) = integration { key.userID } else { nil }
    }
}

@Suite struct `Fairness` {
    @Test(arguments: ["high", "default", "low"])
    func `gives a user its turn behind a long backlog of another one`(name: String) async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "noisy", 5_000), to: name)
            try await fixture.push(fixture.jobs(of: "quiet", 2), to: name)
            let users = try await fixture.users(5)
            #expect(users.filter { $0 == "quiet" }.count == 2)
        }
    }

    @Test func `finds a job in the middle of a backlog by sorting`() async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "noisy", 1_000))
            try await fixture.push(fixture.jobs(of: "quiet", 1))
            try await fixture.push(fixture.jobs(of: "noisy", 1_000, from: 1_000))
            while try await fixture.queue.sort() > 1 {}
            #expect(try await fixture.users(3).contains("quiet"))
            #expect(try await fixture.queue.statistics().ready[.default] == 1_998)
        }
    }

    @Test func `loses and doubles nothing of a backlog`() async throws {
        try await withQueue { fixture in
            for user in 0..<7 { try await fixture.push(fixture.jobs(of: "u\(user)", 130 * user)) }
            var keys: [String] = []
            while true {
                let reply = try await fixture.queue.claim(limit: 37)
                keys += reply.jobs.map { String(decoding: $0.payloadBytes, as: UTF8.self) }
                _ = try await fixture.queue.finish(reply.jobs.map(\.lease))
                if reply.taken == 0 { break }
            }
            #expect(keys.count == 130 * 21 && Set(keys).count == keys.count)
            try await fixture.expectNothingInFlight()
            #expect(
                try await fixture.redis.command([
                    "EXISTS", fixture.key("lanes:default"), fixture.key("waiting"),
                    fixture.key("turns:default"),
                ]).int == 0)
        }
    }

    @Test func `follows the users' weights`() async throws {
        try await withQueue { fixture in
            try await fixture.policy("weight:user:big", "3")
            try await fixture.push(fixture.jobs(of: "big", 200))
            try await fixture.push(fixture.jobs(of: "small", 200))
            while try await fixture.queue.sort() > 1 {}
            let users = try await fixture.users(80)
            #expect((58...62).contains(users.filter { $0 == "big" }.count))
        }
    }

    @Test func `keeps the order of one user's jobs`() async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "u", 50))
            var accounts: [String] = []
            while accounts.count < 50 {
                accounts += try await fixture.queue.claim(limit: 7).jobs.map {
                    if case .key(let key) = $0.payload.integration { key.account } else { "?" }
                }
            }
            #expect(accounts == (0..<50).map { "a\($0)" })
        }
    }

    @Test func `lets a job that was given back go first in its lane`() async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "u", 50))
            let first = try await fixture.claimOne()
            #expect(try await fixture.queue.snooze(first.lease, after: .zero))
            #expect(try await fixture.claimOne().id == first.id)
        }
    }

    @Test func `counts the jobs by number as their user's, once it is known`() async throws {
        try await withQueue { fixture in
            func byNumber(_ range: ClosedRange<Int>) -> [String] {
                range.map { #"{"integration_id":\#($0),"type":"full"}"# }
            }
            try await fixture.push(byNumber(1...60))
            for _ in 1...60 {
                let job = try await fixture.claimOne()
                guard case .id(let number) = job.payload.integration else { continue }
                let key = IntegrationKey(userID: "noisy", service: "stripe", account: "a\(number)")
                #expect(try await fixture.queue.bind(job.lease, integrationID: number, key: key) == .bound)
                #expect(try await fixture.queue.finish(job.lease))
            }
            try await fixture.push(byNumber(1...60))
            try await fixture.push(fixture.jobs(of: "quiet", 3))
            let users = try await fixture.users(6)
            #expect(users.filter { $0 == "quiet" }.count == 3)
        }
    }

    @Test func `wakes another worker for what one worker leaves`() async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "u", 20))
            #expect(try await fixture.queue.claim(limit: 3).jobs.count == 3)
            #expect(try await fixture.queue.waitForWork(in: [.default], upTo: .seconds(20)) == .work)
            #expect(try await fixture.queue.claim(limit: 100).jobs.count == 17)
        }
    }
}

@Suite struct `Unique jobs` {
    @Test func `an equal job that waits is coalesced`() async throws {
        try await withQueue { fixture in
            try await fixture.push(fixture.jobs(of: "a", 10))
            try await fixture.push(fixture.jobs(of: "a", 10))
            while try await fixture.queue.sort() > 1 {}
            let jobs = try await fixture.claimAll(limit: 4)
            #expect(jobs.count == 10)
            #expect(try await fixture.counter("coalesced") == 10)
        }
    }

    @Test func `a full sync absorbs an incremental one, whichever came first`() async throws {
        try await withQueue { fixture in
            func job(_ user: String, _ type: String) -> [UInt8] {
                Array(#"{"user_id":"\#(user)","service":"stripe","type":"\#(type)"}"#.utf8)
            }
            try await fixture.queue.enqueue([job("a", "incremental"), job("b", "full")], in: .default)
            _ = try await fixture.queue.sort()
            try await fixture.queue.enqueue([job("a", "full"), job("b", "incremental")], in: .default)
            _ = try await fixture.queue.sort()
            let jobs = try await fixture.claimAll(limit: 1)
            #expect(jobs.map { $0.payload.type } == [.full, .full])
        }
    }

    @Test func `a job for later covers nothing, and one with other bytes is not taken for equal unchecked`()
        async throws
    {
        try await withQueue { fixture in
            let plain = #"{"user_id":"a","service":"stripe","type":"full"}"#
            let later =
                #"{"user_id":"a","service":"stripe","type":"full","not_before":"2999-01-01T00:00:00Z"}"#
            let wrong = #"{"user_id":"a","service":"stripe","type":"full","tipo":1}"#
            try await fixture.push([later, wrong, plain] + fixture.jobs(of: "b", 5))
            let jobs = try await fixture.claimAll(limit: 2)
            #expect(jobs.count == 6)
            #expect(try await fixture.queue.statistics().dead == 1)
            #expect(try await fixture.queue.statistics().delayed == 1)
        }
    }
}

@Suite struct `A cap` {
    @Test(arguments: ["user:u", "user:*", "service:stripe", "queue:default"])
    func `lets so many jobs run and no more, and none is lost`(scope: String) async throws {
        try await withQueue { fixture in
            try await fixture.policy("cap:\(scope)", "2")
            try await fixture.push(fixture.jobs(of: "u", 12))
            var running = try await fixture.claimAll(limit: 5)
            #expect(running.count == 2)
            var done = 0
            while let job = running.popLast() {
                #expect(try await fixture.queue.finish(job.lease))
                done += 1
                running += try await fixture.claimAll(limit: 5)
                #expect(running.count == min(2, 12 - done))
            }
            #expect(done == 12)
            try await fixture.expectNothingInFlight()
            #expect(try await fixture.redis.command(["EXISTS", fixture.key("slots")]).int == 0)
        }
    }

    @Test func `of one user leaves the others alone`() async throws {
        try await withQueue { fixture in
            try await fixture.policy("cap:user:noisy", "1")
            try await fixture.push(fixture.jobs(of: "noisy", 10) + fixture.jobs(of: "quiet", 3))
            let users = try await fixture.claimAll(limit: 8).compactMap { $0.payload.userID }
            #expect(users.filter { $0 == "noisy" }.count == 1 && users.filter { $0 == "quiet" }.count == 3)
        }
    }

    @Test func `that is raised or whose workers died lets the next ones run`() async throws {
        try await withQueue { fixture in
            try await fixture.policy("cap:service:stripe", "1")
            try await fixture.push(fixture.jobs(of: "u", 3))
            #expect(try await fixture.mortal.claim(limit: 5).jobs.count == 1)
            _ = try await fixture.claimAll()
            _ = try await fixture.reapUntilRecovered()
            #expect(try await fixture.claimAll().count == 1)
            try await fixture.policy("cap:service:stripe", "3")
            _ = try await fixture.queue.reap()
            #expect(try await fixture.claimAll().count == 2)
        }
    }
}

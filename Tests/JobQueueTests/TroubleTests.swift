// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

@Suite struct `Trouble in Redis` {
    @Test(arguments: ["queue:high", "inbox:high"])
    func `a list of the wrong type is reported and left alone`(name: String) async throws {
        try await withQueue { fixture in
            _ = try await fixture.redis.command(["SET", fixture.key(name), "mine"])
            try await fixture.push(payload("u1"), to: "low")
            let reply = try await fixture.queue.claim(limit: 5)
            #expect(reply.jobs.count == 1)
            #expect(reply.problems == [.wrongKeyType(key: "\(fixture.prefix):\(name)")])
            #expect(reply.openQueues == [.default, .low])
            #expect(try await fixture.redis.command(["GET", fixture.key(name)]).text == "mine")
            #expect(try await fixture.queue.statistics().wrongKeys == ["\(fixture.prefix):\(name)"])
            #expect(try await fixture.queue.waitForWork(in: [.high], upTo: .milliseconds(30)) == .timeout)
        }
    }

    @Test(arguments: ["jobs", "leases", "running", "delayed", "paused"])
    func `a key of the wrong type stops claims before they take anything`(name: String) async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1"))
            _ = try await fixture.redis.command(["LPUSH", fixture.key(name), "mine"])
            let error = await queueError { _ = try await fixture.queue.claim(limit: 1) }
            #expect(error?.code == .wrongKeyType(key: "\(fixture.prefix):\(name)"))
            #expect(try await fixture.redis.command(["LLEN", fixture.key("queue:default")]).int == 1)
            #expect(try await fixture.redis.command(["LLEN", fixture.key(name)]).int == 1)
        }
    }

    @Test func `a dead list of the wrong type keeps the job in flight`() async throws {
        try await withQueue { fixture in
            _ = try await fixture.redis.command(["SET", fixture.key("dead"), "mine"])
            try await fixture.push("garbage", payload("u1"))
            let reply = try await fixture.queue.claim(limit: 5)
            #expect(reply.jobs.count == 1)
            #expect(reply.problems == [.wrongKeyType(key: "\(fixture.prefix):dead")])
            #expect(try await fixture.queue.statistics().inFlight == 2)
        }
    }

    @Test func `what somebody else wrote into the jobs is told to a person`() async throws {
        try await withQueue { fixture in
            _ = try await fixture.redis.command(["HSET", fixture.key("jobs"), "x", "scribble"])
            #expect(try await fixture.queue.reap().recovered == 1)
            #expect(try await fixture.claimAll().isEmpty)
            #expect(try await fixture.queue.deadLetters().letters.map(\.payload) == [Array("scribble".utf8)])
        }
    }

    @Test func `an unreachable server is an error, not an empty queue`() async throws {
        try await withQueue(at: "unix:///nowhere.sock") { fixture in
            let error = await queueError {
                _ = try await fixture.queue.renew([LeaseHandle(id: "a", token: "b")])
            }
            #expect(error?.code == .unavailable)
        }
    }

    @Test func `a full server refuses pushes while the queue still drains`() async throws {
        let server = try await RedisServer(arguments: ["--maxmemory-policy", "noeviction"])
        try await withQueue(at: server.url) { fixture in
            let bytes = (0..<100).map { Array(payload("u\($0)").utf8) }
            try await fixture.queue.enqueue(bytes, in: .default)
            try await fixture.push("garbage")
            _ = try await fixture.redis.command(["CONFIG", "SET", "maxmemory", "100kb"])
            await #expect(throws: RedisError.self) { try await fixture.push(payload("u1")) }

            let refused = await queueError { try await fixture.queue.enqueue([bytes[0]], in: .high) }
            #expect(refused?.code == .full)
            let started = ContinuousClock.now
            #expect(try await fixture.queue.waitForWork(in: Queue.allCases, upTo: .seconds(5)) == .poll)
            #expect(started.duration(to: .now) > .milliseconds(450))

            let jobs = try await fixture.claimAll(limit: 30)
            #expect(jobs.count == 100)
            #expect(try await fixture.queue.renew(jobs.map(\.lease)).isEmpty)
            #expect(try await fixture.queue.retry(jobs[0].lease, after: .seconds(60)))
            #expect(try await fixture.queue.deadLetter(jobs[1], code: "x", reason: "x", detail: "x"))
            #expect(try await fixture.queue.finish(jobs.dropFirst(2).map(\.lease)).isEmpty)
            #expect(try await fixture.queue.deadLetters().total == 2)
            let letter = try #require(try await fixture.queue.deadLetters().letters.first)
            #expect(await queueError { _ = try await fixture.queue.replay(letter) }?.code == .full)
            #expect(try await fixture.queue.deadLetters().total == 2)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `scripts that the server forgot are loaded again`() async throws {
        let server = try await RedisServer()
        try await withQueue(at: server.url) { fixture in
            try await fixture.push(payload("u1"))
            let job = try await fixture.claimOne()
            _ = try await fixture.redis.command(["SCRIPT", "FLUSH"])
            #expect(try await fixture.queue.finish(job.lease))
        }
    }
}

@Suite struct `An enqueue` {
    @Test func `of something that is no job changes nothing`() async throws {
        try await withQueue { fixture in
            let error = await queueError {
                try await fixture.queue.enqueue([Array(payload("u1").utf8), Array("{}".utf8)], in: .default)
            }
            guard case .invalidPayload(let problem) = error?.code else {
                Issue.record("not refused")
                return
            }
            #expect(problem.code == .missingField)
            let reply = try await fixture.queue.claim(limit: 5)
            #expect(reply.taken == 0)
        }
    }

    @Test func `keeps the order and answers with the ids`() async throws {
        try await withQueue { fixture in
            let ids = try await fixture.queue.enqueue(
                [payload("u1"), payload("u2", more: #","id":"mine""#), payload("u3")].map { Array($0.utf8) },
                in: .high)
            #expect(ids[1] == "mine")
            #expect(try await fixture.claimAll().map(\.id) == ids)
        }
    }
}

@Suite struct `The durability check` {
    private func verdict(
        _ version: String? = "7.0.15", policy: String? = "noeviction", aof: String? = "yes",
        sync: String? = "always",
        isLocal: Bool = false, replicas: String? = nil
    ) -> (refusals: [String], warnings: [String]) {
        let verdict = DurabilityVerdict(
            version: version, evictionPolicy: policy, appendOnly: aof, appendSync: sync, isLocal: isLocal,
            replicasToWrite: replicas)
        return (verdict.refusals.map(\.setting), verdict.warnings.map(\.setting))
    }

    @Test func `judges each setting`() {
        #expect(verdict() == ([], []))
        #expect(verdict(sync: "everysec") == ([], ["appendfsync"]))
        #expect(verdict(policy: "allkeys-lru") == (["maxmemory-policy"], []))
        #expect(verdict(aof: "no") == (["appendonly"], []))
        #expect(verdict(aof: "no", isLocal: true) == ([], ["appendonly"]))
        #expect(verdict(replicas: "1") == ([], []))
        #expect(verdict(replicas: "0") == ([], ["min-replicas-to-write"]))
        #expect(verdict("6.2.1") == (["redis_version"], []))
        #expect(verdict(nil, policy: nil, aof: nil, sync: nil) == ([], ["maxmemory-policy", "appendonly"]))
    }

    @Test func `reads the settings of a server`() async throws {
        try await withQueue { fixture in
            let far = try RedisConfiguration(url: "redis://redis.example")
            let verdict = try await DurabilityVerdict.check(fixture.redis, at: far)
            #expect(verdict.refusals.map(\.setting) == ["appendonly"])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

/// Somebody wrote into a key of the queue. Every script, with every key: it says so and has written nothing, or it does not
/// need the key and leaves it alone. An error in the middle of a script would keep the writes before it.
@Suite struct `A key of the wrong type` {
    /// A queue with a job in each state, and what the calls need of them.
    private struct Scene {
        let fixture: QueueFixture
        let running: ClaimedJob
        let letter: DeadLetter
        var queue: JobQueue { fixture.queue }

        init(_ fixture: QueueFixture) async throws {
            self.fixture = fixture
            let queue = fixture.queue
            try await queue.publish(DispatchMark(epoch: "e", beat: 1))
            try await queue.heartbeat(worker: "w")
            try await queue.setCap(5, of: .user("u_1"))
            // A job whose worker died, for the reaper.
            try await fixture.push(payload("u_dead"))
            _ = try await fixture.mortal.claim(limit: 1)
            // One in flight, one parked behind it, one delayed, one dead, some ready.
            try await fixture.push(payload("u_1", more: #","id":"running""#))
            running = try await fixture.claimOne()
            try await fixture.push(payload("u_1", "incremental"), "garbage")
            _ = try await fixture.claimAll()
            _ = try await queue.pause(.service("slack"))
            try await fixture.push(#"{"user_id":"u_2","service":"slack","type":"full"}"#)
            _ = try await fixture.claimAll()
            _ = try await queue.enqueueDelayed([Array(payload("u_3").utf8)], in: .low, after: .seconds(60))
            try await fixture.push(payload("u_4"), payload("u_5"))
            letter = try #require(try await queue.deadLetters().letters.first)
        }

        /// Runs one script as its callers do. What claims say beside their jobs is thrown like an error.
        func call(_ script: QueueScript) async throws {
            let lease = running.lease
            switch script {
            case .claim:
                let problems = try await queue.claim(limit: 5).problems
                for case .wrongKeyType(let key) in problems {
                    throw QueueError(.wrongKeyType(key: key), "told beside the jobs")
                }
            case .sort: _ = try await queue.sort()
            case .renew: _ = try await queue.renew([lease])
            case .finish: _ = try await queue.finish(lease)
            case .postpone:
                _ = try await queue.retry(lease, after: .seconds(1))
                _ = try await queue.snooze(lease, after: .zero)
            case .deadletter: _ = try await queue.deadLetter(running, code: "c", reason: "r", detail: "d")
            case .park: _ = try await queue.park([(lease, waitKey: "#7")])
            case .bind:
                _ = try await queue.bind(
                    lease, integrationID: 7, key: IntegrationKey(userID: "u_1", service: "stripe"))
            case .reap: _ = try await queue.reap()
            case .enqueue:
                _ = try await queue.enqueue([Array(payload("u_6").utf8)], in: .default)
                _ = try await queue.enqueueDelayed(
                    [Array(payload("u_7").utf8)], in: .default, after: .seconds(9))
            case .resume: _ = try await queue.resume(.service("slack"))
            case .replay: _ = try await queue.replay(letter)
            case .heartbeat: try await queue.heartbeat(worker: "w")
            case .progress: _ = try await queue.progressed(lease)
            case .cancel: _ = try await queue.cancel(jobID: "running")
            case .slot:
                _ = try await queue.enqueue(
                    SlotJobs(
                        scheduleID: 1, fireAt: Timestamp(seconds: 9), round: 0, type: .incremental,
                        queue: .low), for: [(8, .zero), (9, .seconds(5))], epoch: "e")
            case .beat: _ = try await queue.beat(DispatchMark(epoch: "e", beat: 2))
            case .stats:
                for key in try await queue.statistics().wrongKeys {
                    throw QueueError(.wrongKeyType(key: key), "told among the figures")
                }
            case .backfill:
                _ = try await queue.enqueue(
                    [
                        BackfillJob(
                            of: "b", integrationID: 8, step: 0, streams: nil, since: Timestamp(seconds: 0),
                            until: nil)
                    ], ofBackfill: "b", part: 0, in: .low)
            case .forget: _ = try await queue.forget(IntegrationKey(userID: "u_4", service: "stripe"), id: 7)
            case .hurry: _ = try await queue.hurried(among: [lease])
            }
        }

        /// All keys and what is in them.
        func content() async throws -> [String: RedisValue] {
            let names = try await fixture.redis.command(["KEYS", RedisArgument("\(fixture.prefix):*")])
            var content: [String: RedisValue] = [:]
            for name in names.array?.compactMap(\.text) ?? [] {
                content[name] = try await fixture.redis.command(["DUMP", RedisArgument(name)])
            }
            return content
        }
    }

    /// What a call did about the key: it told of it, or did not need it.
    private static func isReported(_ script: QueueScript, _ key: String) async throws -> Bool {
        try await withQueue { fixture in
            let scene = try await Scene(fixture)
            let name = "\(fixture.prefix):\(key)"
            _ = try await fixture.redis.command(["DEL", RedisArgument(name)])
            // None of them ever holds a text.
            _ = try await fixture.redis.command(["SET", RedisArgument(name), "mine"])
            let before = try await scene.content()
            var isReported = false
            do {
                try await scene.call(script)
            } catch let error as QueueError {
                #expect(error.code == .wrongKeyType(key: name), "\(script), \(key): \(error.message)")
                isReported = true
            }
            let after = try await scene.content()
            #expect(after[name] == before[name], "\(script) wrote into \(key)")
            // A claim goes on with the other queues. To forget takes several calls, each of which does all or nothing.
            // Whoever else refuses has written nothing.
            if isReported, script != .claim, script != .forget {
                #expect(after == before, "\(script) wrote before it found \(key)")
            }
            return isReported
        }
    }

    private static let each = Queue.allCases.map(\.rawValue)
    private static let keys =
        ["queue", "inbox", "lanes", "turns"].flatMap { name in each.map { "\(name):\($0)" } } + [
            "jobs", "leases", "running", "delayed", "paused", "dead", "parked:order", "parked:jobs",
            "parked:kinds", "parked:counts", "counters", "workers", "deaths", "waiting", "clock", "policy",
            "slots", "owners", "cancelled", "serves", "epoch",
        ]

    @Test(arguments: QueueScript.allCases)
    func `is told, and nothing was written, whatever the script`(script: QueueScript) async throws {
        for key in Self.keys { _ = try await Self.isReported(script, key) }
    }

    @Test func `leaves a job parked that waited for its list, until the list is mended`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u_1"))
            let running = try await fixture.claimOne()
            try await fixture.push(payload("u_1", "incremental"))
            #expect(try await fixture.claimAll().isEmpty)
            _ = try await fixture.redis.command(["SET", fixture.key("queue:default"), "mine"])

            #expect(try await fixture.queue.finish(running.lease))
            #expect(try await fixture.queue.statistics().parked == 1)
            _ = try await fixture.redis.command(["DEL", fixture.key("queue:default")])

            let limit = ContinuousClock.now + .seconds(30)
            var jobs: [ClaimedJob] = []
            while jobs.isEmpty, ContinuousClock.now < limit {
                _ = try await fixture.queue.reap()
                jobs = try await fixture.claimAll()
            }
            #expect(jobs.map(\.payload.type) == [.incremental])
            #expect(try await fixture.queue.finish(jobs.map(\.lease)).isEmpty)
            try await fixture.expectNothingInFlight()
        }
    }

    /// Without this the test above could pass by never looking at a key.
    @Test func `stops claims where they need it, whichever it is`() async throws {
        var silent: [String] = []
        for key in Self.keys {
            var isReported = false
            for script in [
                QueueScript.claim, .finish, .reap, .enqueue, .heartbeat, .beat, .progress, .cancel, .stats,
            ]
            where !isReported {
                isReported = try await Self.isReported(script, key)
            }
            if !isReported { silent.append(key) }
        }
        #expect(silent.isEmpty, "nobody tells of \(silent)")
    }
}

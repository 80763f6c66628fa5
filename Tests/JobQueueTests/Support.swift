// SPDX-License-Identifier: Apache-2.0

import Logging
import Model
import RedisClient
import TestSupport
import Testing

@testable import JobQueue

/// A queue with keys of its own on the shared server, and a second view of it whose leases run out at once.
struct QueueFixture: Sendable {
    let redis: RedisClient
    let prefix: String
    let queue: JobQueue
    /// The same queue for a worker that dies: its leases last 10 ms.
    let mortal: JobQueue

    init(redis: RedisClient, prefix: String) {
        self.redis = redis
        self.prefix = prefix
        var configuration = JobQueueConfiguration()
        configuration.prefix = prefix
        queue = JobQueue(redis: redis, configuration: configuration)
        configuration.lease = .milliseconds(10)
        mortal = JobQueue(redis: redis, configuration: configuration)
    }

    func key(_ name: String) -> RedisArgument { RedisArgument("\(prefix):\(name)") }

    /// What an operator does with redis-cli.
    func push(_ payloads: String..., to queue: String = "default") async throws {
        for payload in payloads {
            _ = try await redis.command(["LPUSH", key("queue:\(queue)"), RedisArgument(payload)])
        }
    }

    /// Claims until nothing is taken any more and returns all jobs.
    func claimAll(limit: Int = 100) async throws -> [ClaimedJob] {
        var jobs: [ClaimedJob] = []
        while true {
            let reply = try await queue.claim(limit: limit)
            jobs += reply.jobs
            if reply.taken == 0 { return jobs }
        }
    }

    /// Claims the next job.
    func claimOne() async throws -> ClaimedJob {
        var reply: ClaimReply
        repeat { reply = try await queue.claim(limit: 1) } while reply.jobs.isEmpty && reply.taken > 0
        return try #require(reply.jobs.first)
    }

    /// Returns when a job that is first seen now is later than that.
    func later(than time: Timestamp) async throws {
        while let now = try await redis.command(["TIME"]).array,
            (now[0].text.flatMap { Int64($0) } ?? 0) * 1_000 + (now[1].text.flatMap { Int64($0) } ?? 0)
                / 1_000
                <= time.milliseconds
        {}
    }

    /// Reaps until something was recovered.
    func reapUntilRecovered(
        _ reaper: JobQueue? = nil, beforeBurying: (String) async -> Bool = { _ in true }
    ) async throws -> ReapReply {
        let limit = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < limit {
            let reply = try await (reaper ?? queue).reap(beforeBurying: beforeBurying)
            if reply.recovered > 0 { return reply }
            try await Task.sleep(for: .milliseconds(2))
        }
        Issue.record("nothing was recovered")
        return ReapReply()
    }

    /// Nothing of any job is left, except what is ready, delayed or dead.
    func expectNothingInFlight(_ location: SourceLocation = #_sourceLocation) async throws {
        for name in [
            "jobs", "leases", "running", "parked:order", "parked:jobs", "parked:kinds", "parked:counts",
        ] {
            let exists = try await redis.command(["EXISTS", key(name)])
            #expect(exists.int == 0, "\(name) is left", sourceLocation: location)
        }
    }

    func counter(_ name: String) async throws -> Int {
        Int(try await redis.command(["HGET", key("counters"), RedisArgument(name)]).int ?? 0)
    }
}

/// Runs `body` with a fresh queue on the shared server, or on the server at `url`. In a cluster the prefix says which
/// node that is.
func withQueue<Result: Sendable>(
    at url: String? = nil, prefix: String? = nil, _ body: @Sendable (QueueFixture) async throws -> Result
) async throws -> Result {
    let shared = try await RedisServer.makePrefix()
    let prefix = prefix ?? shared.prefix
    var configuration = try RedisConfiguration(url: url ?? shared.url, keyPrefix: prefix)
    configuration.blockingConnections = 64
    // All tests start at once, and the machine may be busy with other things.
    if url == nil { configuration.commandTimeout = .seconds(30) }
    let client = RedisClient(
        configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        do {
            let result = try await body(QueueFixture(redis: client, prefix: prefix))
            group.cancelAll()
            return result
        } catch {
            group.cancelAll()
            throw error
        }
    }
}

/// A valid payload.
func payload(_ user: String, _ type: String = "full", more: String = "") -> String {
    #"{"user_id":"\#(user)","service":"stripe","type":"\#(type)"\#(more)}"#
}

/// The queue's refusal, if `body` throws one.
func queueError(_ body: () async throws -> Void) async -> QueueError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? QueueError
    }
}

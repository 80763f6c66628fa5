// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// The queue in numbers. A number is nil when its key has a wrong type.
public struct QueueStatistics: Sendable {
    /// Ready jobs, those in the inboxes and lanes included.
    public var ready: [Queue: Int] = [:]
    /// Of the ready jobs, those in the lists that are in no lane yet.
    public var unsorted = 0
    /// Jobs that workers hold; nil when the key has the wrong type.
    public var inFlight: Int?
    /// Jobs that become ready later; nil when the key has the wrong type.
    public var delayed: Int?
    /// Jobs that wait for an integration or for the end of a pause; nil when the key has the wrong type.
    public var parked: Int?
    /// Dead letters; nil when the key has the wrong type.
    public var dead: Int?
    /// Workers that gave a sign of life within a day; nil when the key has the wrong type.
    public var workers: Int?
    /// The members of the set of pauses.
    public var paused: [String] = []
    /// Totals since the counters began: `finished`, `coalesced`, `recovered`, `cancelled`, `dead`.
    public var counters: [String: Int] = [:]
    /// Keys of a wrong type.
    public var wrongKeys: [String] = []
}

extension JobQueue {
    /// Stops what the pause names: a paused queue is not taken from; jobs of a paused service, user or
    /// integration are parked when their turn comes. Running jobs go on. False when it was paused already.
    @discardableResult
    public func pause(_ pause: Pause) async throws(QueueError) -> Bool {
        try await command(["SADD", RedisArgument(keys.paused), RedisArgument(pause.member)]).int == 1
    }

    /// Ends a pause and returns how many parked jobs are ready again, in the order in which they were parked.
    @discardableResult
    public func resume(_ pause: Pause) async throws(QueueError) -> Int {
        var total = 0
        while true {
            let reply = try await eval(.resume, [RedisArgument(pause.member)])
            guard let fields = reply.array, fields.count == 3, let released = fields[1].int,
                let left = fields[2].int
            else { throw .unexpected("resume") }
            total += Int(released)
            if left == 0 || released == 0 { return total }
        }
    }

    /// All pauses, sorted; texts that are no pause are left out.
    public func pauses() async throws(QueueError) -> [Pause] {
        let members = try await command(["SMEMBERS", RedisArgument(keys.paused)]).array ?? []
        return members.compactMap(\.text).sorted().compactMap(Pause.init)
    }

    /// Notes that nobody shall run the job: its worker stops it within a second, or the claim that meets it drops it.
    /// Returns whether it is in flight. A wish that meets no job for a week is forgotten.
    @discardableResult
    public func cancel(jobID: String) async throws(QueueError) -> Bool {
        try await eval(.cancel, [RedisArgument(jobID)]).int == 1
    }

    /// Which of these jobs, at most 100, nobody shall run.
    public func cancelled(among ids: [String]) async throws(QueueError) -> [String] {
        guard !ids.isEmpty else { return [] }
        let scores =
            try await command(
                ["ZMSCORE", RedisArgument(keys.cancelled)] + ids.map { RedisArgument($0) }
            ).array ?? []
        return zip(ids, scores).filter { !$0.1.isNull }.map(\.0)
    }

    /// Ends a job that was cancelled while it ran. False when its lease was lost before.
    public func finishCancelled(_ lease: LeaseHandle) async throws(QueueError) -> Bool {
        try await finish([lease], counter: "cancelled").isEmpty
    }

    /// Notes that this worker lives.
    public func heartbeat(worker: String) async throws(QueueError) {
        _ = try await eval(.heartbeat, [RedisArgument(worker)])
    }

    /// Takes a worker that ends in good order off the list.
    public func retire(worker: String) async throws(QueueError) {
        _ = try await command(["ZREM", RedisArgument(keys.workers), RedisArgument(worker)])
    }

    /// The workers of the last day with their last heartbeats by the clock of Redis, latest first, at most
    /// 1,000.
    public func workers() async throws(QueueError) -> [(id: String, lastHeartbeat: Timestamp)] {
        let reply = try await command(["ZREVRANGE", RedisArgument(keys.workers), "0", "999", "WITHSCORES"])
        let flat = reply.array ?? []
        return stride(from: 0, to: flat.count - 1, by: 2).compactMap { position in
            guard let id = flat[position].text, let time = flat[position + 1].int else { return nil }
            return (id, Timestamp(milliseconds: time))
        }
    }

    /// The queue in numbers, read one after the other and so not of one instant.
    public func statistics() async throws(QueueError) -> QueueStatistics {
        var statistics = QueueStatistics()
        for queue in Queue.allCases {
            let ready = try await count("LLEN", keys.ready(queue), &statistics)
            statistics.unsorted += ready ?? 0
            let inbox = try await count("LLEN", keys.inbox(queue), &statistics)
            let sorted = try await count("ZCARD", keys.lanes(queue), &statistics)
            statistics.ready[queue] = ready.map { $0 + (inbox ?? 0) + (sorted ?? 0) }
        }
        statistics.inFlight = try await count("HLEN", keys.jobs, &statistics)
        statistics.delayed = try await count("ZCARD", keys.delayed, &statistics)
        statistics.parked = try await count("HLEN", keys.parkedJobs, &statistics)
        statistics.dead = try await count("LLEN", keys.dead, &statistics)
        statistics.workers = try await count("ZCARD", keys.workers, &statistics)
        let paused = try await read("SMEMBERS", keys.paused, &statistics)?.array ?? []
        statistics.paused = paused.compactMap(\.text).sorted()
        let counters = try await read("HGETALL", keys.counters, &statistics)?.array ?? []
        for position in stride(from: 0, to: counters.count - 1, by: 2) {
            guard let name = counters[position].text, let value = counters[position + 1].int else { continue }
            statistics.counters[name] = Int(value)
        }
        return statistics
    }

    private func count(
        _ name: RedisArgument, _ key: String, _ statistics: inout QueueStatistics
    ) async throws(QueueError) -> Int? {
        try await read(name, key, &statistics)?.int.map(Int.init)
    }

    private func read(
        _ name: RedisArgument, _ key: String, _ statistics: inout QueueStatistics
    ) async throws(QueueError) -> RedisValue? {
        do {
            return try await command([name, RedisArgument(key)])
        } catch  where error.underlying?.serverPrefix == "WRONGTYPE" {
            statistics.wrongKeys.append(key)
            return nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

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

    /// Which of these running jobs keep an action or a webhook's event waiting for their integration.
    public func hurried(among leases: [LeaseHandle]) async throws(QueueError) -> [LeaseHandle] {
        try await eachBatch(leases) { batch throws(QueueError) in
            try await positions(.hurry, batch.flatMap { $0.arguments })
        }
    }

    /// Ends a job that was cancelled while it ran. False when its lease was lost before.
    public func finishCancelled(_ lease: LeaseHandle) async throws(QueueError) -> Bool {
        try await finish([lease], counter: "cancelled").isEmpty
    }

    /// Notes that this worker lives, and which queues it serves.
    public func heartbeat(worker: String) async throws(QueueError) {
        let serves = configuration.queues.map(\.rawValue).joined(separator: ",")
        _ = try await eval(
            .heartbeat, also: [keys.serves], [RedisArgument(worker), RedisArgument(serves)])
    }

    /// Takes a worker that ends in good order off the list.
    public func retire(worker: String) async throws(QueueError) {
        _ = try await command(["ZREM", RedisArgument(keys.workers), RedisArgument(worker)])
        _ = try await command(["HDEL", RedisArgument(keys.serves), RedisArgument(worker)])
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
}

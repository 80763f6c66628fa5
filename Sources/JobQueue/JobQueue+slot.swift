// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// What a scheduler left in Redis, to see whether Redis still holds what it was given.
public struct DispatchMark: Sendable, Equatable {
    /// Changes when Redis lost its content.
    public let epoch: String
    /// Rises with each look of a scheduler.
    public let beat: Int64

    /// A mark of that epoch.
    public init(epoch: String, beat: Int64) {
        self.epoch = epoch
        self.beat = beat
    }
}

/// The jobs of a schedule's slot: what they have in common.
public struct SlotJobs: Sendable, Equatable {
    /// What the jobs' ids begin with, `slot:SCHEDULE:SECONDS`; the integration's id follows.
    public let name: String
    /// Nonzero when the slot is enqueued again because Redis lost its content.
    public let round: Int64
    /// The type of the jobs.
    public let type: JobType
    /// Where they wait.
    public let queue: Queue

    /// The jobs of the slot of a schedule at a time.
    public init(scheduleID: Int64, fireAt: Timestamp, round: Int64, type: JobType, queue: Queue) {
        name = "slot:\(scheduleID):\(fireAt.seconds)"
        self.round = round
        self.type = type
        self.queue = queue
    }
}

extension JobQueue {
    /// The mark that Redis holds; nil when it holds none.
    public func dispatchMark() async throws(QueueError) -> DispatchMark? {
        let reply = try await command(["HMGET", RedisArgument(epochKey), "epoch", "beat"])
        guard let values = reply.array, values.count == 2 else { throw .unexpected("HMGET") }
        guard let epoch = values[0].text else { return nil }
        return DispatchMark(epoch: epoch, beat: values[1].text.flatMap { Int64($0) } ?? 0)
    }

    /// Begins an epoch in Redis.
    public func publish(_ mark: DispatchMark) async throws(QueueError) {
        _ = try await command([
            "HSET", RedisArgument(epochKey), "epoch", RedisArgument(mark.epoch), "beat",
            RedisArgument(mark.beat),
        ])
    }

    /// Raises the beat of an epoch; false when Redis does not know the epoch.
    public func beat(_ mark: DispatchMark) async throws(QueueError) -> Bool {
        try await eval(
            .beat, also: [epochKey], [RedisArgument(mark.epoch), RedisArgument(mark.beat)]
        ).int == 1
    }

    /// Enqueues jobs of a slot for integrations in the order of their ids, each once however often it is asked;
    /// the number of jobs that were not there yet. Nil when Redis does not know the epoch: it lost its content.
    public func enqueue(
        _ jobs: SlotJobs, for targets: [(integrationID: Int64, delay: Duration)], epoch: String
    ) async throws(QueueError) -> Int? {
        let head = [epoch, jobs.queue.rawValue, jobs.type.rawValue, jobs.name].map { RedisArgument($0) }
        let mark = "\(configuration.prefix):\(jobs.name):\(jobs.round)"
        var count = 0
        for start in stride(from: 0, to: targets.count, by: Self.slotBatch) {
            var arguments = head
            arguments.reserveCapacity(head.count + 2 * Self.slotBatch)
            for target in targets[start..<min(start + Self.slotBatch, targets.count)] {
                arguments.append(RedisArgument(target.integrationID))
                arguments.append(RedisArgument(max(0, target.delay.wholeMilliseconds)))
            }
            guard let added = try await eval(.slot, also: [epochKey, mark], arguments).int else {
                throw .unexpected("slot")
            }
            guard added >= 0 else { return nil }
            count += Int(added)
        }
        return count
    }

    /// A job costs Redis about ten microseconds once a million are delayed; a script shall stay under a millisecond.
    private static let slotBatch = 50
    private var epochKey: String { "\(configuration.prefix):epoch" }
}

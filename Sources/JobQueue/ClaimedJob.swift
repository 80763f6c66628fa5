// SPDX-License-Identifier: Apache-2.0

public import Model

/// The right to work on a job until the lease runs out or somebody else holds it.
public struct LeaseHandle: Sendable, Hashable {
    /// The job.
    public let id: String
    /// What only the holder knows.
    let token: String
}

/// A job that this worker may run now.
public struct ClaimedJob: Sendable {
    /// Proves to the queue that this worker holds the job.
    public let lease: LeaseHandle
    /// What the job asks for.
    public let payload: JobPayload
    /// The payload as it was pushed.
    public let payloadBytes: ArraySlice<UInt8>
    /// The number of this attempt; 1 is the first. Snoozes and recoveries do not count.
    public let attempt: Int
    /// How many workers died with this job since it last got further or was given back.
    public let recoveries: Int
    /// Whether the next death of its worker makes it poison.
    public internal(set) var isSuspect = false
    /// The queue it came from, and goes back to when it is retried.
    public let queue: Queue
    /// When the job was enqueued, or first seen if it was pushed by hand, by the clock of Redis.
    public let enqueuedAt: Timestamp

    /// How long it was ready before it was taken; nil when it was parked, given back or recovered before.
    public internal(set) var waited: Duration?

    /// The id of the job.
    public var id: String { lease.id }
}

/// What one claim brought.
public struct ClaimReply: Sendable {
    /// Jobs to run now. Each holds its integration.
    public var jobs: [ClaimedJob] = []
    /// When the next delayed job is due; nil when there is none.
    public var nextDueIn: Duration?
    /// What a person should hear of. None of it keeps other jobs from running.
    public var problems: [QueueProblem] = []
    /// The queues that a wait for work makes sense on: neither paused nor broken.
    public var openQueues: [Queue] = []
    /// How many jobs were taken from the lists, those included that were parked, coalesced or dead-lettered.
    public var taken = 0
    /// Ready jobs that are in no lane yet; see `sort`.
    public var unsorted = 0
}

/// Something that went wrong beside the jobs of a claim or a reap.
public enum QueueProblem: Sendable, Hashable {
    /// A key that is not a list. It is left alone; the other queues go on.
    case wrongKeyType(key: String)
    /// A job went to the dead letters.
    case deadLettered(id: String, code: String, reason: String)
    /// Jobs could not be put aside; they come back when their leases run out.
    case unsettled(reason: String)
}

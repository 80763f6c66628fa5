// SPDX-License-Identifier: Apache-2.0

public import Model
public import RedisClient

/// How a process uses the queue.
public struct JobQueueConfiguration: Sendable {
    /// What all keys start with; `{lockstep}` for Redis Cluster.
    public var prefix = "lockstep"
    /// How long a job is held without a renewal.
    public var lease: Duration = .seconds(30)
    /// The queues this process takes from, in this order.
    public var queues: [Queue] = Queue.allCases
    /// The number of dead workers after which a job counts as poison.
    public var poisonLimit = 3

    /// The defaults: 30 s leases, all queues in their order, poison at the third death.
    public init() {}
}

/// The job queue on Redis lists, as one process sees it.
///
/// Every operation is one script, so that no state exists in which a job is only in the memory of a process.
/// Operations on a job are guarded by its lease: they return false, or the lease among the lost ones, when
/// somebody else holds the job by now, and change nothing then.
public struct JobQueue: Sendable {
    /// How many jobs a script handles at most; longer lists are sent in several calls.
    public static let batchLimit = 100

    /// How many jobs a claim takes at most. Each costs Redis about 20 microseconds, as it may have to be sorted first.
    public static let claimLimit = 30

    /// What this process was told at its start.
    public let configuration: JobQueueConfiguration
    let redis: RedisClient
    let keys: QueueKeys
    /// What the tokens of this process's leases begin with.
    let claimant = LeaseToken.claimant()

    /// A queue on that Redis; nothing is sent yet.
    public init(redis: RedisClient, configuration: JobQueueConfiguration = JobQueueConfiguration()) {
        precondition(configuration.lease >= .milliseconds(10), "a lease needs a length")
        self.redis = redis
        self.configuration = configuration
        keys = QueueKeys(prefix: configuration.prefix)
    }

    /// Extends leases to their full length from now, and returns those that are lost; their jobs must stop.
    public func renew(_ leases: [LeaseHandle]) async throws(QueueError) -> [LeaseHandle] {
        try await eachBatch(leases) { batch throws(QueueError) in
            try await positions(.renew, [RedisArgument(leaseMilliseconds)] + batch.flatMap { $0.arguments })
        }
    }

    /// Ends jobs that are done, and returns the leases that were lost before.
    public func finish(_ leases: [LeaseHandle]) async throws(QueueError) -> [LeaseHandle] {
        try await finish(leases, counter: "finished")
    }

    /// Ends one job that is done. False when its lease was lost before.
    public func finish(_ lease: LeaseHandle) async throws(QueueError) -> Bool {
        try await finish([lease]).isEmpty
    }

    /// Gives a job back after a failure: it runs again after the delay, as the next attempt.
    public func retry(_ lease: LeaseHandle, after delay: Duration) async throws(QueueError) -> Bool {
        try await postpone([lease], charge: 1, delays: ["\(max(0, delay.wholeMilliseconds))"]).isEmpty
    }

    /// Gives a job back without charging an attempt: rate limited, or drained. Without a delay it is the next
    /// job to be taken from its queue.
    public func snooze(_ lease: LeaseHandle, after delay: Duration) async throws(QueueError) -> Bool {
        try await snooze([lease], after: delay).isEmpty
    }

    /// Gives several jobs back without charging attempts, and returns the leases that were lost before.
    public func snooze(_ leases: [LeaseHandle], after delay: Duration) async throws(QueueError)
        -> [LeaseHandle]
    {
        let text = "\(max(0, delay.wholeMilliseconds))"
        return try await postpone(leases, charge: 0, delays: leases.map { _ in text })
    }

    /// Ends a job that cannot succeed and keeps it as a dead letter. `reason` tells a person what to change.
    public func deadLetter(
        _ job: ClaimedJob, code: String, reason: String, detail: String
    ) async throws(QueueError) -> Bool {
        let draft = DeadLetter.draft(
            id: job.id, payload: job.payloadBytes, size: job.payloadBytes.count, queue: job.queue,
            attempts: job.attempt, code: code, reason: reason, detail: detail)
        return try await bury([(job.lease, draft)]).isEmpty
    }

    /// Notes that a recovered job got further than before: deaths of its earlier workers do not count toward
    /// poison any more. Call it at the first checkpoint of a job with `recoveries`, so that jobs that happen
    /// to run on dying machines are not taken for their cause. False when the lease was lost before.
    public func progressed(_ lease: LeaseHandle) async throws(QueueError) -> Bool {
        try await eval(.progress, lease.arguments).int == 1
    }

    /// What `bind` found.
    public enum Binding: Sendable, Equatable {
        /// The job holds its integration, by name and by id.
        case bound
        /// The job was parked: another one holds the integration, or a pause concerns it. Its lease is over.
        case parked
        /// The job was dropped: another job that runs or waits does the same. Its lease is over.
        case coalesced
        /// The job was given back to its queue, as what stood in its way ended meanwhile. Its lease is over.
        case givenBack
        /// Somebody else holds the job.
        case lost
    }

    /// Locks the integration's id for a running job, once the worker knows the row. Payloads by name and by
    /// id exclude each other only after this; pauses of either form are checked too.
    public func bind(
        _ lease: LeaseHandle, integrationID: Int64, key: IntegrationKey
    ) async throws(QueueError) -> Binding {
        let lock = "#\(integrationID)"
        let pauses: [Pause] = [.integration(integrationID), .user(key.userID), .service(key.service)]
        let reply = try await eval(
            .bind,
            lease.arguments + [RedisArgument(lock), RedisArgument(key.userID), RedisArgument(key.service)]
                + pauses.map { RedisArgument($0.member) })
        switch reply.text {
        case "ok": return .bound
        case "lost": return .lost
        case "busy": return try await park(lease, waitKey: lock)
        case let pause? where pause.hasPrefix("pause:"): return try await park(lease, waitKey: pause)
        default: throw .unexpected("bind")
        }
    }

    private func park(_ lease: LeaseHandle, waitKey: String) async throws(QueueError) -> Binding {
        switch try await park([(lease, waitKey)]).first {
        case "parked": return .parked
        case "coalesced": return .coalesced
        case "ready": return .givenBack
        case "lost": return .lost
        default: throw .unexpected("park")
        }
    }
}

// MARK: - Script calls

extension JobQueue {
    var leaseMilliseconds: Int64 { configuration.lease.wholeMilliseconds }

    /// `also` are keys of this script alone, behind those that all scripts declare.
    func eval(
        _ script: QueueScript, also more: [String] = [], _ arguments: [RedisArgument]
    ) async throws(QueueError) -> RedisValue {
        do {
            let all = more.isEmpty ? keys.declared : keys.declared + more.map { RedisArgument($0) }
            return try await redis.eval(script.script, keys: all, arguments: arguments)
        } catch {
            throw QueueError(error)
        }
    }

    func command(_ arguments: [RedisArgument]) async throws(QueueError) -> RedisValue {
        do {
            return try await redis.command(arguments)
        } catch {
            throw QueueError(error)
        }
    }

    func finish(_ leases: [LeaseHandle], counter: String) async throws(QueueError) -> [LeaseHandle] {
        try await eachBatch(leases) { batch throws(QueueError) in
            try await positions(.finish, [RedisArgument(counter)] + batch.flatMap { $0.arguments })
        }
    }

    /// A delay is in milliseconds, or `@` and the due time in milliseconds since 1970.
    func postpone(
        _ leases: [LeaseHandle], charge: Int, delays: [String]
    ) async throws(QueueError) -> [LeaseHandle] {
        try await eachBatch(Array(zip(leases, delays))) { batch throws(QueueError) in
            try await positions(
                .postpone,
                [RedisArgument(charge)] + batch.flatMap { $0.0.arguments + [RedisArgument($0.1)] })
        }.map(\.0)
    }

    /// Letters may be large, so each goes alone.
    func bury(_ letters: [(LeaseHandle, draft: [UInt8])]) async throws(QueueError) -> [LeaseHandle] {
        var lost: [LeaseHandle] = []
        for (lease, draft) in letters
        where try await !positions(.deadletter, lease.arguments + [RedisArgument(draft)]).isEmpty {
            lost.append(lease)
        }
        return lost
    }

    func park(_ jobs: [(LeaseHandle, waitKey: String)]) async throws(QueueError) -> [String] {
        let reply = try await eval(.park, jobs.flatMap { $0.0.arguments + [RedisArgument($0.waitKey)] })
        guard let results = reply.array else { throw .unexpected("park") }
        return results.map { $0.text ?? "" }
    }

    /// Runs a script that answers with positions of leases.
    func positions(
        _ script: QueueScript, _ arguments: [RedisArgument]
    ) async throws(QueueError) -> [Int] {
        guard let positions = try await eval(script, arguments).array else {
            throw .unexpected(script.rawValue)
        }
        return positions.compactMap { $0.int.map(Int.init) }
    }

    func eachBatch<Item: Sendable>(
        _ items: [Item], _ body: ([Item]) async throws(QueueError) -> [Int]
    ) async throws(QueueError) -> [Item] {
        var lost: [Item] = []
        for start in stride(from: 0, to: items.count, by: Self.batchLimit) {
            let batch = Array(items[start..<min(start + Self.batchLimit, items.count)])
            for position in try await body(batch) where batch.indices.contains(position) {
                lost.append(batch[position])
            }
        }
        return lost
    }
}

extension LeaseHandle {
    var arguments: [RedisArgument] { [RedisArgument(id), RedisArgument(token)] }
}

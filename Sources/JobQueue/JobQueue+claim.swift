// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

extension JobQueue {
    /// Takes up to `limit` jobs (at most ``claimLimit``) that may run now, and settles everything else that it takes on
    /// the way: what is paused or busy is parked, what is not due yet is delayed, what is no job becomes a
    /// dead letter.
    ///
    /// A reply without jobs may have `taken` some; claim again at once then. Each job's lease began before
    /// this call returns: count it from before the call.
    ///
    /// A suspect is a job that becomes poison with the next death of its worker. A worker runs one of them at a time, so
    /// that a poison job takes no others to the dead letters with it: pass false for `takesSuspect` while one runs.
    public func claim(limit: Int, takesSuspect: Bool = true) async throws(QueueError) -> ClaimReply {
        precondition(limit > 0, "a claim without free slots takes nothing")
        let ids = JobID.candidates()
        let page = try ClaimPage(
            await eval(
                .claim,
                [
                    RedisArgument(LeaseToken.make(of: claimant)), RedisArgument(leaseMilliseconds),
                    RedisArgument(min(limit, Self.claimLimit)), RedisArgument(ids.prefix),
                    RedisArgument(ids.first), RedisArgument(configuration.poisonLimit - 1),
                    RedisArgument(takesSuspect ? 1 : 0),
                ] + configuration.queues.map { RedisArgument($0.rawValue) }))

        var reply = ClaimReply()
        reply.nextDueIn = page.nextDue.map { .microseconds(max(0, $0.microseconds - page.now.microseconds)) }
        reply.problems = page.wrongKeys.map { .wrongKeyType(key: $0) }
        reply.openQueues = page.openQueues
        reply.taken = page.rows.count
        reply.unsorted = page.unsorted
        reply.jobs.reserveCapacity(page.rows.count)
        var aside = Aside()
        for (envelope, verdict) in page.rows {
            switch ClaimDecision(envelope, verdict, now: page.now) {
            case .run(var job):
                job.isSuspect = job.recoveries >= configuration.poisonLimit - 1
                if verdict == .run { job.waited = Self.wait(of: job, until: page.now) }
                reply.jobs.append(job)
            case .park(let lease, let waitKey): aside.parked.append((lease, waitKey))
            case .delay(let lease, let time): aside.delayed.append((lease, time))
            case .drop(let lease): aside.dropped.append(lease)
            case .cancel(let lease): aside.cancelled.append(lease)
            case .bury(let lease, let draft, let problem): aside.buried.append((lease, draft, problem))
            }
        }
        if !aside.isEmpty { reply.problems += await settle(aside) }
        return reply
    }

    /// How long a job was ready that was taken for the first time.
    private static func wait(of job: ClaimedJob, until now: Timestamp) -> Duration {
        let ready = max(job.enqueuedAt, job.payload.notBefore ?? job.enqueuedAt)
        return .microseconds(max(0, now.microseconds - ready.microseconds))
    }

    /// Sorts some ready jobs into the lanes of their users and returns how many are left in the lists. A claim sorts
    /// too; call this while a claim reports many `unsorted` jobs and no slot is free, so that a user whose job is deep in
    /// a list does not wait for the jobs before it to run.
    public func sort() async throws(QueueError) -> Int {
        let ids = JobID.candidates()
        let reply = try await eval(
            .sort,
            [RedisArgument(ids.prefix), RedisArgument(ids.first)]
                + configuration.queues.map { RedisArgument($0.rawValue) })
        guard let left = reply.int else { throw .unexpected("sort") }
        return Int(left)
    }

    /// Jobs of a claim that do not run now.
    private struct Aside {
        var parked: [(LeaseHandle, waitKey: String)] = []
        var delayed: [(LeaseHandle, Timestamp)] = []
        var dropped: [LeaseHandle] = []
        var cancelled: [LeaseHandle] = []
        var buried: [(LeaseHandle, draft: [UInt8], problem: PayloadProblem)] = []

        var isEmpty: Bool {
            parked.isEmpty && delayed.isEmpty && dropped.isEmpty && cancelled.isEmpty && buried.isEmpty
        }
    }

    /// Carries the decisions out. A failure here must not keep the claimed jobs from their worker: what could
    /// not be settled comes back when its lease runs out.
    private func settle(_ aside: Aside) async -> [QueueProblem] {
        var problems: [QueueProblem] = []
        do {
            if !aside.parked.isEmpty { _ = try await park(aside.parked) }
            if !aside.delayed.isEmpty {
                _ = try await postpone(
                    aside.delayed.map(\.0), charge: 0, delays: aside.delayed.map { "@\($0.1.milliseconds)" })
            }
            if !aside.dropped.isEmpty { _ = try await finish(aside.dropped, counter: "coalesced") }
            if !aside.cancelled.isEmpty { _ = try await finish(aside.cancelled, counter: "cancelled") }
            for (lease, draft, problem) in aside.buried {
                _ = try await bury([(lease, draft)])
                problems.append(
                    .deadLettered(id: lease.id, code: problem.code.rawValue, reason: problem.reason))
            }
        } catch {
            problems.append(Self.problem(error))
        }
        return problems
    }

    static func problem(_ error: QueueError) -> QueueProblem {
        if case .wrongKeyType(let key) = error.code {
            .wrongKeyType(key: key)
        } else {
            .unsettled(reason: error.message)
        }
    }
}

/// The reply of the claim script.
private struct ClaimPage {
    let now: Timestamp
    let nextDue: Timestamp?
    let wrongKeys: [String]
    let openQueues: [Queue]
    let unsorted: Int
    let rows: [(Envelope, ClaimDecision.Verdict)]

    init(_ reply: RedisValue) throws(QueueError) {
        guard let fields = reply.array, fields.count == 6, let now = fields[0].int, let due = fields[1].int,
            let wrongKeys = fields[2].array, let openQueues = fields[3].array, let flat = fields[4].array,
            let unsorted = fields[5].int
        else { throw .unexpected("claim") }
        self.now = Timestamp(milliseconds: now)
        self.unsorted = Int(unsorted)
        nextDue = due >= 0 ? Timestamp(milliseconds: due) : nil
        self.wrongKeys = wrongKeys.compactMap(\.text)
        self.openQueues = openQueues.compactMap { $0.text.flatMap(Queue.init(rawValue:)) }
        var rows: [(Envelope, ClaimDecision.Verdict)] = []
        rows.reserveCapacity(flat.count / 2)
        for position in stride(from: 0, to: flat.count - 1, by: 2) {
            guard let bytes = flat[position].bytes, let envelope = Envelope(bytes),
                let verdict = flat[position + 1].text.flatMap(ClaimDecision.Verdict.init)
            else { throw .unexpected("claim") }
            rows.append((envelope, verdict))
        }
        self.rows = rows
    }
}

// SPDX-License-Identifier: Apache-2.0

public import JobQueue
public import Logging
import Model
public import ServiceLifecycle

/// Claims jobs up to its free slots, runs them, renews their leases, and recovers those of dead workers.
///
/// At graceful shutdown it claims no more, asks its jobs to stop at their next page edge, and returns when they have
/// given their work back.
public final class JobConsumer: Service, Sendable {
    private let queue: JobQueue
    private let handler: any JobHandler
    private let name: String
    private let logger: Logger
    private let state: WorkerState
    private let lane: FinishLane
    let jobMetrics: JobMetrics
    private let gate: @Sendable () async throws -> Void
    private let ledger: LedgerGate

    /// How long a drain may take before the jobs are cancelled; an orchestrator kills after 30 s.
    static let drainLimit: Duration = .seconds(20)
    /// An idle worker looks this often for jobs of dead workers.
    static let reapInterval: Duration = .seconds(2)
    static let heartbeatInterval: Duration = .seconds(10)
    static let idleWait: Duration = .seconds(5)
    /// An idle worker looks this often whether a pause or a cap of one of its queues is over: nothing wakes it then.
    static let stoppedQueueWait: Duration = .milliseconds(100)
    /// Between two tries to tell Redis how a job ended.
    static let tellInterval: Duration = .milliseconds(200)
    static let cancellationInterval: Duration = .milliseconds(500)
    static let sortInterval: Duration = .milliseconds(50)
    /// While nothing may be claimed, it looks this often whether something may.
    static let closedWait: Duration = .milliseconds(100)
    /// Redis that answers no reap for so long cannot be used, whether or not there are free slots to claim for.
    static let silenceLimit: Duration = .seconds(10)

    /// `name` is the worker's id in `lockstep:workers` and in the sync log. `gate` runs before the first claim; when it
    /// throws, no work is taken. `ledger` is asked now and then, on a new connection if told so; while it throws, no work is
    /// taken either.
    public init(
        queue: JobQueue, handler: any JobHandler, concurrency: Int, name: String, logger: Logger,
        metrics: JobMetrics = JobMetrics(),
        ledger: @escaping @Sendable (_ isFresh: Bool) async throws -> Void = { _ in },
        gate: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.gate = gate
        jobMetrics = metrics
        self.ledger = LedgerGate(probe: ledger, logger: logger)
        self.queue = queue
        self.handler = handler
        self.name = name
        self.logger = logger
        state = WorkerState(concurrency: concurrency)
        lane = FinishLane(queue: queue, worker: state, logger: logger)
    }

    /// Runs until graceful shutdown; throws only what the gate throws.
    public func run() async throws {
        try await gate()
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.ledger.watchUntilCancelled() }
                group.addTask { await self.renewUntilCancelled() }
                group.addTask { await self.stopLostJobs() }
                group.addTask { await self.reapUntilCancelled() }
                group.addTask { await self.stopCancelledJobs() }
                group.addTask { await self.hurryJobs() }
                group.addTask { await self.sortBacklog() }
                // Two lanes: while one starts what it claimed, the other's claim is on its way.
                group.addTask { await self.claimUntilDrained(isSecond: true) }
                await claimUntilDrained(isSecond: false)
                await waitForJobs()
                group.cancelAll()
            }
            await retire()
        } onGracefulShutdown: { [state, logger] in
            logger.info("worker drains", metadata: ["jobs": "\(state.runningCount)"])
            state.drain()
        }
    }

    // MARK: - Claiming

    /// The second lane helps while there is much to do, and leaves the waiting to the first.
    private func claimUntilDrained(isSecond: Bool) async {
        while !state.isDraining, !Task.isCancelled {
            if isSecond, !state.isBusy {
                await state.untilBusy()
                continue
            }
            let free = state.freeSlots
            guard free > 0 else {
                await state.slotFreed()
                continue
            }
            let allowance = ledger.allowance
            guard allowance == .all || allowance == .one && !isSecond else {
                await Self.sleep(Self.closedWait)
                continue
            }
            let requestedAt = ContinuousClock.now
            do throws(QueueError) {
                let reply = try await queue.claim(
                    limit: allowance == .one ? 1 : min(free, JobQueue.claimLimit),
                    takesSuspect: !isSecond && !state.holdsSuspect)
                state.noteClaim(failure: nil)
                if !reply.jobs.isEmpty { ledger.claimed() }
                report(reply.problems)
                for job in reply.jobs { start(job, requestedAt: requestedAt) }
                state.noteBusy(reply.taken >= JobQueue.claimLimit)
                state.noteUnsorted(reply.unsorted)
                if reply.taken == 0, !isSecond { await waitForWork(reply) }
            } catch {
                state.noteClaim(failure: error.message)
                state.count("claim_errors")
                logger.warning("claim failed", metadata: ["error": "\(error)"])
                await state.whileIdle { await Self.sleep(.seconds(1)) }
            }
        }
        if Task.isCancelled { state.drain() }
    }

    private func waitForWork(_ reply: ClaimReply) async {
        let isOpen = reply.openQueues.count == queue.configuration.queues.count
        let limit = min(reply.nextDueIn ?? Self.idleWait, isOpen ? Self.idleWait : Self.stoppedQueueWait)
        let (queue, state, logger) = (queue, state, logger)
        await state.whileIdle {
            do throws(QueueError) {
                _ = try await queue.waitForWork(in: reply.openQueues, upTo: max(limit, .milliseconds(1)))
            } catch {
                // A Redis that refuses to let a worker wait may still give it jobs.
                if error.code != .refused { state.noteClaim(failure: error.message) }
                logger.warning("waiting for work failed", metadata: ["error": "\(error)"])
                await Self.sleep(.seconds(1))
            }
        }
    }

    private func report(_ problems: [QueueProblem]) {
        for problem in problems {
            switch problem {
            case .deadLettered(let id, let code, let reason):
                state.count("dead_lettered")
                jobMetrics.deadLettered(code)
                logger.warning(
                    "job went to the dead letters", metadata: ["job.id": "\(id)", "reason": "\(reason)"])
            case .wrongKeyType(let key):
                guard state.isNews(key) else { continue }
                logger.error("a key has the wrong type; its jobs wait", metadata: ["key": "\(key)"])
            case .unsettled(let reason):
                logger.warning("jobs could not be put aside", metadata: ["reason": "\(reason)"])
            }
        }
    }

    // MARK: - Running

    private func start(_ job: ClaimedJob, requestedAt: ContinuousClock.Instant) {
        state.count("claimed")
        if let wait = job.waited { jobMetrics.started(after: wait, in: job.queue) }
        let lease = LeaseState(length: queue.configuration.lease, requestedAt: requestedAt)
        state.add(job, lease)
        // Awaited by `waitForJobs`, which waits until its slot is free; a handle of its own lets a lost lease cancel it.
        let task = Task {
            let outcome = await handler.handle(
                job, control: JobControl(worker: state, ledger: ledger, lease: job.lease))
            // In a task of its own: this one may be cancelled, and a cancelled task's commands are given up before they
            // are sent.
            await Task { await end(job, outcome) }.value
        }
        state.attach(task, to: job.lease)
    }

    private func end(_ job: ClaimedJob, _ outcome: JobOutcome) async {
        if state.isCancelled(job.lease) { return await endCancelled(job) }
        if case .finished = outcome {
            await lane.finish(job.lease)
            return
        }
        switch outcome {
        case .finished, .released: break
        case .retry: state.count("retried")
        case .snooze: state.count("snoozed")
        case .deadLetter(let code, let reason, _):
            state.count("dead_lettered")
            jobMetrics.deadLettered(code)
            logger.warning(
                "job went to the dead letters", metadata: ["job.id": "\(job.id)", "reason": "\(reason)"])
        }
        // Again and again while Redis does not answer: a job that is not given back counts as lost with its worker.
        let limit = ContinuousClock.now.advanced(by: queue.configuration.lease)
        while true {
            do throws(QueueError) {
                if try await !tell(outcome, of: job) {
                    logger.notice("the job's lease was lost", metadata: ["job.id": "\(job.id)"])
                }
                break
            } catch {
                guard ContinuousClock.now >= limit else {
                    await Self.sleep(Self.tellInterval)
                    continue
                }
                logger.warning(
                    "the job's end was not noted; it runs again when its lease runs out",
                    metadata: ["job.id": "\(job.id)", "error": "\(error)"])
                break
            }
        }
        state.remove([job.lease])
    }

    /// Tells Redis what becomes of a job; false when its lease was lost.
    private func tell(_ outcome: JobOutcome, of job: ClaimedJob) async throws(QueueError) -> Bool {
        switch outcome {
        case .finished, .released: true
        case .retry(let delay): try await queue.retry(job.lease, after: delay)
        case .snooze(let delay): try await queue.snooze(job.lease, after: delay)
        case .deadLetter(let code, let reason, let detail):
            try await queue.deadLetter(job, code: code, reason: reason, detail: detail)
        }
    }

    private func endCancelled(_ job: ClaimedJob) async {
        do {
            try await handler.cancelled(jobID: job.id)
            if try await queue.finishCancelled(job.lease) {
                state.count("cancelled")
                logger.notice("job was cancelled", metadata: ["job.id": "\(job.id)"])
            }
        } catch {
            logger.warning(
                "the job's end was not noted; it is dropped when its lease runs out",
                metadata: ["job.id": "\(job.id)", "error": "\(error)"])
        }
        state.remove([job.lease])
    }

    private func waitForJobs() async {
        let limit = ContinuousClock.now.advanced(by: Self.drainLimit)
        var isCancelled = false
        while state.runningCount > 0 {
            if ContinuousClock.now >= limit, !isCancelled {
                logger.warning("jobs did not stop in time", metadata: ["jobs": "\(state.runningCount)"])
                state.cancelAll()
                isCancelled = true
            }
            await Self.sleep(.milliseconds(10))
        }
    }

    // MARK: - Keeping

    private var leaseCheckInterval: Duration { max(queue.configuration.lease / 10, .milliseconds(20)) }

    /// Apart from the renewals: one that waits for a silent Redis must not keep a job going whose time is up.
    private func stopLostJobs() async {
        while !Task.isCancelled {
            await Self.sleep(leaseCheckInterval)
            state.cancelLost(at: .now)
        }
    }

    private func renewUntilCancelled() async {
        while !Task.isCancelled {
            await Self.sleep(leaseCheckInterval)
            let requestedAt = ContinuousClock.now
            let due = state.dueRenewals(at: requestedAt)
            guard !due.isEmpty else { continue }
            do throws(QueueError) {
                let lost = try await queue.renew(due)
                let lostIDs = Set(lost.map(\.id))
                state.renewed(due.filter { !lostIDs.contains($0.id) }, requestedAt: requestedAt)
                if !lost.isEmpty {
                    state.count("leases_lost", lost.count)
                    logger.warning("leases were lost; their jobs stop", metadata: ["jobs": "\(lost.count)"])
                    state.revoke(lost)
                }
            } catch {
                logger.warning("renewal failed", metadata: ["error": "\(error)", "jobs": "\(due.count)"])
            }
        }
    }

    /// Stops jobs that an operator cancelled. Costs nothing while no job runs.
    private func stopCancelledJobs() async {
        while !Task.isCancelled {
            await Self.sleep(Self.cancellationInterval)
            let ids = state.runningIDs
            for start in stride(from: 0, to: ids.count, by: JobQueue.batchLimit) {
                do throws(QueueError) {
                    let batch = Array(ids[start..<min(start + JobQueue.batchLimit, ids.count)])
                    for id in try await queue.cancelled(among: batch) { state.cancel(id) }
                } catch {
                    logger.debug("cancellations were not read", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Finds jobs that keep a person waiting. Costs nothing while no job runs.
    private func hurryJobs() async {
        while !Task.isCancelled {
            await Self.sleep(Self.cancellationInterval)
            let leases = state.runningLeases
            guard !leases.isEmpty else { continue }
            do throws(QueueError) {
                state.noteHurried(try await queue.hurried(among: leases))
            } catch {
                logger.debug("who waits was not read", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Sorts a backlog while the slots are busy with jobs, so that a job deep in it gets its user's turn.
    private func sortBacklog() async {
        while !Task.isCancelled {
            guard state.unsorted > JobQueue.batchLimit, state.freeSlots == 0, !state.isDraining else {
                await Self.sleep(Self.sortInterval)
                continue
            }
            let started = ContinuousClock.now
            do throws(QueueError) {
                state.noteUnsorted(try await queue.sort())
                // Half of the time is left to others.
                await Self.sleep(ContinuousClock.now - started)
            } catch {
                logger.debug("the backlog was not sorted", metadata: ["error": "\(error)"])
                await Self.sleep(.seconds(1))
            }
        }
    }

    private func reapUntilCancelled() async {
        var nextHeartbeat = ContinuousClock.now
        while !Task.isCancelled {
            do throws(QueueError) {
                if ContinuousClock.now >= nextHeartbeat {
                    try await queue.heartbeat(worker: name)
                    nextHeartbeat = .now.advanced(by: Self.heartbeatInterval)
                }
                var reply = try await queue.reap(beforeBurying: abandon)
                while reply.hasMore, !Task.isCancelled {
                    note(reply)
                    state.noteReap()
                    reply = try await queue.reap(beforeBurying: abandon)
                }
                note(reply)
                state.noteReap()
                // Woken workers that died left ready jobs behind that wake nobody else.
                if reply.waitingInInboxes > 0 { state.endIdleWait() }
                if state.freeSlots == 0, !state.isDraining {
                    let statistics = try await queue.statistics()
                    state.noteOthersWait(statistics.ready.values.reduce(0, +) > 0)
                    state.noteUnsorted(statistics.unsorted)
                } else {
                    state.noteOthersWait(false)
                }
            } catch {
                if !Task.isCancelled { logger.warning("reaping failed", metadata: ["error": "\(error)"]) }
            }
            await Self.sleep(Self.reapInterval)
        }
    }

    private func abandon(_ jobID: String) async -> Bool {
        do {
            try await handler.abandon(jobID: jobID)
            return true
        } catch {
            logger.warning(
                "a job that took its workers with it is kept, as its runs cannot be closed yet",
                metadata: ["job.id": "\(jobID)", "error": "\(error)"])
            return false
        }
    }

    private func note(_ reply: ReapReply) {
        if reply.recovered > 0 {
            state.count("recovered", reply.recovered)
            logger.notice("jobs of dead workers were recovered", metadata: ["jobs": "\(reply.recovered)"])
        }
        report(reply.problems)
    }

    private func retire() async {
        do throws(QueueError) {
            try await queue.retire(worker: name)
        } catch {
            logger.warning("the worker could not sign off", metadata: ["error": "\(error)"])
        }
    }

    /// A wait that a cancellation ends.
    private static func sleep(_ duration: Duration) async {
        do { try await ContinuousClock().sleep(for: duration) } catch { return }
    }
}

/// A consumer's state, for endpoints.
extension JobConsumer {
    /// Jobs that run now.
    public var runningJobs: Int { state.runningCount }

    /// What was counted since the start, by name.
    public var counters: [String: Int] { state.counters }

    /// Whether it drains.
    public var isDraining: Bool { state.isDraining }

    /// Nil while it consumes; else why it does not.
    public var stall: String? {
        let claims = state.claims
        if state.isDraining { return "draining" }
        if let trouble = ledger.trouble { return "the ledger cannot be used: \(trouble)" }
        if let failure = claims.failure {
            return "no claim has succeeded for \(claims.sinceLast.components.seconds) s: \(failure)"
        }
        if claims.sinceReap > Self.silenceLimit {
            return "Redis has not answered for \(claims.sinceReap.components.seconds) s"
        }
        let isFull = state.freeSlots == 0
        if !isFull, claims.sinceLast > Self.idleWait * 6 {
            return "no claim for \(claims.sinceLast.components.seconds) s"
        }
        return nil
    }
}

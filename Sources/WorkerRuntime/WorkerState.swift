// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model

/// What a worker does at the moment, for its own loops, its jobs and its health endpoints.
final class WorkerState: Sendable {
    struct Running {
        var lease: LeaseHandle
        var state: LeaseState
        /// See `JobQueue.claim`.
        var isSuspect: Bool
        /// Somebody asked that the job stops.
        var isCancelled = false
        /// A short job waits for its integration.
        var isHurried = false
        /// Nil until the task is made.
        var task: Task<Void, Never>?
    }

    private struct State {
        var running: [String: Running] = [:]
        var suspects = 0
        var isDraining = false
        var othersWait = false
        var lastClaim = ContinuousClock.now
        var lastReap = ContinuousClock.now
        /// Why the last claim failed; nil when it succeeded.
        var claimFailure: String? = "the worker starts"
        var idleWait: Task<Void, Never>?
        var slotWaiters: [CheckedContinuation<Void, Never>] = []
        /// The last claim was as large as a claim can be.
        var isBusy = false
        var busyWaiter: CheckedContinuation<Void, Never>?
        var counters: [String: Int] = [:]
        var unsorted = 0
        /// When each lasting problem was last logged.
        var told: [String: ContinuousClock.Instant] = [:]
    }

    private let box = LockedBox(State())
    let concurrency: Int

    init(concurrency: Int) {
        self.concurrency = concurrency
    }

    var isDraining: Bool { box.withLock { $0.isDraining } }
    var othersWait: Bool { box.withLock { $0.othersWait } }
    var runningCount: Int { box.withLock { $0.running.count } }
    var freeSlots: Int { box.withLock { $0.isDraining ? 0 : concurrency - $0.running.count } }
    var counters: [String: Int] { box.withLock { $0.counters } }

    /// Ready jobs that no script has looked at yet, as last heard.
    var unsorted: Int { box.withLock { $0.unsorted } }
    func noteUnsorted(_ count: Int) { box.withLock { $0.unsorted = count } }

    func noteOthersWait(_ value: Bool) { box.withLock { $0.othersWait = value } }

    func count(_ name: String, _ amount: Int = 1) { box.withLock { $0.counters[name, default: 0] += amount } }

    /// Whether a problem that lasts is to be logged (again): each claim meets it.
    func isNews(_ problem: String) -> Bool {
        box.withLock { state in
            let now = ContinuousClock.now
            if let last = state.told[problem], now - last < Self.reminder { return false }
            state.told[problem] = now
            return true
        }
    }

    private static let reminder: Duration = .seconds(60)

    // MARK: - Health

    /// Notes how a claim went: nil when it succeeded.
    func noteClaim(failure: String?) {
        box.withLock { state in
            state.claimFailure = failure
            if failure == nil { state.lastClaim = .now }
        }
    }

    /// Redis answered a reap.
    func noteReap() { box.withLock { $0.lastReap = .now } }

    /// Why the last claim failed, and how long ago one succeeded, and a reap did.
    var claims: (failure: String?, sinceLast: Duration, sinceReap: Duration) {
        let now = ContinuousClock.now
        return box.withLock { ($0.claimFailure, now - $0.lastClaim, now - $0.lastReap) }
    }

    // MARK: - Jobs

    func add(_ job: ClaimedJob, _ lease: LeaseState) {
        box.withLock { state in
            state.running[job.id] = Running(lease: job.lease, state: lease, isSuspect: job.isSuspect)
            if job.isSuspect { state.suspects += 1 }
        }
    }

    /// Whether a job runs that becomes poison when this worker dies.
    var holdsSuspect: Bool { box.withLock { $0.suspects > 0 } }

    /// Notes that a job got further: it is no suspect any more.
    func clear(_ lease: LeaseHandle) {
        box.withLock { state in
            guard state.running[lease.id]?.isSuspect == true else { return }
            state.running[lease.id]?.isSuspect = false
            state.suspects -= 1
        }
    }

    /// Keeps the task of a job that still runs; a short job may be over by now.
    func attach(_ task: Task<Void, Never>, to lease: LeaseHandle) {
        let isCancelled = box.withLock { state in
            state.running[lease.id]?.task = task
            return state.running[lease.id]?.isCancelled == true
        }
        if isCancelled { task.cancel() }
    }

    /// Frees the slots of jobs that are over.
    func remove(_ leases: [LeaseHandle]) {
        let waiters = box.withLock { state in
            for lease in leases {
                if state.running.removeValue(forKey: lease.id)?.isSuspect == true { state.suspects -= 1 }
            }
            let waiters = state.slotWaiters
            state.slotWaiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The leases that want to be renewed now.
    func dueRenewals(at now: ContinuousClock.Instant) -> [LeaseHandle] {
        box.withLock { state in
            state.running.values.filter { $0.state.verdict(at: now) == .renew }.map(\.lease)
        }
    }

    /// Cancels the jobs whose leases count as lost.
    func cancelLost(at now: ContinuousClock.Instant) {
        let tasks = box.withLock { state in
            state.running.values.compactMap { $0.state.verdict(at: now) == .lost ? $0.task : nil }
        }
        for task in tasks { task.cancel() }
    }

    func renewed(_ leases: [LeaseHandle], requestedAt: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        box.withLock { state in
            for lease in leases { state.running[lease.id]?.state.renewed(requestedAt: requestedAt, now: now) }
        }
    }

    /// Cancels the jobs of leases that somebody else holds.
    func revoke(_ leases: [LeaseHandle]) {
        let tasks = box.withLock { state in
            leases.compactMap { lease -> Task<Void, Never>? in
                state.running[lease.id]?.state.revoked()
                return state.running[lease.id]?.task
            }
        }
        for task in tasks { task.cancel() }
    }

    /// The jobs that run and were not asked to stop.
    var runningIDs: [String] {
        box.withLock { state in state.running.values.compactMap { $0.isCancelled ? nil : $0.lease.id } }
    }

    /// The leases of the jobs that run.
    var runningLeases: [LeaseHandle] { box.withLock { $0.running.values.map(\.lease) } }

    /// Notes which of the running jobs keep a short one waiting.
    func noteHurried(_ leases: [LeaseHandle]) {
        let ids = Set(leases.map(\.id))
        box.withLock { state in
            for id in state.running.keys { state.running[id]?.isHurried = ids.contains(id) }
        }
    }

    func isHurried(_ lease: LeaseHandle) -> Bool {
        box.withLock { $0.running[lease.id]?.isHurried == true }
    }

    /// Stops a job because somebody asked for it.
    func cancel(_ id: String) {
        let task = box.withLock { state in
            state.running[id]?.isCancelled = true
            return state.running[id]?.task
        }
        task?.cancel()
    }

    func isCancelled(_ lease: LeaseHandle) -> Bool {
        box.withLock { $0.running[lease.id]?.isCancelled == true }
    }

    func cancelAll() {
        let tasks = box.withLock { $0.running.values.compactMap(\.task) }
        for task in tasks { task.cancel() }
    }

    // MARK: - Waiting

    /// Starts no more claims, and ends the wait for work.
    func drain() {
        let (idle, waiters) = box.withLock { state in
            state.isDraining = true
            let waiters = state.slotWaiters + [state.busyWaiter].compactMap { $0 }
            state.slotWaiters = []
            state.busyWaiter = nil
            return (state.idleWait, waiters)
        }
        idle?.cancel()
        for waiter in waiters { waiter.resume() }
    }

    /// Ends the wait for work: there may be some.
    func endIdleWait() {
        box.withLock { $0.idleWait }?.cancel()
    }

    var isBusy: Bool { box.withLock { $0.isBusy } }

    func noteBusy(_ value: Bool) {
        let waiter = box.withLock { state in
            state.isBusy = value
            let waiter = value ? state.busyWaiter : nil
            if value { state.busyWaiter = nil }
            return waiter
        }
        waiter?.resume()
    }

    /// Waits until a claim was as large as a claim can be, or the worker drains.
    func untilBusy() async {
        await withCheckedContinuation { continuation in
            let isNow = box.withLock { state in
                if state.isDraining || state.isBusy { return true }
                state.busyWaiter = continuation
                return false
            }
            if isNow { continuation.resume() }
        }
    }

    /// Runs a wait that `drain` may end early.
    func whileIdle(_ wait: @escaping @Sendable () async -> Void) async {
        let task = Task { await wait() }
        let isDraining = box.withLock { state in
            state.idleWait = task
            return state.isDraining
        }
        if isDraining { task.cancel() }
        await task.value
        box.withLock { $0.idleWait = nil }
    }

    /// Waits until a job is over, or the worker drains.
    func slotFreed() async {
        await withCheckedContinuation { continuation in
            let isNow = box.withLock { state in
                if state.isDraining || state.running.count < concurrency { return true }
                state.slotWaiters.append(continuation)
                return false
            }
            if isNow { continuation.resume() }
        }
    }
}

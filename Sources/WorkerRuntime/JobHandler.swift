// SPDX-License-Identifier: Apache-2.0

public import JobQueue
public import SyncStore

/// What becomes of a job after it ran.
public enum JobOutcome: Sendable, Equatable {
    case finished
    /// A failure that may pass: the next attempt starts after the delay.
    case retry(after: Duration)
    /// Given back without an attempt charged.
    case snooze(Duration)
    /// Kept for a person.
    case deadLetter(code: String, reason: String, detail: String)
    /// Somebody else holds the job; nothing is to be done.
    case released
}

/// Runs jobs.
public protocol JobHandler: Sendable {
    /// Runs one job to an end. Its task is cancelled when the lease is lost; what it says then is ignored.
    func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome

    /// Closes what dead workers left open of a job, before it becomes a dead letter. When it throws, the job is kept and
    /// this is asked again after a lease.
    func abandon(jobID: String) async throws

    /// Closes what is open of a job that was cancelled while it ran. Its task has ended by then.
    func cancelled(jobID: String) async throws
}

extension JobHandler {
    /// A handler that keeps no ledger has nothing to close.
    public func abandon(jobID: String) async throws {}

    /// A handler that keeps no ledger has nothing to close.
    public func cancelled(jobID: String) async throws {}
}

/// What a running job may ask its worker.
public struct JobControl: Sendable {
    private let worker: WorkerState
    private let ledger: LedgerGate
    private let lease: LeaseHandle

    init(worker: WorkerState, ledger: LedgerGate, lease: LeaseHandle) {
        self.worker = worker
        self.ledger = ledger
        self.lease = lease
    }

    /// Whether the worker shuts down.
    public var isDraining: Bool { worker.isDraining }

    /// Whether jobs wait that this worker has no slot for.
    public var othersWait: Bool { worker.othersWait }

    /// Whether an action or a webhook's event waits until this job gives its integration back.
    public var isHurried: Bool { worker.isHurried(lease) }

    /// Tells the worker that the queue has noted the job's progress: another suspect may run.
    public func noteProgress() { worker.clear(lease) }

    /// Tells the worker that a run committed something.
    public func noteLedgerWorks() { ledger.worked() }

    /// Tells the worker that the ledger failed under the job, so that it claims no more while that lasts. Whether the ledger
    /// is at fault; else the job is. May take seconds: a statement that was too slow is judged by asking the ledger.
    public func isLedgerAtFault(_ error: StoreError) async -> Bool { await ledger.failed(error) }
}

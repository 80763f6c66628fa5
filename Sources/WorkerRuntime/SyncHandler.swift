// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import Credentials
public import HTTPTransport
public import JobQueue
public import Logging
public import Model
public import RateLimits
public import SyncEngine
public import SyncStore

/// Runs jobs. Of a sync it finds the integration, opens its run, unseals its credential, and lets the engine read.
public struct SyncHandler: JobHandler {
    private let queue: JobQueue
    private let store: SyncStore
    private let webhooks: WebhookStore
    private let watches: WatchKeeper?
    private let integrations: IntegrationDirectory
    private let engine: SyncEngine
    private let holds = LimitHolds()
    private let access: AccessMaker
    private let actions: ActionHandler
    private let workerName: String
    private let retryPolicy: RetryPolicy
    private let logger: Logger
    private let metrics: JobMetrics

    /// A full sync gives its slot back after this time when other jobs wait.
    static let share: Duration = .seconds(60)

    /// How long a run that gave way stays away, so that those it gave way to are taken first.
    static let yieldPause: Duration = .milliseconds(250)

    /// `watches` keeps what providers notify of; nil where no provider can reach this cluster.
    /// `connector` finds the connector of a service; `serviceURLs` has those that are not at their own address. `recorder`
    /// hears of each request to a provider.
    public init(
        queue: JobQueue, store: SyncStore, engine: SyncEngine, integrations: IntegrationStore,
        webhooks: WebhookStore, watches: WatchKeeper? = nil,
        keeper: CredentialKeeper, http: HTTPClient, limiter: RateLimiter,
        limits: LimitOverrides = LimitOverrides(),
        connector: @escaping @Sendable (String) -> (any Connector)?,
        serviceURLs: [String: String], workerName: String, logger: Logger,
        retryPolicy: RetryPolicy = .standard, metrics: JobMetrics = JobMetrics(),
        recorder: (any ExchangeRecorder)? = nil
    ) {
        self.metrics = metrics
        self.queue = queue
        self.store = store
        self.engine = engine
        self.webhooks = webhooks
        self.watches = watches
        self.integrations = IntegrationDirectory(store: integrations)
        access = AccessMaker(
            keeper: keeper, http: http, limiter: limiter, limits: limits, holds: holds, connector: connector,
            serviceURLs: serviceURLs, memory: PageMemory(), logger: logger, recorder: recorder)
        actions = ActionHandler(
            store: ActionStore(store), ledger: store, access: access, workerName: workerName,
            retryPolicy: retryPolicy, logger: logger, metrics: metrics)
        self.workerName = workerName
        self.retryPolicy = retryPolicy
        self.logger = logger
    }

    /// Runs a job to its end, a page edge or a failure; the log row is closed, except after a lost lease.
    public func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome {
        let work = work(of: job)
        guard work != nil || job.payload.type == .action else {
            return .deadLetter(
                code: "missing_ref",
                reason: "a job of type '\(job.payload.type.rawValue)' needs 'ref', the id of the event",
                detail: "")
        }
        return await run(work, job, control)
    }

    private func work(of job: ClaimedJob) -> (any RunWork)? {
        if job.payload.type == .webhook, let ref = job.payload.ref {
            return WebhookWork(store: webhooks, ref: ref, isRecovered: job.recoveries > 0)
        }
        return SyncJob(job).map { SyncWork(job: $0) }
    }

    private func run(_ work: (any RunWork)?, _ job: ClaimedJob, _ control: JobControl) async -> JobOutcome {
        do {
            guard let found = try await integrations.find(job.payload.integration) else {
                return Self.unknown(job.payload.integration)
            }
            if let wait = holds.wait(service: found.key.service, integrationID: found.id) {
                return .snooze(Self.spread(wait))
            }
            switch try await queue.bind(job.lease, integrationID: found.id, key: found.key) {
            case .bound: break
            case .parked, .coalesced, .givenBack, .lost: return .released
            }
            guard let work else { return try await actions.handle(job, integration: found) }
            guard try await work.isDue(of: found.id) else { return .finished }
            let start = try await store.begin(
                RunRequest(
                    jobID: job.id, attempt: job.attempt, worker: workerName, type: job.payload.type,
                    enqueuedAt: job.enqueuedAt, integration: .id(found.id)))
            switch start {
            case .opened(let run): return await perform(work, job, run, control)
            case .unknownIntegration:
                // What this worker remembers was erased. Another one may have been added under the same name.
                integrations.forget(job.payload.integration)
                let isThere = try await integrations.find(job.payload.integration) != nil
                return isThere ? .snooze(.zero) : Self.unknown(job.payload.integration)
            case .inactive(let status):
                try await store.closeRuns(ofJob: job.id)
                let outcome = JobOutcome.deadLetter(
                    code: "integration_inactive",
                    reason:
                        "integration \(found.id) (\(found.key)) is \(status); resume it and replay this job",
                    detail: "")
                return try await work.settle(found.id, nil, outcome)
            }
        } catch {
            return await interrupted(by: error, madeProgress: false, job, control)
        }
    }

    /// Ends the log rows that dead workers left running, as failed with `worker_died`.
    public func abandon(jobID: String) async throws {
        try await actions.end(ofJob: jobID, as: .workerDied)
        try await store.closeRuns(ofJob: jobID)
        if let event = WebhookJobID.event(of: jobID) {
            try await webhooks.fail(event, error: "worker_died: its workers died")
        }
    }

    /// Ends the log rows of a job that was cancelled while it ran.
    public func cancelled(jobID: String) async throws {
        try await actions.end(ofJob: jobID, as: .cancelled)
        try await store.closeRuns(ofJob: jobID, as: .cancelled)
        if let event = WebhookJobID.event(of: jobID) {
            try await webhooks.fail(event, error: "cancelled: an operator cancelled its job")
        }
    }

    private func perform(
        _ work: any RunWork, _ job: ClaimedJob, _ run: OpenRun, _ control: JobControl
    ) async -> JobOutcome {
        let verdict: RunVerdict
        let started = ContinuousClock.now
        let preparation = access.make(
            for: run.key, id: run.integrationID, run: run.syncID, configuration: run.configuration,
            credential: run.credential, isUrgent: job.queue == .high)
        switch preparation {
        case .success(let ready):
            let syncJob: SyncJob
            do throws(StoreError) {
                syncJob = try await work.job(in: run, ready.connector)
            } catch {
                return await interrupted(by: error, madeProgress: false, job, control)
            }
            verdict = await engine.perform(
                syncJob, in: run, connector: ready.connector, access: ready.access,
                stop: { elapsed in
                    if control.isDraining { return .drain }
                    // What notifications ask for is short itself, and in a burst of them another one always waits.
                    if control.isHurried, job.payload.type != .webhook { return .yield }
                    return elapsed >= Self.share && control.othersWait ? .yield : nil
                },
                progressed: {
                    control.noteLedgerWorks()
                    await noteProgress(of: job, control)
                })
            if verdict == .succeeded, job.payload.type != .webhook, !control.isDraining {
                await watches?.keep(run, ready.connector, ready.access)
            }
        case .failure(let failure):
            verdict = await engine.abandon(run, failure)
        }
        metrics.ran(run.key.service, job.payload.type, verdict.outcome, for: ContinuousClock.now - started)
        log(verdict, job, run)
        if case .ledgerFailed(let error, let madeProgress) = verdict {
            return await interrupted(by: error, madeProgress: madeProgress, job, control)
        }
        if verdict != .superseded { control.noteLedgerWorks() }
        do throws(StoreError) {
            return try await work.settle(run.integrationID, verdict, outcome(verdict, of: job))
        } catch {
            return await interrupted(by: error, madeProgress: false, job, control)
        }
    }

    /// What becomes of a job under which Postgres or Redis failed: their outages are not its fault, and charge nothing.
    private func interrupted(
        by error: any Error, madeProgress: Bool, _ job: ClaimedJob, _ control: JobControl
    ) async -> JobOutcome {
        let isCharged =
            if let error = error as? StoreError { await !control.isLedgerAtFault(error) } else { false }
        guard isCharged, !Task.isCancelled else { return .snooze(Self.pause) }
        let failure = RunFailure(
            .transient, code: "store_unavailable",
            userMessage: "The sync was interrupted and is tried again.", operatorDetail: "\(error)")
        let outcome = outcome(.retry(failure, madeProgress: madeProgress), of: job)
        guard case .deadLetter = outcome else { return outcome }
        do {
            // No later run will end the log row of this one.
            try await abandon(jobID: job.id)
            return outcome
        } catch {
            return .snooze(Self.pause)
        }
    }

    /// Before an interrupted job is tried again.
    private static var pause: Duration { .milliseconds(Int64.random(in: 500...2_000)) }

    /// A job that gets further is no poison, however many workers died with it before.
    private func noteProgress(of job: ClaimedJob, _ control: JobControl) async {
        guard job.recoveries > 0 else { return }
        do throws(QueueError) {
            if try await queue.progressed(job.lease) { control.noteProgress() }
        } catch {
            logger.warning(
                "the job's progress was not noted", metadata: ["job.id": "\(job.id)", "error": "\(error)"])
        }
    }

    private func outcome(_ verdict: RunVerdict, of job: ClaimedJob) -> JobOutcome {
        switch verdict {
        case .succeeded, .reauthRequired: return .finished
        // The job may still be this worker's by what Redis knows, as when the worker was stopped for a while and gave its own
        // lease up. It is not done: it is given back. Where the lease is lost, that changes nothing.
        case .superseded, .ledgerFailed: return .snooze(Self.pause)
        case .yielded(.drain): return .snooze(.zero)
        // Behind those it gave way to: without a delay it would be the next one to be taken from its list.
        case .yielded(.yield): return .snooze(Self.yieldPause)
        case .snooze(let wait): return .snooze(Self.spread(wait))
        case .failed(let failure): return Self.deadLetter(failure)
        case .retry(let failure, let madeProgress):
            var random = SystemRandomNumberGenerator()
            guard let delay = retryPolicy.delay(afterAttempt: madeProgress ? 1 : job.attempt, using: &random)
            else {
                return Self.deadLetter(failure)
            }
            // A run that got further is no failed attempt: what it read is kept.
            return madeProgress ? .snooze(delay) : .retry(after: delay)
        }
    }

    /// Jobs that wait for the same thing come back over a tenth of their wait, not all at once.
    private static func spread(_ wait: Duration) -> Duration {
        wait + min(wait / 10, .seconds(30)) * Double.random(in: 0...1)
    }

    private static func deadLetter(_ failure: RunFailure) -> JobOutcome {
        .deadLetter(code: failure.code, reason: failure.operatorDetail, detail: failure.userMessage)
    }

    private static func unknown(_ reference: IntegrationReference) -> JobOutcome {
        let name =
            switch reference {
            case .id(let id): "with id \(id)"
            case .key(let key): "\(key)"
            }
        return .deadLetter(
            code: "unknown_integration",
            reason:
                "there is no integration \(name); see 'lockstep integrations list', or add it and replay this job",
            detail: "")
    }

    private func log(_ verdict: RunVerdict, _ job: ClaimedJob, _ run: OpenRun) {
        var metadata: Logger.Metadata = [
            "job.id": "\(job.id)", "integration": "\(run.key)", "run": "\(run.syncID)",
            "attempt": "\(job.attempt)",
        ]
        switch verdict {
        case .succeeded: logger.debug("run succeeded", metadata: metadata)
        case .yielded(let reason):
            metadata["reason"] = "\(reason)"
            logger.debug("run yielded", metadata: metadata)
        case .snooze(let wait):
            metadata["wait"] = "\(wait)"
            logger.info("run waits for the provider", metadata: metadata)
        case .retry(let failure, _), .failed(let failure), .reauthRequired(let failure):
            metadata["code"] = "\(failure.code)"
            metadata["detail"] = "\(failure.operatorDetail)"
            logger.warning("run failed", metadata: metadata)
        case .ledgerFailed(let error, _):
            metadata["detail"] = "\(error)"
            logger.warning("run was interrupted by the ledger", metadata: metadata)
        case .superseded: logger.notice("run was overtaken by a newer one", metadata: metadata)
        }
    }
}

extension RunVerdict {
    /// A word for metrics.
    fileprivate var outcome: String {
        switch self {
        case .succeeded: "succeeded"
        case .yielded: "yielded"
        case .snooze: "snoozed"
        case .retry: "retried"
        case .failed: "failed"
        case .reauthRequired: "reauth_required"
        case .superseded: "superseded"
        case .ledgerFailed: "ledger_failed"
        }
    }
}

extension SyncJob {
    /// Nil for a type that is not a sync.
    init?(_ job: ClaimedJob) {
        let payload = job.payload
        let kind: Kind
        switch payload.type {
        case .full: kind = .full
        case .incremental: kind = .incremental
        case .backfill:
            guard let since = payload.since else { return nil }
            kind = .backfill(since: since, until: payload.until)
        case .webhook, .action: return nil
        }
        self.init(kind: kind, streams: payload.streams, isRecovered: job.recoveries > 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import HTTPTransport
public import JobQueue
public import Logging
public import Model
public import RateLimits
public import SyncEngine
public import SyncStore
public import Vault

/// Runs sync jobs: finds the integration, opens its run, unseals its credential, and lets the engine read.
public struct SyncHandler: JobHandler {
    private let queue: JobQueue
    private let store: SyncStore
    private let integrations: IntegrationDirectory
    private let engine: SyncEngine
    private let vault: CredentialVault
    private let http: HTTPClient
    private let limiter: RateLimiter
    private let limits: LimitOverrides
    private let holds = LimitHolds()
    private let connector: @Sendable (String) -> (any Connector)?
    private let serviceURLs: [String: String]
    private let workerName: String
    private let retryPolicy: RetryPolicy
    private let logger: Logger
    private let metrics: JobMetrics

    /// A full sync gives its slot back after this time when other jobs wait.
    static let share: Duration = .seconds(60)

    /// `connector` finds the connector of a service; `serviceURLs` has those that are not at their own address.
    public init(
        queue: JobQueue, store: SyncStore, engine: SyncEngine, integrations: IntegrationStore,
        vault: CredentialVault, http: HTTPClient, limiter: RateLimiter,
        limits: LimitOverrides = LimitOverrides(),
        connector: @escaping @Sendable (String) -> (any Connector)?,
        serviceURLs: [String: String], workerName: String, logger: Logger,
        retryPolicy: RetryPolicy = .standard, metrics: JobMetrics = JobMetrics()
    ) {
        self.metrics = metrics
        self.queue = queue
        self.store = store
        self.engine = engine
        self.integrations = IntegrationDirectory(store: integrations)
        self.vault = vault
        self.http = http
        self.limiter = limiter
        self.limits = limits
        self.connector = connector
        self.serviceURLs = serviceURLs
        self.workerName = workerName
        self.retryPolicy = retryPolicy
        self.logger = logger
    }

    /// Runs a sync job to its end, a page edge or a failure; the log row is closed, except after a lost lease.
    public func handle(_ job: ClaimedJob, control: JobControl) async -> JobOutcome {
        guard let syncJob = SyncJob(job) else {
            return .deadLetter(
                code: "unsupported_type",
                reason:
                    "this version runs no jobs of type '\(job.payload.type.rawValue)'; use full, incremental or backfill",
                detail: "")
        }
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
            let start = try await store.begin(
                RunRequest(
                    jobID: job.id, attempt: job.attempt, worker: workerName, type: job.payload.type,
                    enqueuedAt: job.enqueuedAt, integration: .id(found.id)))
            switch start {
            case .opened(let run): return await perform(syncJob, job, run, control)
            case .unknownIntegration:
                integrations.forget(job.payload.integration)
                return Self.unknown(job.payload.integration)
            case .inactive(let status):
                try await abandon(jobID: job.id)
                return .deadLetter(
                    code: "integration_inactive",
                    reason:
                        "integration \(found.id) (\(found.key)) is \(status); resume it and replay this job",
                    detail: "")
            }
        } catch {
            let failure = RunFailure(
                .transient, code: "cluster_unavailable", userMessage: "The sync is tried again.",
                operatorDetail: "\(error)")
            return outcome(.retry(failure, madeProgress: false), of: job)
        }
    }

    /// Ends the log rows that dead workers left running, as failed with `worker_died`.
    public func abandon(jobID: String) async throws {
        try await store.closeRuns(ofJob: jobID)
    }

    /// Ends the log rows of a job that was cancelled while it ran.
    public func cancelled(jobID: String) async throws {
        try await store.closeRuns(ofJob: jobID, as: .cancelled)
    }

    private func perform(
        _ syncJob: SyncJob, _ job: ClaimedJob, _ run: OpenRun, _ control: JobControl
    ) async -> JobOutcome {
        let verdict: RunVerdict
        let started = ContinuousClock.now
        switch prepare(run, isUrgent: job.queue == .high) {
        case .success(let ready):
            verdict = await engine.perform(
                syncJob, in: run, connector: ready.connector, access: ready.access,
                stop: { elapsed in
                    if control.isDraining { return .drain }
                    return elapsed >= Self.share && control.othersWait ? .yield : nil
                },
                progressed: { await noteProgress(of: job, control) })
        case .failure(let failure):
            verdict = await engine.abandon(run, failure)
        }
        metrics.ran(run.key.service, job.payload.type, verdict.outcome, for: ContinuousClock.now - started)
        log(verdict, job, run)
        return outcome(verdict, of: job)
    }

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

    private func prepare(
        _ run: OpenRun, isUrgent: Bool
    ) -> Result<(connector: any Connector, access: ProviderAccess), RunFailure> {
        guard let connector = connector(run.key.service) else {
            return .failure(
                RunFailure(
                    .config, code: "no_connector",
                    userMessage: "\(run.key.service) cannot be synced at the moment.",
                    operatorDetail:
                        "this worker has no connector for '\(run.key.service)'; see LOCKSTEP_CONNECTORS"))
        }
        var secrets: [String: SecretString] = [:]
        if let credential = run.credential {
            do throws(VaultError) {
                secrets = try vault.open(
                    credential.ciphertext, for: run.integrationID, kind: credential.kind,
                    version: credential.version)
            } catch {
                return .failure(
                    RunFailure(
                        .config, code: "credential_unreadable",
                        userMessage: "\(run.key.service) cannot be synced at the moment.",
                        operatorDetail: error.message))
            }
        }
        return .success(
            (
                connector,
                ProviderAccess(
                    client: LimitedClient(
                        limiter: limiter, http: http,
                        scope: LimitScope(
                            service: run.key.service, integrationID: run.integrationID, isUrgent: isUrgent),
                        title: connector.title, overrides: limits, holds: holds, logger: logger),
                    secrets: secrets, configuration: run.configuration,
                    baseURL: serviceURLs[run.key.service])
            ))
    }

    private func outcome(_ verdict: RunVerdict, of job: ClaimedJob) -> JobOutcome {
        switch verdict {
        case .succeeded, .reauthRequired: return .finished
        // The job may still be this worker's by what Redis knows, as when the worker was stopped for a while and gave its own
        // lease up. It is not done: it runs again when the lease ends.
        case .superseded: return .released
        case .yielded: return .snooze(.zero)
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

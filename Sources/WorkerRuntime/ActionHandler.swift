// SPDX-License-Identifier: Apache-2.0

import Actions
import ConnectorKit
import JobQueue
import Logging
import Model
import SyncEngine
import SyncStore

/// Runs jobs of actions: takes the action, sends its request once, and stores what came of it.
///
/// Before a request goes out the row says so. Who finds such a row of an attempt that did not end repeats the request only
/// where the provider knows a repetition, or has said that nothing came of the first one.
struct ActionHandler: Sendable {
    let store: ActionStore
    let ledger: SyncStore
    let access: AccessMaker
    let workerName: String
    let retryPolicy: RetryPolicy
    let logger: Logger
    let metrics: JobMetrics

    /// Between two tries to store what came of an action: nobody else knows it.
    private static let storeInterval: Duration = .milliseconds(500)

    /// Runs one job to its end. Throws what the queue and the ledger throw before anything was sent.
    func handle(_ job: ClaimedJob, integration: IntegrationDirectory.Entry) async throws -> JobOutcome {
        guard let reference = job.payload.ref else {
            return .deadLetter(
                code: "missing_ref", reason: "a job of type 'action' needs 'ref', the id of the action",
                detail: "")
        }
        let start = try await store.begin(
            reference, of: integration.id, jobID: job.id, attempt: job.attempt, worker: workerName,
            enqueuedAt: job.enqueuedAt)
        switch start {
        case .opened(let action): return await perform(action, job)
        case .done: return .finished
        case .inactive(let status):
            log("action failed", job, ["action.id": "\(reference)", "integration.status": "\(status)"])
            return .finished
        case .unknown:
            return .deadLetter(
                code: "unknown_action",
                reason:
                    "integration \(integration.id) (\(integration.key)) has no action \(reference); see 'lockstep action list'",
                detail: "")
        }
    }

    /// Ends the action of a job that no attempt will continue.
    func end(ofJob id: String, as end: SyncStore.JobEnd) async throws(StoreError) {
        try await store.end(ofJob: id, as: end)
    }

    private func perform(_ action: OpenAction, _ job: ClaimedJob) async -> JobOutcome {
        let started = ContinuousClock.now
        let (verdict, cost) = await attempt(action, job)
        if verdict.needsReauthorization { await refuseCredential(of: action, verdict) }
        guard let isMine = await store(verdict, cost, action) else { return .snooze(.seconds(1)) }
        metrics.ran(
            action.key.service, .action, isMine ? verdict.end.status.rawValue : "superseded",
            for: ContinuousClock.now - started)
        var metadata: Logger.Metadata = [
            "action": "\(action.name)", "action.id": "\(action.id)", "integration": "\(action.key)",
            "status": "\(isMine ? verdict.end.status.rawValue : "superseded")",
        ]
        if let code = verdict.end.code { metadata["code"] = "\(code)" }
        if let detail = verdict.end.detail { metadata["detail"] = "\(detail)" }
        log("action attempt ended", job, metadata, isFine: verdict.end.status == .succeeded)
        guard isMine else { return .finished }
        switch verdict.job {
        case .finish: return .finished
        case .retry(let wait): return .retry(after: wait)
        case .snooze(let wait): return .snooze(wait)
        }
    }

    // MARK: - One attempt

    private func attempt(
        _ action: OpenAction, _ job: ClaimedJob
    ) async -> (verdict: ActionVerdict, cost: RequestCost) {
        var random = SystemRandomNumberGenerator()
        let retry = retryPolicy.delay(afterAttempt: job.attempt, using: &random)
        let wasInDoubt = action.doubt != nil
        let nothing = RequestCost(apiCalls: 0, bytes: 0)
        var title = action.key.service
        do throws(ConnectorError) {
            let (connector, access) = try ready(action, isUrgent: job.queue == .high)
            title = connector.title
            let performer = try connector.performer(of: try ActionCall(action), access: access)
            let opening = ActionOpening(performer.repetition, doubt: action.doubt)
            switch opening {
            case .send(let isRepeated):
                return await send(
                    action, performer, isRepeated: isRepeated, wasInDoubt: wasInDoubt, retry, title)
            case .wait(let wait): return (.waits(wait, title: title), nothing)
            case .giveUp:
                return (.gaveUp(title: title, detail: Self.abandoned(action)), nothing)
            case .lookUp:
                do throws(ConnectorError) {
                    if let found = try await performer.lookUp() { return (.succeeded(found), found.cost) }
                } catch {
                    return (.notLookedUp(error, retry: retry, title: title), nothing)
                }
                // Nothing came of the request before: this one is the first.
                return await send(action, performer, isRepeated: true, wasInDoubt: false, retry, title)
            }
        } catch {
            let failure = ActionFailure(error, effect: .none, cost: nothing)
            return (
                .failed(failure, .never, wasInDoubt: wasInDoubt, retry: retry, title: title), nothing
            )
        }
    }

    private func send(
        _ action: OpenAction, _ performer: any ActionPerformer, isRepeated: Bool, wasInDoubt: Bool,
        _ retry: Duration?, _ title: String
    ) async -> (verdict: ActionVerdict, cost: RequestCost) {
        let repetition = performer.repetition
        do throws(ActionFailure) {
            let reply = try await performer.perform(
                isRepeated: isRepeated,
                confirm: confirmation(
                    action, title, repetition, restartsDoubt: isRepeated && !wasInDoubt))
            return (.succeeded(reply), reply.cost)
        } catch {
            let verdict = ActionVerdict.failed(
                error, repetition, wasInDoubt: wasInDoubt, retry: retry, title: title)
            return (verdict, error.cost)
        }
    }

    private func ready(
        _ action: OpenAction, isUrgent: Bool
    ) throws(ConnectorError) -> (connector: any Connector, access: ProviderAccess) {
        do throws(RunFailure) {
            return try access.make(
                for: action.key, id: action.integrationID, run: action.syncID,
                configuration: action.configuration, credential: action.credential, isUrgent: isUrgent
            ).get()
        } catch {
            throw ConnectorError(
                error.errorClass, code: error.code, userMessage: error.userMessage,
                operatorDetail: error.operatorDetail)
        }
    }

    /// Notes in the row that the request goes out, if this attempt may still send it. What only reads needs no note.
    private func confirmation(
        _ action: OpenAction, _ title: String, _ repetition: ActionRepetition, restartsDoubt: Bool
    ) -> @Sendable () async throws(ConnectorError) -> Void {
        let isNoted = LockedBox(false)
        return { () async throws(ConnectorError) in
            guard repetition != .safe else { return }
            do throws(StoreError) {
                let wasNoted = isNoted.withLock { $0 }
                guard try await store.confirm(action, isNoted: wasNoted, restartsDoubt: restartsDoubt) else {
                    throw StoreError(
                        .staleFence, "a newer attempt has begun, or the integration is out of service")
                }
                isNoted.withLock { $0 = true }
            } catch {
                let isStale = error.code == .staleFence
                throw ConnectorError(
                    isStale ? .staleWorker : .rateLimited, code: isStale ? "not_sent" : "ledger_unavailable",
                    userMessage: isStale
                        ? "This account is not connected at the moment." : "This is done in a moment.",
                    operatorDetail: "nothing was sent: \(error.message)", retryAfter: .seconds(2))
            }
        }
    }

    private static func abandoned(_ action: OpenAction) -> String {
        "an earlier attempt ended after its request had been noted as sent, "
            + "\(action.doubt?.components.seconds ?? 0) s ago; the request cannot be repeated safely"
    }

    // MARK: - Storing

    /// Stores how an attempt ended, again and again while the ledger fails: nobody else knows it. Whether the action is still
    /// this attempt's; nil when it had to be left as it was when the request went out, for the job's next attempt to find.
    private func store(_ verdict: ActionVerdict, _ cost: RequestCost, _ action: OpenAction) async -> Bool? {
        var end = verdict.end
        while true {
            do throws(StoreError) {
                return try await store.finish(
                    action, end, apiCalls: cost.apiCalls, bytes: cost.bytes,
                    throttled: cost.throttled)
            } catch {
                logger.warning(
                    "the end of an action was not stored yet",
                    metadata: ["action.id": "\(action.id)", "error": "\(error)"])
                guard !Task.isCancelled else { return nil }
                if case .badData = error.code, end.result != nil {
                    // What was done stays done; only its description cannot be kept.
                    end.result = nil
                    end.detail = "the provider's answer cannot be stored: \(error.message)"
                    continue
                }
            }
            do { try await ContinuousClock().sleep(for: Self.storeInterval) } catch { return nil }
        }
    }

    private func refuseCredential(of action: OpenAction, _ verdict: ActionVerdict) async {
        do throws(StoreError) {
            try await ledger.refuseCredential(
                of: action.integrationID, version: verdict.refusedVersion,
                reason: verdict.end.code ?? "refused",
                title: "\(action.key.service) has to be connected again", detail: verdict.end.detail ?? "")
        } catch {
            // The next job of the integration meets the same refusal.
            logger.warning(
                "a refused credential was not noted",
                metadata: ["integration": "\(action.key)", "error": "\(error)"])
        }
    }

    private func log(
        _ message: Logger.Message, _ job: ClaimedJob, _ more: Logger.Metadata, isFine: Bool = false
    ) {
        var metadata: Logger.Metadata = ["job.id": "\(job.id)", "attempt": "\(job.attempt)"]
        metadata.merge(more) { $1 }
        logger.log(level: isFine ? .debug : .warning, message, metadata: metadata)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import Model
public import SyncStore

/// What a job asks the engine to read.
public struct SyncJob: Sendable {
    /// The kinds of job that the engine runs.
    public enum Kind: Sendable, Equatable {
        case full
        case incremental
        case backfill(since: Timestamp, until: Timestamp?)
        /// What notifications named.
        case changes(ChangeSet)
    }

    /// What is read: everything, what changed, a range of time, or what notifications named.
    public let kind: Kind
    /// The streams to read; nil for all. A name that the connector does not have fails the run.
    public let streams: [String]?
    /// Whether a worker died with this job. Its first page is then written at once: a job that gets further is told from
    /// one that kills its workers.
    public let isRecovered: Bool
    /// Hears of each object of `changes` that was fetched. It is committed when the run ends in good order.
    let fetched: @Sendable (WebhookChange) -> Void

    /// A job for these streams, or for all of them when `streams` is nil.
    public init(
        kind: Kind, streams: [String]?, isRecovered: Bool = false,
        fetched: @escaping @Sendable (WebhookChange) -> Void = { _ in }
    ) {
        self.fetched = fetched
        self.kind = kind
        self.streams = streams
        self.isRecovered = isRecovered
    }
}

/// Why a run has to stop at the next page edge.
public enum StopReason: Sendable, Equatable {
    /// The worker shuts down.
    case drain
    /// The run has had its share of time and other jobs wait.
    case yield
}

/// What the worker has to do with the job after a run.
public enum RunVerdict: Sendable, Equatable {
    case succeeded
    /// Stopped at a page edge; the job goes back to its queue without an attempt charged.
    case yielded(StopReason)
    /// The provider asks to wait; no attempt is charged.
    case snooze(Duration)
    /// A passing failure. `madeProgress`: pages were committed, so that the attempts start anew.
    case retry(RunFailure, madeProgress: Bool)
    /// The ledger failed under the run. Pages that were committed before stay committed.
    case ledgerFailed(StoreError, madeProgress: Bool)
    /// A failure that another attempt would only repeat.
    case failed(RunFailure)
    /// The user has to connect the service again; the integration was taken out of service.
    case reauthRequired(RunFailure)
    /// A newer run holds the fence. Nothing of this run's uncommitted work was written.
    case superseded
}

/// Why a run failed, as its log row says it.
public struct RunFailure: Error, Sendable, Equatable {
    /// What kind of failure it is, which decides whether the job is tried again.
    public let errorClass: ErrorClass
    /// A stable word for programs.
    public let code: String
    /// A sentence for the user whose account it is, without technical terms and without secrets.
    public let userMessage: String
    /// What an operator needs to know; no secrets.
    public let operatorDetail: String
    /// The response that is to blame, as far as it is kept; nil for all but a broken contract.
    public let evidence: ResponseEvidence?

    /// A failure of a run as a whole, not of one page.
    public init(
        _ errorClass: ErrorClass, code: String, userMessage: String, operatorDetail: String,
        evidence: ResponseEvidence? = nil
    ) {
        self.evidence = evidence
        self.errorClass = errorClass
        self.code = code
        self.userMessage = userMessage
        self.operatorDetail = operatorDetail
    }
}

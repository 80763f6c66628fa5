// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// What the engine does about a page that could not be read.
enum FailureStep: Equatable {
    /// Ask for the same page again after this wait.
    case tryAgain(after: Duration)
    /// Give the slot back until the provider wants to be asked again.
    case snooze(Duration)
    /// Start the slice over in a new generation.
    case resync
    /// Leave this stream unread and go on with the others; the run fails in the end.
    case leaveStream
    /// Stop the run; another attempt may do better.
    case retryJob
    /// Stop the run for good.
    case fail
    /// Stop the run; the user has to connect the service again.
    case reauthRequired
}

/// Decides about failures from their class and from what was tried, nothing else.
struct FailurePolicy {
    let configuration: EngineConfiguration

    /// What was tried before for the page at hand.
    struct History: Equatable {
        /// Failed tries of this page, the last one included; at least 1.
        var tries = 1
        /// The position comes from an earlier run, and nothing was read from it yet.
        var isResumedPosition = false
        /// New generations that this slice began in this run.
        var resyncs = 0
    }

    func step(after error: ConnectorError, history: History, jitter: Double) -> FailureStep {
        switch error.errorClass {
        case .rateLimited:
            let wait = error.retryAfter ?? Self.unstatedWait
            return wait < configuration.longestWaitInPlace && history.tries <= Self.waitsPerPage
                ? .tryAgain(after: wait) : .snooze(wait)
        case .transient where error.code == ConnectorError.retryBudgetSpent:
            return .retryJob
        case .transient, .providerOutage:
            if let wait = error.retryAfter, wait >= configuration.longestWaitInPlace { return .snooze(wait) }
            guard history.tries < configuration.triesPerPage else { return .retryJob }
            let bound = Self.firstWait * (1 << (history.tries - 1))
            return .tryAgain(after: max(error.retryAfter ?? .zero, bound * jitter))
        case .auth, .authRevoked:
            // The reader has tried with renewed secrets already.
            return .reauthRequired
        case .resyncRequired:
            return history.resyncs < configuration.resyncsPerSlice ? .resync : .retryJob
        case .rejected where history.isResumedPosition && history.resyncs == 0:
            // A position outlives the object or the token it names; refused, it would refuse each later run as well.
            return .resync
        case .permission, .rejected:
            return .leaveStream
        case .contractViolation, .config:
            return .fail
        case .staleWorker:
            return .fail
        }
    }

    private static let firstWait: Duration = .milliseconds(200)
    /// Waits in place for one page, so that a provider that always says "soon" does not hold a slot for ever.
    private static let waitsPerPage = 10
    /// For a provider that limits without saying until when.
    private static let unstatedWait: Duration = .seconds(5)
}

extension RunFailure {
    init(_ error: ConnectorError) {
        self.init(
            error.errorClass, code: error.code, userMessage: error.userMessage,
            operatorDetail: error.operatorDetail, evidence: error.evidence)
    }

    /// `page` is the one that showed it.
    init(_ loop: PaginationLoop, stream: String, page: Page, secrets: [SecretString]) {
        let reason =
            switch loop {
            case .repeatedPosition: "it gave a page position that it had given before"
            case .repeatedBody: "it gave the same page twice in a row"
            case .noNewIdentifiers: "\(PageGuard.stalePageLimit) pages in a row had no new id"
            case .tooManyPages(let limit): "it has more than max_pages (\(limit)) pages"
            }
        self.init(
            .contractViolation, code: "pagination_loop",
            userMessage:
                "The service sent the same data again and again. The sync was stopped; nothing was deleted.",
            operatorDetail: "stream \(stream): the list does not end: \(reason)",
            evidence: ResponseEvidence(
                status: nil, body: (page.listed ?? page.scanned).body, secrets: secrets))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// What becomes of one job that the claim script took from a list. A pure decision; the queue carries it out.
enum ClaimDecision {
    /// The worker runs it.
    case run(ClaimedJob)
    /// It waits for its integration (empty wait key), for the end of a pause or for a slot under a cap.
    case park(LeaseHandle, waitKey: String)
    /// It is due later, at this time by the clock of Redis.
    case delay(LeaseHandle, until: Timestamp)
    /// The same job is in flight already.
    case drop(LeaseHandle)
    /// Somebody asked that it shall not run.
    case cancel(LeaseHandle)
    /// It cannot run, ever.
    case bury(LeaseHandle, draft: [UInt8], problem: PayloadProblem)

    /// What the script says about a job.
    enum Verdict: Equatable {
        case run, busy, same, conflict, cancelled, none
        /// It runs, and was claimed before.
        case again
        /// The wait key of a pause or a cap, `pause:…` or `cap:…`.
        case stopped(String)

        init?(_ text: String) {
            switch text {
            case "run": self = .run
            case "again": self = .again
            case "busy": self = .busy
            case "same": self = .same
            case "conflict": self = .conflict
            case "cancelled": self = .cancelled
            case "none": self = .none
            default:
                guard text.hasPrefix("pause:") || text.hasPrefix("cap:") else { return nil }
                self = .stopped(text)
            }
        }
    }

    /// How long a payload of a newer version waits for a newer worker, and how often it is looked at.
    static let newerVersionGrace: Duration = .seconds(600)
    static let newerVersionDelay: Duration = .seconds(10)

    /// Validation comes before everything but a cancellation: a payload that is not a job is dead-lettered whatever the
    /// queue says.
    init(_ envelope: Envelope, _ verdict: Verdict, now: Timestamp) {
        let lease = LeaseHandle(id: envelope.id, token: envelope.token)
        if verdict == .cancelled {
            self = .cancel(lease)
            return
        }
        if envelope.size > envelope.payload.count {
            self = .bury(lease, PayloadProblem.cut(size: envelope.size), envelope)
            return
        }
        switch JobPayload.parse(envelope.payload) {
        case .failure(let problem) where problem.code == .unsupportedVersion:
            let limit = envelope.enqueuedAt.advanced(by: Self.newerVersionGrace)
            self =
                now < limit
                ? .delay(lease, until: min(limit, now.advanced(by: Self.newerVersionDelay)))
                : .bury(lease, problem, envelope)
        case .failure(let problem):
            self = .bury(lease, problem, envelope)
        case .success(let payload):
            if let notBefore = payload.notBefore, notBefore > now {
                // Rounded up: never a millisecond early.
                self = .delay(lease, until: Timestamp(microseconds: notBefore.microseconds + 999))
                return
            }
            self = Self.placed(lease, payload, envelope, verdict)
        }
    }

    private static func placed(
        _ lease: LeaseHandle, _ payload: JobPayload, _ envelope: Envelope, _ verdict: Verdict
    ) -> ClaimDecision {
        switch verdict {
        case .run, .again:
            .run(
                ClaimedJob(
                    lease: lease, payload: payload, payloadBytes: envelope.payload,
                    attempt: envelope.attempts + 1,
                    recoveries: envelope.recoveries, queue: envelope.queue, enqueuedAt: envelope.enqueuedAt))
        case .busy: .park(lease, waitKey: "")
        case .stopped(let waitKey): .park(lease, waitKey: waitKey)
        case .same: .drop(lease)
        case .cancelled: .cancel(lease)
        case .conflict: .bury(lease, .idInUse(payload.id ?? ""), envelope)
        // The script reads less strictly than this code, so this cannot be; the job must not be lost if it
        // is.
        case .none: .bury(lease, .unreadableByScript, envelope)
        }
    }

    private static func bury(
        _ lease: LeaseHandle, _ problem: PayloadProblem, _ envelope: Envelope
    ) -> ClaimDecision {
        let draft = DeadLetter.draft(
            id: envelope.id, payload: envelope.payload, size: envelope.size, queue: envelope.queue,
            attempts: envelope.attempts, code: problem.code.rawValue, reason: problem.reason,
            detail: problem.detail)
        return .bury(lease, draft: draft, problem: problem)
    }
}

extension PayloadProblem {
    fileprivate static func cut(size: Int) -> PayloadProblem {
        PayloadProblem(
            .tooLarge,
            "the payload has \(size) bytes; at most \(JobPayload.maxBytes) are allowed, and only its start is kept"
        )
    }

    fileprivate static func idInUse(_ id: String) -> PayloadProblem {
        PayloadProblem(.badValue, "another job with the id \"\(id)\" is in flight; give each job its own id")
    }

    fileprivate static var unreadableByScript: PayloadProblem {
        PayloadProblem(.badValue, "the queue's script found no integration in the payload")
    }
}

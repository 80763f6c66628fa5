// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Model
public import SyncStore

/// What an attempt does first.
public enum ActionOpening: Sendable, Equatable {
    /// Sends the request. `isRepeated`: it was sent before, and nobody knows whether it took effect.
    case send(isRepeated: Bool)
    /// Asks the provider whether an earlier request took effect.
    case lookUp
    /// Gives the job back: the provider cannot tell yet.
    case wait(Duration)
    /// Nothing can be found out, and a second request might act a second time.
    case giveUp

    /// `doubt` is how long ago a request went out of which nobody knows whether it took effect.
    public init(_ repetition: ActionRepetition, doubt: Duration?) {
        guard let doubt else {
            self = .send(isRepeated: false)
            return
        }
        switch repetition {
        case .safe: self = .send(isRepeated: true)
        // A tenth less than promised: the provider counts from when it had the request.
        case .keyed(let lasts): self = doubt < lasts * 0.9 ? .send(isRepeated: true) : .giveUp
        case .lookedUp(let after): self = doubt >= after ? .lookUp : .wait(after - doubt)
        case .never: self = .giveUp
        }
    }
}

/// What becomes of an action, and of its job, after an attempt.
public struct ActionVerdict: Sendable, Equatable {
    /// What the worker does with the job.
    public enum Job: Sendable, Equatable {
        case finish
        /// An attempt is charged.
        case retry(after: Duration)
        case snooze(Duration)
    }

    /// The end of the attempt, as the ledger keeps it.
    public var end: ActionEnd
    /// What the worker does with the job.
    public var job: Job
    /// Whether the user has to connect the service again.
    public var needsReauthorization = false
    /// The version of the credential that was refused then, when it is known.
    public var refusedVersion: Int64?

    /// For a provider that limits without saying until when.
    private static let unstatedWait: Duration = .seconds(5)

    /// An attempt that gave a result.
    public static func succeeded(_ reply: ActionReply) -> ActionVerdict {
        var end = ActionEnd(.succeeded, log: .succeeded)
        end.result = reply.result
        return ActionVerdict(end: end, job: .finish)
    }

    /// An attempt that has to wait before anything can be found out.
    public static func waits(_ wait: Duration, title: String) -> ActionVerdict {
        var end = ActionEnd(.running, log: .yielded)
        end.code = "look_up_later"
        end.message = "\(title) is asked in a moment whether this was done."
        end.detail = "an earlier request may have taken effect; it can be looked up in \(wait)"
        end.isInDoubt = true
        end.wait = wait
        return ActionVerdict(end: end, job: .snooze(wait))
    }

    /// An attempt that can neither send nor find out.
    public static func gaveUp(title: String, detail: String) -> ActionVerdict {
        var end = ActionEnd(.unknown, log: .failed)
        end.code = "unknown_outcome"
        end.message = unknown(title)
        end.detail = detail
        end.isInDoubt = true
        return ActionVerdict(end: end, job: .finish)
    }

    /// An attempt whose request failed. `wasInDoubt`: an earlier one may have taken effect. `retry` is the wait before another
    /// attempt; nil when this was the last one.
    public static func failed(
        _ failure: ActionFailure, _ repetition: ActionRepetition, wasInDoubt: Bool, retry: Duration?,
        title: String
    ) -> ActionVerdict {
        let error = failure.error
        guard failure.effect != .none else {
            return refused(error, repetition, wasInDoubt: wasInDoubt, retry: retry, title: title)
        }
        switch repetition {
        case .safe:
            return again(error, isInDoubt: false, after: retry, title: title)
                ?? over(.failed, error, silent(title), isInDoubt: false)
        case .keyed, .lookedUp:
            guard failure.effect == .unknown else { break }
            var wait = retry
            if case .lookedUp(let after) = repetition { wait = retry.map { max($0, after) } }
            if let verdict = again(error, isInDoubt: true, after: wait, title: title) { return verdict }
        case .never: break
        }
        return over(.unknown, error, unknown(title), isInDoubt: true)
    }

    /// A question to the provider, whether an earlier request took effect, that failed.
    public static func notLookedUp(
        _ error: ConnectorError, retry: Duration?, title: String
    ) -> ActionVerdict {
        var verdict =
            switch error.errorClass {
            case .rateLimited, .providerOutage: limited(error, isInDoubt: true, title: title)
            case .transient, .contractViolation:
                again(error, isInDoubt: true, after: retry, title: title)
                    ?? over(.unknown, error, unknown(title), isInDoubt: true)
            default: over(.unknown, error, unknown(title), isInDoubt: true)
            }
        verdict.note(error)
        return verdict
    }

    // MARK: - Kinds of end

    /// Nothing came of this request.
    private static func refused(
        _ error: ConnectorError, _ repetition: ActionRepetition, wasInDoubt: Bool, retry: Duration?,
        title: String
    ) -> ActionVerdict {
        switch error.errorClass {
        case .rateLimited, .providerOutage: return limited(error, isInDoubt: wasInDoubt, title: title)
        case .transient:
            if let verdict = again(error, isInDoubt: wasInDoubt, after: retry, title: title) {
                return verdict
            }
        default: break
        }
        // The provider's answer to a repeated key is about the first request too; any other refusal is not.
        let isAboutAll: Bool =
            if case .keyed = repetition { error.errorClass == .rejected } else { repetition == .safe }
        let message =
            error.errorClass == .transient ? "\(silent(title)) Nothing was changed." : error.userMessage
        var verdict =
            wasInDoubt && !isAboutAll
            ? over(.unknown, error, unknown(title), isInDoubt: true)
            : over(.failed, error, message, isInDoubt: false)
        verdict.note(error)
        return verdict
    }

    /// The provider, or a limit, makes it wait: no attempt is charged.
    private static func limited(
        _ error: ConnectorError, isInDoubt: Bool, title: String
    ) -> ActionVerdict {
        let wait = error.retryAfter ?? unstatedWait
        let message =
            error.errorClass == .providerOutage
            ? "\(title) has problems at the moment. This is done when it is back."
            : "\(title) is limiting requests. This is done in a while."
        var verdict = later(error, message, isInDoubt: isInDoubt, wait: wait, log: .yielded)
        verdict.job = .snooze(wait)
        return verdict
    }

    private static func again(
        _ error: ConnectorError, isInDoubt: Bool, after wait: Duration?, title: String
    ) -> ActionVerdict? {
        guard let wait = wait.map({ max($0, error.retryAfter ?? .zero) }) else { return nil }
        return later(
            error, "\(silent(title)) This is tried again.", isInDoubt: isInDoubt, wait: wait, log: .failed)
    }

    private static func later(
        _ error: ConnectorError, _ message: String, isInDoubt: Bool, wait: Duration, log: RunEnd.Status
    ) -> ActionVerdict {
        var end = ActionEnd(isInDoubt ? .running : .requested, log: log)
        (end.code, end.message, end.detail) = (error.code, message, error.operatorDetail)
        end.isInDoubt = isInDoubt
        end.wait = wait
        return ActionVerdict(end: end, job: .retry(after: wait))
    }

    private static func over(
        _ status: ActionEnd.Status, _ error: ConnectorError, _ message: String, isInDoubt: Bool
    ) -> ActionVerdict {
        var end = ActionEnd(status, log: .failed)
        (end.code, end.message, end.detail) = (error.code, message, error.operatorDetail)
        end.isInDoubt = isInDoubt
        return ActionVerdict(end: end, job: .finish)
    }

    private mutating func note(_ error: ConnectorError) {
        needsReauthorization = [.auth, .authRevoked].contains(error.errorClass)
        refusedVersion = error.refusedVersion
    }

    private static func silent(_ title: String) -> String { "\(title) did not answer as expected." }

    private static func unknown(_ title: String) -> String {
        "It is not known whether \(title) did this. Look there before you do it again."
    }
}

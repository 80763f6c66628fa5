// SPDX-License-Identifier: Apache-2.0

import Logging
import Model
import SyncStore

/// Holds claims back while the ledger cannot be used, and finds out when it can again.
final class LedgerGate: Sendable {
    private let state: LockedBox<LedgerState>
    private let probe: @Sendable (_ isFresh: Bool) async throws -> Void
    private let logger: Logger

    private static let pollInterval: Duration = .milliseconds(100)
    /// Longer than a probe takes.
    private static let verdictLimit: Duration = .seconds(10)

    /// `probe` throws when no run could begin and commit now.
    init(probe: @escaping @Sendable (_ isFresh: Bool) async throws -> Void, logger: Logger) {
        state = LockedBox(LedgerState(now: .now))
        self.probe = probe
        self.logger = logger
    }

    /// How many jobs may be claimed now.
    var allowance: LedgerState.Allowance { state.withLock { $0.allowance(now: .now) } }

    /// Why nothing is claimed; nil while jobs are.
    var trouble: String? { state.withLock { $0.trouble(now: .now) } }

    /// A job was claimed.
    func claimed() { state.withLock { $0.claimed(now: .now) } }

    /// A run committed something, or ended.
    func worked() { note(.worked) }

    /// A statement of a run failed. Whether that is the ledger's fault, so that the job must not be charged for it.
    func failed(_ error: StoreError) async -> Bool {
        if error.isOutOfResources {
            note(.refused(reason: error.message))
            return true
        }
        switch error.code {
        case .contended: return true
        case .unavailable, .commitUnknown:
            state.withLock { $0.note(.doubted, now: .now) }
            return true
        case .timedOut:
            // The probe tells a ledger in trouble from a statement that is too slow.
            state.withLock { $0.note(.doubted, now: .now) }
            await untilJudged()
            return state.withLock { $0.wasInTrouble(now: .now) }
        default: return false
        }
    }

    /// Asks the ledger whenever that is due, until the task is cancelled.
    func watchUntilCancelled() async {
        while !Task.isCancelled {
            let due = state.withLock { $0.probe(now: .now) }
            if due.isDue {
                do {
                    try await probe(due.isFresh)
                    note(.probeSucceeded)
                } catch {
                    if !Task.isCancelled { note(.probeFailed(reason: "\(error)")) }
                }
            }
            do { try await ContinuousClock().sleep(for: Self.pollInterval) } catch { return }
        }
    }

    /// Notes an event, and logs when it ends or begins a trouble.
    private func note(_ event: LedgerState.Event) {
        let (before, after) = state.withLock { state in
            let before = state.trouble(now: .now)
            state.note(event, now: .now)
            return (before, state.trouble(now: .now))
        }
        if before == nil, let after {
            logger.error("the ledger cannot be used; nothing is claimed", metadata: ["reason": "\(after)"])
        } else if before != nil, after == nil {
            logger.notice("the ledger can be used again")
        }
    }

    private func untilJudged() async {
        let limit = ContinuousClock.now + Self.verdictLimit
        while state.withLock({ $0.isDoubted }), ContinuousClock.now < limit {
            do { try await ContinuousClock().sleep(for: Self.pollInterval) } catch { return }
        }
    }
}

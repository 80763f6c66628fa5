// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model

/// Callers of this process that want the same thing share one way to it.
///
/// The work belongs to no caller: one that is cancelled gives up its wait, and the work goes on for the others. A refresh
/// that was begun has to end, or its token is lost.
final class RefreshFlights: Sendable {
    typealias Outcome = Result<HeldSecrets, ConnectorError>

    private final class Waiter: Sendable {
        private let continuation = LockedBox<CheckedContinuation<Outcome?, Never>?>(nil)

        func suspend(_ continuation: CheckedContinuation<Outcome?, Never>) {
            self.continuation.withLock { $0 = continuation }
        }

        /// Resumes once; nil for a caller that was cancelled.
        func resume(_ outcome: Outcome?) {
            continuation.withLock { $0.take() }?.resume(returning: outcome)
        }
    }

    private struct State {
        var waiters: [Int64: [Waiter]] = [:]
        /// Callers of `settle`, resumed when nothing is under way.
        var settling: [CheckedContinuation<Void, Never>] = []
    }

    private let state = LockedBox(State())

    /// The outcome of the work that is under way for `id`, or of `work`, begun now. Nil when the caller was cancelled.
    func join(_ id: Int64, _ work: @escaping @Sendable () async -> Outcome) async -> Outcome? {
        let waiter = Waiter()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiter.suspend(continuation)
                let isFirst = state.withLock { state in
                    state.waiters[id, default: []].append(waiter)
                    return state.waiters[id]?.count == 1
                }
                if Task.isCancelled { waiter.resume(nil) }
                if isFirst { begin(id, work) }
            }
        } onCancel: {
            waiter.resume(nil)
        }
    }

    /// Waits until nothing is under way, for a process that is about to end.
    func settle() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if !state.waiters.isEmpty { state.settling.append(continuation) }
                return state.waiters.isEmpty
            }
            if isIdle { continuation.resume() }
        }
    }

    private func begin(_ id: Int64, _ work: @escaping @Sendable () async -> Outcome) {
        // Awaited through the waiters and by `settle`.
        Task {
            let outcome = await work()
            let (waiters, settling) = state.withLock { state in
                let waiters = state.waiters.removeValue(forKey: id) ?? []
                guard state.waiters.isEmpty else { return (waiters, [CheckedContinuation<Void, Never>]()) }
                let settling = state.settling
                state.settling = []
                return (waiters, settling)
            }
            for waiter in waiters { waiter.resume(outcome) }
            for continuation in settling { continuation.resume() }
        }
    }
}

/// Secrets in this process' memory, and until when they may be used without looking again.
struct HeldSecrets: Sendable {
    let secrets: Secrets
    /// Nil: until the provider refuses them.
    let lookAgainAt: ContinuousClock.Instant?
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// Carries a task's cancellation, or the news that its server is gone, to the connection's thread, which may be in `poll`.
///
/// Each operation has a number, so that what comes late cannot hit the next operation.
final class Interrupter: Sendable {
    private struct State {
        /// Zero between operations.
        var current: UInt64 = 0
        var began = ContinuousClock.now
        var cancelled: UInt64 = 0
        var lost: UInt64 = 0
    }

    private let state = LockedBox(State())
    let event: EventDescriptor

    init() throws(PostgresError) {
        event = try EventDescriptor()
    }

    /// The connection's thread starts an operation.
    func begin(_ operation: UInt64) {
        state.withLock { ($0.current, $0.began) = (operation, .now) }
    }

    /// The operation is over.
    func end() {
        state.withLock { $0.current = 0 }
    }

    /// Any thread cancels an operation, before, during or after it runs.
    func cancel(_ operation: UInt64) {
        let isCurrent = state.withLock { state in
            state.cancelled = max(state.cancelled, operation)
            return state.current == operation
        }
        if isCurrent { event.signal() }
    }

    /// Any thread gives up an operation that has taken this long.
    func lose(after limit: Duration) {
        let isStalled = state.withLock { state in
            guard state.current != 0, ContinuousClock.now - state.began >= limit else { return false }
            state.lost = state.current
            return true
        }
        if isStalled { event.signal() }
    }

    func isLost(_ operation: UInt64) -> Bool {
        state.withLock { $0.lost == operation }
    }

    func isCancelled(_ operation: UInt64) -> Bool {
        state.withLock { $0.cancelled == operation }
    }
}

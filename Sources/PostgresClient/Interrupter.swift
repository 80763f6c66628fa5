// SPDX-License-Identifier: Apache-2.0

import Model

/// Carries a task's cancellation to the connection's thread, which may be in `poll`.
///
/// Each operation has a number, so that a cancellation that comes late cannot hit the next operation.
final class Interrupter: Sendable {
    private struct State {
        var current: UInt64 = 0
        var cancelled: UInt64 = 0
    }

    private let state = LockedBox(State())
    let event: EventDescriptor

    init() throws(PostgresError) {
        event = try EventDescriptor()
    }

    /// The connection's thread starts an operation.
    func begin(_ operation: UInt64) {
        state.withLock { $0.current = operation }
    }

    /// Any thread cancels an operation, before, during or after it runs.
    func cancel(_ operation: UInt64) {
        let isCurrent = state.withLock { state in
            state.cancelled = max(state.cancelled, operation)
            return state.current == operation
        }
        if isCurrent { event.signal() }
    }

    func isCancelled(_ operation: UInt64) -> Bool {
        state.withLock { $0.cancelled == operation }
    }
}

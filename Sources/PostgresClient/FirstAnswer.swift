// SPDX-License-Identifier: Apache-2.0

import Model

/// A suspended caller that several may answer: the first one does, and the others change nothing.
final class FirstAnswer<Outcome: Sendable>: Sendable {
    private let continuation = LockedBox<CheckedContinuation<Outcome, Never>?>(nil)

    /// Whether the caller is suspended and has no answer yet.
    var isWaiting: Bool { continuation.withLock { $0 != nil } }

    func suspend(_ continuation: CheckedContinuation<Outcome, Never>) {
        self.continuation.withLock { $0 = continuation }
    }

    func resume(_ outcome: Outcome) {
        let waiting = continuation.withLock { continuation in
            let waiting = continuation
            continuation = nil
            return waiting
        }
        waiting?.resume(returning: outcome)
    }
}

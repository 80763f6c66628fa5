// SPDX-License-Identifier: Apache-2.0

/// Who hears of the end of a command, exactly once.
enum CommandWaiter: Sendable {
    typealias Outcome = Result<RedisValue, RedisError>

    /// A task that waits for the reply.
    case task(CheckedContinuation<Outcome, Never>)
    /// Called for a command that nobody waits for, mostly on the event loop: it must be short.
    case callback(@Sendable (Outcome) -> Void)

    func resume(returning outcome: Outcome) {
        switch self {
        case .task(let continuation): continuation.resume(returning: outcome)
        case .callback(let call): call(outcome)
        }
    }
}

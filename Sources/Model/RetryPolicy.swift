// SPDX-License-Identifier: Apache-2.0

/// When a failed job runs again: exponential backoff with full jitter and a cap.
///
/// Full jitter spreads the retries of many jobs that failed together over the whole interval, where equal jitter
/// would bring half of them back in its second half.
public struct RetryPolicy: Sendable, Equatable {
    /// The attempts a job has, the first included; at least 1.
    public let maxAttempts: Int
    /// The upper bound of the wait after the first attempt.
    public let base: Duration
    /// The upper bound of any wait.
    public let cap: Duration

    /// 8 attempts, waits up to 2 s, 4 s, … 10 min.
    public static let standard = RetryPolicy(maxAttempts: 8, base: .seconds(2), cap: .seconds(600))

    /// `maxAttempts` counts the first attempt too; delays grow from `base` up to `cap`.
    public init(maxAttempts: Int, base: Duration, cap: Duration) {
        precondition(
            maxAttempts >= 1 && base > .zero && cap >= base, "a policy needs attempts and a rising wait")
        self.maxAttempts = maxAttempts
        self.base = base
        self.cap = cap
    }

    /// The wait after attempt number `attempt` (1 is the first) failed; nil when it was the last one.
    public func delay(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator)
        -> Duration?
    {
        guard attempt < maxAttempts else { return nil }
        let bound = upperBound(afterAttempt: attempt).wholeMilliseconds
        return .milliseconds(Int64.random(in: 0...bound, using: &generator))
    }

    /// The longest wait that may follow an attempt: `base` doubled each time, never above `cap`.
    public func upperBound(afterAttempt attempt: Int) -> Duration {
        var bound = base
        for _ in 1..<max(1, attempt) {
            guard bound < cap else { break }
            bound *= 2
        }
        return min(bound, cap)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How many requests may come in a time: `rate` a second, and `burst` at once.
struct TokenBucket: Sendable {
    private let rate: Double
    private let burst: Double
    private var tokens: Double
    private var filled: ContinuousClock.Instant

    init(rate: Double, burst: Double, at now: ContinuousClock.Instant) {
        self.rate = rate
        self.burst = burst
        tokens = burst
        filled = now
    }

    /// Takes one. Nil when there was one; else how long until there is.
    mutating func take(at now: ContinuousClock.Instant) -> Duration? {
        tokens = min(burst, tokens + filled.duration(to: now) / .seconds(1) * rate)
        filled = now
        guard tokens >= 1 else { return .seconds((1 - tokens) / rate) }
        tokens -= 1
        return nil
    }
}

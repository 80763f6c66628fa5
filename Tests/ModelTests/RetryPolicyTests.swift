// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `A retry policy` {
    @Test func `doubles the longest wait with each attempt, up to the cap`() {
        let policy = RetryPolicy(maxAttempts: 8, base: .seconds(2), cap: .seconds(20))

        let bounds = (1...7).map(policy.upperBound(afterAttempt:))

        #expect(bounds == [2, 4, 8, 16, 20, 20, 20].map(Duration.seconds))
    }

    @Test func `uses the whole interval`() throws {
        var generator = SystemRandomNumberGenerator()
        let policy = RetryPolicy.standard

        let waits = try (0..<2_000).map { _ in
            try #require(policy.delay(afterAttempt: 1, using: &generator))
        }

        #expect(waits.allSatisfy { $0 >= .zero && $0 <= .seconds(2) })
        #expect(waits.contains { $0 < .milliseconds(500) })
        #expect(waits.contains { $0 > .milliseconds(1_500) })
    }

    @Test(arguments: [8, 9, Int.max])
    func `has no wait after the last attempt`(attempt: Int) {
        var generator = SystemRandomNumberGenerator()

        #expect(RetryPolicy.standard.delay(afterAttempt: attempt, using: &generator) == nil)
    }

    @Test func `keeps its bound for an absurd attempt number`() {
        #expect(RetryPolicy.standard.upperBound(afterAttempt: Int.max) == .seconds(600))
    }
}

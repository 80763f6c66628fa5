// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `A sliding window` {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `never lets more through than its limit in any window`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        var window = SlidingWindow(limit: 10, length: 64_000)
        var admitted: [Int64] = []
        var now: Int64 = 0
        for _ in 0..<5_000 {
            now += Int64(random.below(6_000))
            if window.admit(1, at: now) == nil { admitted.append(now) }
        }

        #expect(admitted.count > 1_000)
        #expect(WindowCount(times: admitted).highest(inWindowOf: 64_000)?.count ?? 0 <= 10)
    }

    @Test func `names a wait after which the request passes, and no much shorter one`() {
        var window = SlidingWindow(limit: 100, length: 60_000_000)
        #expect(window.admit(60, at: 0) == nil)
        #expect(window.admit(40, at: 10_000_000) == nil)

        let wait = window.admit(50, at: 20_000_000) ?? 0

        #expect(wait >= 40_000_000 && wait < 42_000_000)
        #expect(window.admit(50, at: 20_000_000 + wait) == nil)
    }
}

@Suite struct `Limits` {
    @Test func `are none until somebody asks for them`() {
        var sandbox = SandboxFixture()

        #expect((0..<200).allSatisfy { _ in sandbox.stripe("customers?limit=1").status == 200 })
    }

    @Test func `of Stripe are told by a reason and no time`() throws {
        var sandbox = SandboxFixture { $0.keepsLimits = true }
        let statuses = (0..<26).map { _ in sandbox.stripe("customers?limit=1").status }
        let refused = sandbox.stripe("products")

        #expect(statuses == Array(repeating: 200, count: 25) + [429])
        #expect(refused.header("Stripe-Rate-Limited-Reason") == "global-rate")
        #expect(refused.header("Retry-After") == nil)
        #expect(try refused.error["code"] as? String == "rate_limit")
        sandbox.control(.limits(service: "stripe", isOn: false))
        sandbox.control(.limit(service: "stripe", endpoint: "products.list", count: 1, milliseconds: 1_000))
        #expect(sandbox.stripe("customers").status == 200)
        #expect(sandbox.stripe("products").status == 200)
        #expect(sandbox.stripe("products").header("Stripe-Rate-Limited-Reason") == "endpoint-rate")
    }

    @Test func `of Gmail count units, and speak Google's words`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.limits(service: "gmail", isOn: true))
        // A list costs five units of 15,000.
        for _ in 0..<3_000 { #expect(sandbox.gmail("messages", [("maxResults", "1")]).status == 200) }

        let refused = sandbox.gmail("messages")

        #expect(refused.status == 403)
        #expect(try refused.reason == "userRateLimitExceeded")
        #expect(sandbox.gmail("profile", user: "u_2").status == 200)
        sandbox.control(
            .limit(service: "google-calendar", count: 1, milliseconds: 60_000, ofAllUsers: true))
        #expect(sandbox.events().status == 200)
        let project = sandbox.events(user: "u_2")
        #expect(project.status == 429)
        #expect(try project.reason == "rateLimitExceeded")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `The quantity of a limit` {
    @Test(arguments: [
        ("50/s", 50, 1), ("1200/min", 1_200, 60), ("5000/h", 5_000, 3_600), ("10000/d", 10_000, 86_400),
        ("100/10s", 100, 10),
    ])
    func `is read from text`(text: String, units: Int, seconds: Int) throws {
        let quantity = try #require(LimitQuantity.rate(text: text, burst: 3))
        #expect(quantity == .rate(units: units, period: .seconds(seconds), burst: 3))
    }

    @Test(arguments: [
        "", "50", "50/", "/s", "50/S", "5 0/s", "-1/s", "0/s", "5/0s", "5.5/s", "5/s/s", "١/s",
        "99999999999/s", "1/99d",
        "1/9999999999h",
    ])
    func `is refused in any other form`(text: String) {
        #expect(LimitQuantity.rate(text: text) == nil)
    }

    @Test func `has a burst of a fifth of a second where none is said`() {
        #expect(LimitQuantity.rate(text: "50/s") == .rate(units: 50, period: .seconds(1), burst: 10))
        #expect(LimitQuantity.rate(text: "60/min") == .rate(units: 60, period: .seconds(60), burst: 1))
    }
}

@Suite struct `Overrides of limits` {
    private static let rules = [
        LimitRule(name: "app", scope: .app, quantity: .rate(units: 5, period: .seconds(1), burst: 1)),
        LimitRule(name: "parallel", scope: .app, quantity: .concurrency(4)),
    ]

    @Test func `replace the quantity of the limit that they name, and of no other`() throws {
        let entries = ["demo.app=7/min burst 2", "other.app=9/s", "demo.parallel=1"].compactMap(
            LimitOverrides.entry)
        let overrides = LimitOverrides(entries)

        let uses = overrides.applied(to: Self.rules.map { LimitUse($0, cost: 3) }, of: "demo")

        #expect(
            uses.map(\.rule.quantity) == [.rate(units: 7, period: .seconds(60), burst: 2), .concurrency(1)])
        #expect(uses.map(\.cost) == [3, 3])
        #expect(overrides.entries.count == 3)
    }

    @Test(arguments: [
        ("other.app=1/s", "'other' has no connector"),
        ("demo.api=1/s", "demo has no limit 'api'; it has: app, parallel"),
        ("demo.app=4", "demo.app is a rate, such as 20/s"),
        ("demo.parallel=4/s", "demo.parallel is a concurrency, such as 4"),
    ])
    func `that name nothing are told`(text: String, expected: String) throws {
        let overrides = LimitOverrides([try #require(LimitOverrides.entry(text))])
        #expect(overrides.problems { $0 == "demo" ? Self.rules : nil } == [expected])
    }

    @Test(arguments: [
        "demo=1/s", "demo.app", "demo.app=", ".app=1/s", "demo.app=1/s burst", "demo.app=0",
        "demo.app=1/s burst 0",
    ])
    func `are refused in any other form`(text: String) {
        #expect(LimitOverrides.entry(text) == nil)
    }
}

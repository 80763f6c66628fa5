// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Sandbox

@Suite struct `The ledger` {
    @Test func `is filtered by service, endpoint, user, method and status`() {
        var sandbox = SandboxFixture()
        _ = sandbox.stripe("customers")
        _ = sandbox.stripe("customers", user: "u_2")
        _ = sandbox.stripe("customers/cus_none")
        _ = sandbox.events()
        _ = sandbox.send("POST", "/stripe/v1/nothing", key: "sk_test_u_1")

        #expect(sandbox.lines(.ledger(service: "stripe")).count == 4)
        #expect(sandbox.lines(.ledger(endpoint: "customers.list")).count == 2)
        #expect(sandbox.lines(.ledger(endpoint: "customers.list", user: "u_2")).count == 1)
        #expect(sandbox.lines(.ledger(endpoint: "events.list", status: 200)).count == 1)
        #expect(sandbox.lines(.ledger(status: 404)).count == 2)
        #expect(sandbox.lines(.ledger(after: 3, service: "stripe")).count == 1)
        #expect(sandbox.send("GET", "/_control/ledger?method=POST").text.contains("/stripe/v1/nothing"))
        #expect(sandbox.send("GET", "/_control/ledger?service=x").status == 400)
    }

    @Test func `cuts long queries, so that its memory has a bound`() {
        var sandbox = SandboxFixture()
        _ = sandbox.stripe("customers?expand=" + String(repeating: "x", count: 50_000))

        #expect(sandbox.state.ledger.after(0, limit: 1).first?.query.utf8.count ?? 0 < 1_010)
    }

    @Test func `tells the densest window, and the burst at a rate`() throws {
        var sandbox = SandboxFixture()
        for milliseconds in [0, 400, 500, 600, 1_500, 2_600] {
            sandbox.time = SandboxFixture.start.advanced(bySeconds: Double(milliseconds) / 1_000)
            _ = sandbox.stripe("customers")
            if milliseconds == 600 { _ = sandbox.events() }
        }

        let stripe = try sandbox.control(.window(milliseconds: 1_000, rate: 2, service: "stripe")).json
        #expect(stripe["requests"] as? Int == 6)
        #expect(stripe["highest"] as? Int == 4)
        #expect(stripe["from_us"] as? Int == 0)
        // Four within 600 ms, less the 1.2 that two a second allow.
        #expect(abs((stripe["burst"] as? Double ?? 0) - 2.8) < 0.000_001)
        let short = try sandbox.control(.window(milliseconds: 200, endpoint: "customers.list")).json
        #expect(short["highest"] as? Int == 3)
        #expect(short["from_us"] as? Int == 400_000)
        #expect(short["burst"] == nil || short["burst"] is NSNull)
        #expect(try sandbox.control(.window(milliseconds: 5, user: "u_3")).json["highest"] as? Int == 0)
        for wrong in ["window", "window?ms=x", "window?ms=1&rate=0", "window?ms=1&rate=nan"] {
            #expect(sandbox.send("GET", "/_control/\(wrong)").status == 400)
        }
    }
}

@Suite struct `A window count` {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `finds what trying every window finds`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let times = (0..<120).map { _ in Int64(random.below(2_000)) }.sorted()
        let count = WindowCount(times: times.shuffled(using: &random))

        for window in [0, 1, 10, 100, 5_000] as [Int64] {
            let best = times.map { start in times.count { $0 >= start && $0 - start <= window } }.max()
            #expect(count.highest(inWindowOf: window)?.count == best)
        }
        for rate in [10.0, 5_000, 80_000] {
            var burst = 0.0
            for first in times.indices {
                for last in first..<times.count {
                    let passed = Double(times[last] - times[first]) / 1_000_000
                    burst = max(burst, Double(last - first + 1) - rate * passed)
                }
            }
            #expect(abs(count.burst(atRate: rate) - burst) < 0.000_001)
        }
    }

    @Test func `of nothing is nothing`() {
        #expect(WindowCount(times: []).highest(inWindowOf: 1) == nil)
        #expect(WindowCount(times: []).burst(atRate: 1) == 0)
        #expect(WindowCount(times: [5]).burst(atRate: 1) == 1)
    }
}

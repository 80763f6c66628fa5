// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import RateLimits

@Suite struct `A reset beyond any limit` {
    @Test(arguments: [
        LimitOutcome.Reset.at(Timestamp(microseconds: .max)), .at(Timestamp(seconds: 1_800_000_000_000)),
        .after(.seconds(31 * 86_400 + 1)), .after(.microseconds(Int64.max)),
    ])
    func `shuts nothing`(reset: LimitOutcome.Reset) async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("1000/s", burst: 1000)

            try await limits.limiter.settle(
                limits.grant([use]),
                LimitOutcome(quotas: [.init(limit: "requests", remaining: 0, reset: reset)]))

            #expect(try await limits.admit([use]).isGranted)
        }
    }
}

@Suite struct `A refusal of the provider` {
    private static let refused = LimitOutcome(refusal: .init(limit: nil, wait: .seconds(60)))

    @Test func `stops everybody in its scope at once, and nobody else`() async throws {
        try await Limits.run { limits in
            let method = try LimitUse.rate(
                "1000/s", burst: 1000, name: "method", scope: .integration, perEndpoint: true)
            let grant = try await limits.grant([method], endpoint: "/a")

            try await limits.limiter.settle(grant, Self.refused)

            let same = try await limits.admit([method], endpoint: "/a")
            let wait = try #require(same.wait)
            #expect(wait > .seconds(59) && wait <= .seconds(60))
            #expect(try await limits.admit([method], endpoint: "/b").isGranted)
            #expect(try await limits.admit([method], integration: 2, endpoint: "/a").isGranted)
        }
    }

    @Test func `concerns the integration where no narrower limit is known, and the limit that it names`()
        async throws
    {
        try await Limits.run { limits in
            let own = try LimitUse.rate("1000/s", burst: 1000, name: "own", scope: .integration)
            let app = try LimitUse.rate("1000/s", burst: 1000, name: "app")
            try await limits.limiter.settle(limits.grant([own, app]), Self.refused)
            #expect(try await limits.admit([own, app]).obstacle == .refusal)
            #expect(try await limits.admit([own, app], integration: 2).isGranted)

            let named = LimitOutcome(refusal: .init(limit: "app", wait: .seconds(9)))
            try await limits.limiter.settle(limits.grant([own, app], integration: 2), named)
            #expect(try await limits.admit([own, app], integration: 3).obstacle == .limit(app.rule))
        }
    }

    @Test func `never ends before a longer one that came earlier`() async throws {
        try await Limits.run { limits in
            let grant = try await limits.grant([])
            try await limits.limiter.settle(grant, Self.refused)
            try await limits.limiter.settle(
                grant, LimitOutcome(refusal: .init(limit: nil, wait: .seconds(1))))

            let wait = try await limits.admit([]).wait
            #expect(try #require(wait) > .seconds(50))
        }
    }

    @Test func `without a hint halves the rate once for all requests under way, and waits longer each time`()
        async throws
    {
        try await Limits.run { limits in
            let use = try LimitUse.rate("100/s", burst: 1)
            let silent = LimitOutcome(refusal: .init(limit: nil, wait: nil))
            let grant = try await limits.grant([use])
            for _ in 0..<3 { try await limits.limiter.settle(grant, silent) }

            let state = try await limits.state("requests")
            #expect(state[4] == "500" && state[8] == "1")
            // It is blocked for a second from the last of them; it was slowed by the first.
            let wait = (Int(state[3]) ?? 0) - (Int(state[5]) ?? 0)
            #expect(wait >= 1_000_000 && wait < 2_000_000)

            // As if the first refusal was a while ago.
            try await limits.rewrite("requests") { fields in
                fields[3] = "0"
                fields[5] = "\((Int(fields[5]) ?? 0) - 2_000_000)"
            }
            try await limits.limiter.settle(grant, silent)
            let again = try await limits.state("requests")
            #expect((250...270).contains(Int(again[4]) ?? 0) && again[8] == "2")
        }
    }

    @Test func `without a wait of its own holds until the reset of what it says is left`() async throws {
        try await Limits.run { limits in
            let grant = try await limits.grant([])
            let refused = LimitOutcome(
                refusal: .init(limit: nil, wait: nil),
                quotas: [.init(limit: nil, remaining: 0, reset: .after(.seconds(600)))])
            #expect(SettlementNotes(grant, refused).words == ["slow left:0:600000000"])

            try await limits.limiter.settle(grant, refused)

            let wait = try await limits.admit([]).wait
            #expect(try #require(wait) > .seconds(590))
        }
    }
}

@Suite struct `What a provider says is left` {
    @Test func `holds the integration's requests until the reset`() async throws {
        try await Limits.run { limits in
            let left = LimitOutcome(quotas: [.init(limit: nil, remaining: 2, reset: .after(.seconds(30)))])
            try await limits.limiter.settle(limits.grant([]), left)

            #expect(try await limits.admit([]).isGranted)
            #expect(try await limits.admit([]).isGranted)
            let answer = try await limits.admit([])
            let wait = try #require(answer.wait)
            #expect(wait > .seconds(29) && wait <= .seconds(30))
            #expect(try await limits.admit([], integration: 2).isGranted)
        }
    }

    @Test func `tightens a limit and never loosens it`() async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("1/d", burst: 5)
            let left = { (units: Int) in
                LimitOutcome(quotas: [.init(limit: "requests", remaining: units, reset: .after(.seconds(30)))]
                )
            }
            let grant = try await limits.grant([use])
            try await limits.limiter.settle(grant, left(1))
            try await limits.limiter.settle(grant, left(1_000))

            #expect(try await limits.drain([use]).granted == 1)
            // The quota is full again, but the limit's own burst is not.
            try await limits.rewrite("requests") { $0[7] = "1" }
            #expect(try await limits.drain([use]).granted == 3)
        }
    }
}

@Suite struct `A circuit breaker` {
    private static let failed = LimitOutcome(health: .failed)

    /// Opens it, and returns for how long.
    private func open(_ limits: Limits) async throws -> Duration? {
        var pause: Duration?
        for _ in 0..<10 { pause = try await limits.limiter.settle(limits.grant([]), Self.failed) }
        return pause
    }

    @Test func `opens for the whole service after many failures, and lets one probe pass after its pause`()
        async throws
    {
        try await Limits.run { limits in
            let pause = try #require(try await open(limits))
            #expect(pause > .seconds(14) && pause <= .seconds(15))
            #expect(try await limits.admit([], integration: 7).obstacle == .outage)

            try await limits.endPause()
            let probe = try await limits.grant([])
            #expect(try await limits.admit([], integration: 7).obstacle == .outage)
            #expect(try await limits.limiter.settle(probe, LimitOutcome()) == nil)
            #expect(try await limits.admit([], integration: 7).isGranted)
        }
    }

    @Test func `stays open longer when its probe fails`() async throws {
        try await Limits.run { limits in
            _ = try await open(limits)
            try await limits.endPause()

            let pause = try await limits.limiter.settle(limits.grant([]), Self.failed)

            #expect(try #require(pause) > .seconds(29))
        }
    }

    @Test func `stays closed while most requests succeed, and a refusal is no failure`() async throws {
        try await Limits.run { limits in
            for _ in 0..<12 {
                _ = try await limits.limiter.settle(limits.grant([]), Self.failed)
                for _ in 0..<2 { _ = try await limits.limiter.settle(limits.grant([]), LimitOutcome()) }
            }
            #expect(try await limits.admit([]).isGranted)
        }
    }
}

@Suite struct `A retry budget` {
    @Test func `pays for repeated requests of one integration, and for no others`() async throws {
        try await Limits.run { limits in
            var granted = 0
            while try await limits.admit([], isRetry: true).isGranted { granted += 1 }

            #expect((9...11).contains(granted))
            #expect(try await limits.admit([], isRetry: true).obstacle == .retryBudget)
            #expect(try await limits.admit([]).isGranted)
            #expect(try await limits.admit([], integration: 2, isRetry: true).isGranted)
        }
    }
}

extension Limits {
    /// The fields of a rate's state; see prelude.lua.
    func state(_ limit: String) async throws -> [String] {
        let text =
            try await redis.command(["GET", RedisArgument("\(prefix):limit:demo:\(limit)")]).text ?? ""
        return text.split(separator: " ").map(String.init)
    }

    /// Changes a state as time would.
    func rewrite(_ limit: String, _ change: (inout [String]) -> Void) async throws {
        var fields = try await state(limit)
        change(&fields)
        _ = try await redis.command([
            "SET", RedisArgument("\(prefix):limit:demo:\(limit)"),
            RedisArgument(fields.joined(separator: " ")),
        ])
    }

    /// The pause of the breaker is over.
    func endPause() async throws {
        let key = RedisArgument("\(prefix):limit:breaker:demo")
        let text = try await redis.command(["GET", key]).text ?? ""
        var fields = text.split(separator: " ").map(String.init)
        fields[1] = "1"
        _ = try await redis.command(["SET", key, RedisArgument(fields.joined(separator: " "))])
    }
}

@Suite struct `The standing of limits` {
    @Test func `says what stands in a request's way, and changes nothing`() async throws {
        try await Limits.run { limits in
            let rate = try LimitUse.rate("20/h", burst: 2)
            let method = try LimitUse.rate(
                "1/d", burst: 1, name: "method", scope: .integration, perEndpoint: true)
            let parallel = LimitUse.concurrency(4)
            let uses = [rate, method, parallel]
            let scope = LimitScope(service: "demo", integrationID: 1)
            func standings() async throws -> [LimitStanding] {
                try await limits.limiter.standings(of: uses.map(\.rule), in: scope, endpoints: ["/e", "/f"])
            }
            #expect(try await standings().allSatisfy { !$0.isClosed })

            let grant = try await limits.grant(uses)
            let first = try await standings()
            #expect(first.map(\.isClosed) == [false, false, false, true, false, false])
            #expect(first[5].running == 1)
            try await limits.limiter.settle(
                grant, LimitOutcome(refusal: .init(limit: "requests", wait: .seconds(40))))
            let second = try await standings()

            #expect(try #require(second[2].closedFor) > .seconds(39))
            #expect(second[5].running == 0)
        }
    }
}

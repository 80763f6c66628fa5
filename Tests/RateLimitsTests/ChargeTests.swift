// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import RateLimits

@Suite struct `What a request really took` {
    private static func took(
        _ actual: Int?, available: Int? = nil, restoredPerSecond: Double? = nil,
        refusal: LimitOutcome.Refusal? = nil
    ) -> LimitOutcome {
        LimitOutcome(
            refusal: refusal,
            charges: [
                .init(
                    limit: "points", actual: actual, available: available,
                    restoredPerSecond: restoredPerSecond)
            ])
    }

    /// A bucket that does not fill up while a test runs.
    private static func points(_ cost: Int, burst: Int = 1_000) throws -> LimitUse {
        try .rate("1/h", burst: burst, name: "points", cost: cost)
    }

    @Test func `is given back to everybody when it is less than was charged`() async throws {
        try await Limits.run { limits in
            let use = try Self.points(500)
            let grant = try await limits.grant([use])
            #expect(try await limits.admit([Self.points(501)]).isGranted == false)

            try await limits.limiter.settle(grant, Self.took(20))

            #expect(try await limits.admit([Self.points(980)]).isGranted)
            #expect(try await limits.admit([Self.points(1)]).isGranted == false)
        }
    }

    @Test func `is charged when it is more, even beyond the burst`() async throws {
        try await Limits.run { limits in
            let grant = try await limits.grant([Self.points(10)])

            try await limits.limiter.settle(grant, Self.took(1_100))

            // A hundred units are owed, at one an hour.
            let wait = try #require(try await limits.admit([Self.points(1)]).wait)
            #expect(wait > .seconds(100 * 3_600) && wait <= .seconds(101 * 3_600))
        }
    }

    @Test func `gives back no more than the bucket holds`() async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("1000/s", burst: 1_000, name: "points", cost: 800)
            let grant = try await limits.grant([use])
            // As if all of it was filled up again meanwhile.
            try await limits.rewrite("points") { $0[0] = "1" }

            let now = try #require(
                try await limits.redis.command(["TIME"]).array?.first?.text.flatMap(Int64.init))

            try await limits.limiter.settle(grant, Self.took(0))

            let state = try await limits.state("points")
            #expect((Int64(state[0]) ?? 0) / 1_000_000 >= now - 1)
        }
    }

    @Test func `leaves no more in the bucket than the provider says is there, and never more than was`()
        async throws
    {
        try await Limits.run { limits in
            let grant = try await limits.grant([Self.points(10)])
            try await limits.limiter.settle(grant, Self.took(10, available: 300, restoredPerSecond: 50))
            #expect(try await limits.admit([Self.points(301)]).isGranted == false)
            #expect(try await limits.admit([Self.points(300)]).isGranted)

            try await limits.limiter.settle(grant, Self.took(10, available: 1_000))
            #expect(try await limits.admit([Self.points(1)]).isGranted == false)
        }
    }

    @Test func `costs no call when it is what was charged, or when nobody says`() async throws {
        let use = try Self.points(10)
        let grant = LimitGrant(
            scope: LimitScope(service: "demo", integrationID: 1),
            demand: LimitDemand(endpoint: "/e", uses: [use]),
            permit: "p", breaker: .closed)

        #expect(!SettlementNotes(grant, LimitOutcome()).isWorthTelling)
        #expect(!SettlementNotes(grant, Self.took(10)).isWorthTelling)
        #expect(!SettlementNotes(grant, Self.took(nil)).isWorthTelling)
        #expect(!SettlementNotes(grant, Self.took(10, available: 2_000)).isWorthTelling)
        #expect(SettlementNotes(grant, Self.took(9)).words == ["-", "cost:-1:-3600000000:0"])
        let other = LimitOutcome(charges: [.init(limit: "other", actual: 3)])
        #expect(!SettlementNotes(grant, other).isWorthTelling)
    }

    @Test func `of a refused request closes its limit until the units are back`() async throws {
        try await Limits.run { limits in
            let app = try LimitUse.rate("1000/s", burst: 1_000, name: "requests", scope: .integration)
            let points = try LimitUse.rate("100/s", burst: 1_000, name: "points", cost: 500)
            let grant = try await limits.grant([app, points])

            try await limits.limiter.settle(
                grant,
                Self.took(nil, available: 100, restoredPerSecond: 50, refusal: .init(limit: nil, wait: nil)))

            let answer = try await limits.admit([points])
            #expect(answer.obstacle == .limit(points.rule))
            let wait = try #require(answer.wait)
            #expect(wait > .seconds(7) && wait <= .seconds(18))
            #expect(try await limits.admit([app]).isGranted)
        }
    }

    @Test func `is told twice only where that asks less`() throws {
        let use = try Self.points(100)
        let grant = LimitGrant(
            scope: LimitScope(service: "demo", integrationID: 1),
            demand: LimitDemand(endpoint: "/e", uses: [use]),
            permit: "p", breaker: .closed)

        let less = Self.took(40, available: 7)
        #expect(!less.isUrgent(for: grant))
        #expect(less.withoutRefunds(of: grant).charges == [.init(limit: "points", actual: nil, available: 7)])
        let more = Self.took(400)
        #expect(more.isUrgent(for: grant))
        #expect(more.withoutRefunds(of: grant) == more)
    }

    @Test func `keeps the promise of a points limit over many requests at once`() async throws {
        try await Limits.run { limits in
            // A bucket of the provider's own kind: it takes what is asked for and gives the rest back.
            let use = try Self.points(100)
            var taken = 0
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<60 {
                    group.addTask {
                        guard case .granted(let grant) = try await limits.admit([use]) else { return 0 }
                        let actual = index % 7 * 10
                        try await limits.limiter.settle(grant, Self.took(actual))
                        return actual
                    }
                }
                for try await actual in group { taken += actual }
            }
            let left = try await limits.drain([Self.points(1)]).granted
            #expect(taken + left == 1_000)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import TestSupport
import Testing

@testable import RateLimits

@Suite struct `A rate` {
    @Test func `grants its burst, and then says exactly when the next unit is there`() async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("20/h", burst: 20)

            let (granted, answer) = try await limits.drain([use])

            #expect(granted == 20)
            let wait = try #require(answer.wait)
            #expect(wait > .seconds(150) && wait <= .seconds(180))
        }
    }

    @Test func `leaves room for requests that start a little after their grants`() async throws {
        try await Limits.run { limits in
            // In 150 ms 150 units come back.
            let use = try LimitUse.rate("1000/s", burst: 160)
            let step = 1_000.0

            #expect(RateLimiter.burst(160, step: step, 1) == 10)
            #expect(RateLimiter.burst(160, step: step, 20) == 20)
            #expect(RateLimiter.burst(60, step: 1e6, 1) == 60)
            _ = try await limits.grant([use])
        }
    }

    @Test func `takes from all limits or from none`() async throws {
        try await Limits.run { limits in
            let wide = try LimitUse.rate("1/d", burst: 5, name: "wide")
            let narrow = try LimitUse.rate("1/d", burst: 1, name: "narrow", scope: .integration)
            _ = try await limits.grant([wide, narrow])

            for _ in 0..<20 { #expect(try await !limits.admit([wide, narrow]).isGranted) }

            // Of the wide limit only one unit is gone: four more integrations get theirs.
            for integration in 2...5 {
                _ = try await limits.grant([wide, narrow], integration: Int64(integration))
            }
            let last = try await limits.admit([wide, narrow], integration: 6)
            #expect(last.obstacle == .limit(wide.rule))
        }
    }

    @Test func `counts units, endpoints and integrations apart`() async throws {
        try await Limits.run { limits in
            let dear = try LimitUse.rate("1/d", burst: 10, scope: .integration, cost: 5)
            #expect(try await limits.drain([dear]).granted == 2)
            #expect(try await limits.drain([dear], integration: 2).granted == 2)

            let method = try LimitUse.rate(
                "1/d", burst: 1, name: "method", scope: .integration, perEndpoint: true)
            _ = try await limits.grant([method], endpoint: "/a")
            _ = try await limits.grant([method], endpoint: "/b")
            #expect(try await !limits.admit([method], endpoint: "/a").isGranted)
        }
    }

    @Test func `never grants more than it promises in any window, however many ask`()
        async throws
    {
        try await Limits.run { limits in
            let use = try LimitUse.rate("200/s", burst: 20)
            let grants = LockedBox<[ContinuousClock.Instant]>([])
            let end = ContinuousClock.now.advanced(by: .seconds(3))

            try await withThrowingTaskGroup(of: Void.self) { group in
                for integration in 1...40 {
                    group.addTask {
                        var ticket: String?
                        while ContinuousClock.now < end {
                            let asked = ContinuousClock.now
                            let answer = try await limits.admit(
                                [use], integration: Int64(integration), ticket: ticket)
                            ticket = answer.ticket
                            let answered = ContinuousClock.now
                            if let wait = answer.wait {
                                try await ContinuousClock().sleep(for: min(wait, .seconds(1)))
                            } else if answered - asked <= Admission.validity {
                                // A worker sends nothing under a grant that came later.
                                grants.withLock { $0.append(answered) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }

            let times = grants.withLock { $0 }.sorted()
            // The replies travel: the same allowance that a grant's validity makes.
            for (count, first) in times.enumerated() {
                for window in [Duration.milliseconds(100), .milliseconds(500), .seconds(1)] {
                    let within = times[count...].prefix { $0 - first < window }.count
                    #expect(Double(within) <= 200 * window.seconds + 20 + 1)
                }
            }
            #expect(times.count > 20)
        }
    }

    @Test func `keeps the places of those who wait in its line`() async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("1/s", burst: 1)
            _ = try await limits.grant([use])

            // The times at which they may come.
            var places: [Int] = []
            for integration in 2...3 {
                let answer = try await limits.admit([use], integration: Int64(integration))
                places.append(try #require(answer.ticket.flatMap { Int($0) }))
            }

            // Each is told to come a second after the one before, not all at once.
            #expect(places[1] - places[0] >= 1_000_000)
            let third = try await limits.admit([use], integration: 4)
            #expect(third.ticket == nil && third.wait != nil)
        }
    }

    @Test func `lets what a person waits for go before the line`() async throws {
        try await Limits.run { limits in
            let use = try LimitUse.rate("2/s", burst: 1)
            _ = try await limits.grant([use])
            for integration in 2...4 { _ = try await limits.admit([use], integration: Int64(integration)) }

            let urgent = try await limits.admit([use], integration: 99, isUrgent: true)
            #expect(try #require(urgent.wait) <= .milliseconds(500))
            let bulk = try await limits.admit([use], integration: 2)
            #expect(try #require(bulk.wait) > (try #require(urgent.wait)))

            let deadline = ContinuousClock.now.advanced(by: .seconds(30))
            var isGranted = false
            while !isGranted, ContinuousClock.now < deadline {
                // Those in the line ask too, with places that are long over.
                let other = try await limits.admit([use], integration: 3, ticket: "1")
                #expect(!other.isGranted)
                isGranted = try await limits.admit([use], integration: 99, isUrgent: true).isGranted
            }
            #expect(isGranted)
        }
    }
}

@Suite struct `A concurrency` {
    @Test func `grants as many as it says, and one more for each that is given back`() async throws {
        try await Limits.run { limits in
            let use = LimitUse.concurrency(3)
            var grants: [LimitGrant] = []
            for _ in 0..<3 { grants.append(try await limits.grant([use])) }
            #expect(try await limits.admit([use]).obstacle == .limit(use.rule))

            try await limits.limiter.settle(grants[0], LimitOutcome())
            try await limits.limiter.settle(grants[0], LimitOutcome())

            _ = try await limits.grant([use])
            #expect(try await !limits.admit([use]).isGranted)
        }
    }

    @Test func `keeps some room for what a person waits for`() async throws {
        try await Limits.run { limits in
            let use = LimitUse.concurrency(10)
            let granted = try await limits.drain([use]).granted

            #expect(granted == 9)
            #expect(try await limits.admit([use], isUrgent: true).isGranted)
        }
    }

    @Test func `gets permits back from workers that died`() async throws {
        try await Limits.run { limits in
            let use = LimitUse.concurrency(1)
            _ = try await limits.grant([use])
            let key = "\(limits.prefix):limit:demo:parallel"
            let members = try await limits.redis.command(["ZRANGE", RedisArgument(key), "0", "-1"])
            let permit = try #require(members.array?.first?.text)

            _ = try await limits.redis.command(["ZADD", RedisArgument(key), "1", RedisArgument(permit)])

            #expect(try await limits.admit([use]).isGranted)
        }
    }
}

@Suite struct `Without its Redis a limiter` {
    @Test func `grants nothing when Redis is gone or full, and goes on after a restart`() async throws {
        let server = try await RedisServer()
        try await Limits.run(on: server) { limits in
            let use = try LimitUse.rate("1/d", burst: 3)
            _ = try await limits.grant([use])
            _ = try await limits.redis.command(["CONFIG", "SET", "maxmemory", "1"])
            let full = await #expect(throws: LimitError.self) { try await limits.admit([use]) }
            #expect(full?.code == .full)

            server.kill()
            let gone = await #expect(throws: LimitError.self) { try await limits.admit([use]) }
            #expect(gone?.code == .unavailable)

            try await server.start()
            // Empty: what it knew is lost, and one more burst goes through.
            #expect(try await limits.drain([use]).granted == 3)
        }
    }

    @Test func `hears of a refusal while Redis is full, so that nobody asks early when there is room again`()
        async throws
    {
        let server = try await RedisServer()
        try await Limits.run(on: server) { limits in
            let rate = try LimitUse.rate("1000/s", burst: 1000)
            let parallel = LimitUse(
                LimitRule(name: "parallel", scope: .integration, quantity: .concurrency(1)))
            let grant = try await limits.grant([rate, parallel])
            _ = try await limits.redis.command(["CONFIG", "SET", "maxmemory", "1"])

            try await limits.limiter.settle(
                grant, LimitOutcome(refusal: .init(limit: nil, wait: .seconds(60))))

            let full = await #expect(throws: LimitError.self) { try await limits.admit([rate, parallel]) }
            #expect(full?.code == .full)
            _ = try await limits.redis.command(["CONFIG", "SET", "maxmemory", "0"])
            let wait = try await limits.admit([rate, parallel]).wait
            #expect(try #require(wait) > .seconds(50))
            // Its permit came back as well.
            #expect(try await limits.admit([parallel], endpoint: "/other").obstacle != .limit(parallel.rule))
        }
    }

    @Test func `refuses keys of a wrong type without a change`() async throws {
        try await Limits.run { limits in
            let first = try LimitUse.rate("1/d", burst: 3, name: "first")
            let second = try LimitUse.rate("1/d", burst: 3, name: "second")
            let key = RedisArgument("\(limits.prefix):limit:demo:second")
            _ = try await limits.redis.command(["LPUSH", key, "x"])

            let error = await #expect(throws: LimitError.self) { try await limits.admit([first, second]) }

            #expect(error?.code == .wrongKeyType)
            let untouched = RedisArgument("\(limits.prefix):limit:demo:first")
            #expect(try await limits.redis.command(["EXISTS", untouched]).int == 0)
        }
    }
}

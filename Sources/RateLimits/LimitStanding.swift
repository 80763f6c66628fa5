// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// How a limit stands at the moment, for people.
public struct LimitStanding: Sendable, Equatable {
    /// What is asked about.
    public enum Subject: Sendable, Equatable {
        /// The circuit breaker of the service.
        case breaker
        /// The integration as a whole.
        case integration
        /// A limit of the connector, and the endpoint where it has one of its own.
        case limit(LimitRule, endpoint: String?)
    }

    /// What this is about.
    public let subject: Subject
    /// How long nothing starts, when the provider refused, an outage is on, or a quota is used up.
    public let closedFor: Duration?
    /// How long the next unit of a rate takes; zero when it may start now.
    public let nextUnitIn: Duration
    /// The share of the rate that refusals without a hint have left, 1 for all of it.
    public let share: Double
    /// What the provider said is left until a reset, if it said so and that still holds.
    public let left: Int?
    /// Permits of a concurrency that are out.
    public let running: Int?

    /// Whether a request would have to wait.
    public var isClosed: Bool { closedFor != nil || nextUnitIn > .zero }
}

extension RateLimiter {
    /// How the limits of an integration stand; `endpoints` are those of limits by endpoint to look at. Read one after the
    /// other and so not of one instant. Changes nothing.
    public func standings(
        of rules: [LimitRule], in scope: LimitScope, endpoints: [String] = []
    ) async throws(LimitError) -> [LimitStanding] {
        let time = try await command(["TIME"]).array?.compactMap { $0.text.flatMap(Int64.init) } ?? []
        guard time.count == 2 else { throw Self.unexpected("TIME") }
        let now = time[0] * 1_000_000 + time[1]
        var standings: [LimitStanding] = []
        if let breaker = try await numbers(keys.breaker(scope.service)), breaker.count == 7 {
            let closed = breaker[0] == 1 ? max(0, breaker[1] - now) : 0
            standings.append(LimitStanding(.breaker, closedFor: closed))
        } else {
            standings.append(LimitStanding(.breaker, closedFor: 0))
        }
        let gate = RateState(try await numbers(keys.gate(scope)) ?? [])
        standings.append(LimitStanding(.integration, state: gate, rule: nil, now: now))
        for rule in rules {
            for endpoint in rule.isPerEndpoint ? endpoints : [""] {
                let key = keys.limit(rule, scope, endpoint: endpoint)
                let subject = LimitStanding.Subject.limit(rule, endpoint: rule.isPerEndpoint ? endpoint : nil)
                if rule.quantity.isConcurrency {
                    let count = try await command([
                        "ZCOUNT", RedisArgument(key), RedisArgument("\(now)"), "+inf",
                    ]).int
                    standings.append(LimitStanding(subject, running: Int(count ?? 0)))
                } else {
                    let state = RateState(try await numbers(key) ?? [])
                    standings.append(LimitStanding(subject, state: state, rule: rule, now: now))
                }
            }
        }
        return standings
    }

    private func numbers(_ key: String) async throws(LimitError) -> [Int64]? {
        try await command(["GET", RedisArgument(key)]).text?.split(separator: " ").compactMap { Int64($0) }
    }

    private func command(_ arguments: [RedisArgument]) async throws(LimitError) -> RedisValue {
        do {
            return try await redis.command(arguments)
        } catch {
            throw LimitError(error)
        }
    }
}

/// The state of a rate as the scripts keep it; see prelude.lua.
struct RateState: Equatable {
    var arrival: Int64 = 0
    var blocked: Int64 = 0
    var factor: Int64 = 1_000
    var slowed: Int64 = 0
    var left: Int64 = -1
    var reset: Int64 = 0

    /// The state of a limit that nobody has used when there are no numbers.
    init(_ numbers: [Int64]) {
        if numbers.count == 1 { arrival = numbers[0] }
        guard numbers.count == 9 else { return }
        (arrival, blocked, factor, slowed) = (numbers[0], numbers[3], numbers[4], numbers[5])
        (left, reset) = (numbers[6], numbers[7])
    }
}

extension LimitStanding {
    init(_ subject: Subject, closedFor: Int64 = 0, running: Int? = nil) {
        self.subject = subject
        self.closedFor = closedFor > 0 ? .microseconds(closedFor) : nil
        nextUnitIn = .zero
        share = 1
        left = nil
        self.running = running
    }

    init(_ subject: Subject, state: RateState, rule: LimitRule?, now: Int64) {
        self.subject = subject
        let quota = state.reset > now && state.left >= 0 ? Int(state.left) : nil
        left = quota
        let closed = max(state.blocked, quota == 0 ? state.reset : 0) - now
        closedFor = closed > 0 ? .microseconds(closed) : nil
        let recovered = state.factor < 1_000 ? state.factor + (now - state.slowed) / 100_000 : 1_000
        share = Double(min(1_000, recovered)) / 1_000
        running = nil
        guard let rule, case .rate(let units, let period, let burst) = rule.quantity else {
            nextUnitIn = .zero
            return
        }
        let step = period.seconds * 1e6 / Double(units) / share
        let usable = RateLimiter.burst(burst, step: period.seconds * 1e6 / Double(units), 1)
        let wait = Double(max(state.arrival, now) - now) + (1 - usable) * step
        nextUnitIn = wait > 0 ? .microseconds(Int64(wait)) : .zero
    }
}

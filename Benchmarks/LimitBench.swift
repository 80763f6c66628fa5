// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Model
import RateLimits
import RedisClient

/// (e) The limiter: calls through one connection, and what one call costs Redis.
struct LimitBench {
    let url: String

    private static let tasks = 256
    private static let calls = 400

    func run() async throws {
        Report.title("(e) limiter: three limits for each request")
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(configuration: try RedisConfiguration(url: url), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        let limiter = RateLimiter(redis: redis, prefix: "benchlimit", logger: logger)
        let nothing = RedisScript(Array("return 1".utf8))

        let limit = try await rate(redis) { number in
            _ = try await redis.eval(
                nothing, keys: (0..<5).map { RedisArgument("benchlimit:\($0):\(number % 1_000)") },
                arguments: (0..<17).map { RedisArgument($0) })
        }
        Report.line("limit: a script that does nothing", limit.calls, "calls/s")
        Report.line("  Redis time of a call", limit.microseconds, "µs")
        let wide = [
            Self.use("app", .app, 10_000_000), Self.use("own", .integration, 1_000_000), Self.parallel,
        ]
        try await report("granted and settled", redis, limit.calls) { number in
            let scope = LimitScope(service: "bench", integrationID: Int64(number % 1_000))
            let answer = try await limiter.admit(LimitDemand(endpoint: "/v1/items", uses: wide), in: scope)
            guard case .granted(let grant) = answer else { throw BenchFailure("a wide limit is exceeded") }
            try await limiter.settle(grant, LimitOutcome())
        }
        let rates = Array(wide.dropLast())
        try await report("granted, no concurrency", redis, limit.calls) { number in
            let scope = LimitScope(service: "bench", integrationID: Int64(number % 1_000))
            let answer = try await limiter.admit(LimitDemand(endpoint: "/v1/items", uses: rates), in: scope)
            guard case .granted = answer else { throw BenchFailure("a wide limit is exceeded") }
        }
        let narrow = [Self.use("narrow", .app, 1), Self.use("own", .integration, 1_000_000), Self.parallel]
        try await report("refused", redis, limit.calls) { number in
            let scope = LimitScope(service: "bench", integrationID: Int64(number % 1_000))
            _ = try await limiter.admit(LimitDemand(endpoint: "/v1/items", uses: narrow), in: scope)
        }
    }

    private func report(
        _ name: String, _ redis: RedisClient, _ limit: Double,
        _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let measured = try await rate(redis, body)
        Report.line(name, measured.calls, "requests/s", limit: limit)
        Report.line("  Redis time of a call", measured.microseconds, "µs", target: "target under 60")
    }

    /// Runs a call many times at once: calls a second, and the mean time that Redis says a script took.
    private func rate(
        _ redis: RedisClient, _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> (calls: Double, microseconds: Double) {
        try await body(0)
        _ = try await redis.command(["CONFIG", "RESETSTAT"])
        let start = Usage.now()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<Self.tasks {
                group.addTask { for call in 0..<Self.calls { try await body(task * Self.calls + call) } }
            }
            try await group.waitForAll()
        }
        let rate = Double(Self.tasks * Self.calls) / Usage.now().seconds(since: start)
        let info = try await redis.command(["INFO", "commandstats"]).text ?? ""
        guard
            let line = info.split(whereSeparator: \.isNewline).first(where: {
                $0.hasPrefix("cmdstat_evalsha:")
            }),
            let field = line.split(separator: ",").first(where: { $0.hasPrefix("usec_per_call=") }),
            let time = Double(field.dropFirst("usec_per_call=".count))
        else { throw BenchFailure("Redis has no statistics of evalsha") }
        return (rate, time)
    }

    private static func use(_ name: String, _ scope: LimitRule.Scope, _ perSecond: Int) -> LimitUse {
        LimitUse(
            LimitRule(
                name: name, scope: scope,
                quantity: .rate(units: perSecond, period: .seconds(1), burst: perSecond)))
    }

    private static let parallel = LimitUse(
        LimitRule(name: "parallel", scope: .integration, quantity: .concurrency(10_000)))
}

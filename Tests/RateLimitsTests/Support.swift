// SPDX-License-Identifier: Apache-2.0

import Logging
import Model
import RedisClient
import TestSupport
import Testing

@testable import RateLimits

/// A limiter on keys of its own.
struct Limits {
    let redis: RedisClient
    let limiter: RateLimiter
    let prefix: String

    /// Runs `body` with a limiter on the shared Redis, or on the given one.
    static func run(on server: RedisServer? = nil, _ body: (Limits) async throws -> Void) async throws {
        let (sharedURL, prefix) = try await RedisServer.makePrefix()
        let logger = Logger(label: "redis") { _ in SwiftLogNoOpLogHandler() }
        var configuration = try RedisConfiguration(url: server?.url ?? sharedURL)
        // All tests start at once, and the machine may be busy with other things.
        if server == nil { configuration.commandTimeout = .seconds(30) }
        let redis = RedisClient(configuration: configuration, logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        try await body(
            Limits(
                redis: redis, limiter: RateLimiter(redis: redis, prefix: prefix, logger: logger),
                prefix: prefix))
    }

    func admit(
        _ uses: [LimitUse], integration: Int64 = 1, endpoint: String = "/e", isUrgent: Bool = false,
        isRetry: Bool = false, ticket: String? = nil
    ) async throws -> Admission {
        try await limiter.admit(
            LimitDemand(endpoint: endpoint, uses: uses, isRetry: isRetry),
            in: LimitScope(service: "demo", integrationID: integration, isUrgent: isUrgent), ticket: ticket)
    }

    /// A grant, which has to be there.
    func grant(
        _ uses: [LimitUse], integration: Int64 = 1, endpoint: String = "/e",
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> LimitGrant {
        let admission = try await admit(uses, integration: integration, endpoint: endpoint)
        guard case .granted(let grant) = admission else {
            throw Unexpected(description: "\(admission) at \(location)")
        }
        return grant
    }

    /// Takes until nothing is granted any more; how many were, and the answer after them.
    func drain(_ uses: [LimitUse], integration: Int64 = 1, isUrgent: Bool = false) async throws -> (
        granted: Int, Admission
    ) {
        for granted in 0..<10_000 {
            let admission = try await admit(uses, integration: integration, isUrgent: isUrgent)
            guard case .granted = admission else { return (granted, admission) }
        }
        throw Unexpected(description: "nothing ends what is granted")
    }
}

struct Unexpected: Error {
    let description: String
}

extension LimitUse {
    static func rate(
        _ text: String, burst: Int, name: String = "requests", scope: LimitRule.Scope = .app,
        perEndpoint: Bool = false, cost: Int = 1
    ) throws -> LimitUse {
        let quantity = try #require(LimitQuantity.rate(text: text, burst: burst))
        return LimitUse(
            LimitRule(name: name, scope: scope, isPerEndpoint: perEndpoint, quantity: quantity), cost: cost)
    }

    static func concurrency(_ count: Int) -> LimitUse {
        LimitUse(LimitRule(name: "parallel", scope: .app, quantity: .concurrency(count)))
    }
}

extension Admission {
    var isGranted: Bool { if case .granted = self { true } else { false } }

    /// How long the answer asks to wait; nil for a grant.
    var wait: Duration? {
        switch self {
        case .granted: nil
        case .wait(let wait, _, _), .later(let wait, _): wait
        }
    }

    var ticket: String? { if case .wait(_, let ticket, _) = self { ticket } else { nil } }

    var obstacle: LimitObstacle? {
        switch self {
        case .granted: nil
        case .wait(_, _, let obstacle), .later(_, let obstacle): obstacle
        }
    }
}

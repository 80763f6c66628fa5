// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import RateLimits
import RedisClient
import TestSupport
import Testing

@testable import WorkerRuntime

@Suite struct `A request whose answer says what it took` {
    /// Says what the header `X-Cost` says.
    private struct Reading: ResponseReading {
        func failure(of outcome: Result<HTTPResponse, HTTPError>) -> ConnectorError? {
            if case .success(let response) = outcome, response.status == 200 { return nil }
            return ConnectorError(.transient, code: "x", userMessage: "", operatorDetail: "")
        }

        func signals(of response: HTTPResponse) -> LimitSignals {
            let actual = response.headers.first("X-Cost").flatMap { Int($0) }
            return LimitSignals(charges: actual.map { [.init(limit: "points", actual: $0)] } ?? [])
        }
    }

    /// A bucket of a thousand that does not fill up while a test runs.
    private static func points(_ cost: Int) throws -> LimitUse {
        let quantity = try #require(LimitQuantity.rate(text: "1/h", burst: 1_000))
        return LimitUse(LimitRule(name: "points", scope: .integration, quantity: quantity), cost: cost)
    }

    @Test(arguments: [
        ("200 OK", "X-Cost: 20\r\n", 980), ("200 OK", "X-Cost: 700\r\n", 300), ("200 OK", "", 500),
        ("500 Oops", "X-Cost: 20\r\n", 980), ("500 Oops", "", 500),
    ])
    func `is charged for that, and for its estimate where the answer says nothing`(
        status: String, header: String, left: Int
    ) async throws {
        // A grant that comes too late to be used costs its units: on a busy machine one try may say nothing.
        for _ in 0..<20 {
            if try await Self.isExact(status, header, left) { return }
        }
        Issue.record("the bucket never held \(left) afterwards")
    }

    /// Whether the bucket holds exactly that much after a request of 500.
    private static func isExact(_ status: String, _ header: String, _ left: Int) async throws -> Bool {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (url, prefix) = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: url)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        _ = try await redis.command(["PING"], deadline: .seconds(30))
        let server = try ScriptedServer { _ in [.reply(status, headers: header)] }
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [server.origin])
        let limiter = RateLimiter(redis: redis, prefix: prefix, logger: logger)
        let scope = LimitScope(service: "demo", integrationID: 1)
        let client = LimitedClient(
            limiter: limiter, http: HTTPClient(configuration: configuration, logger: logger), scope: scope,
            title: "Demo", overrides: LimitOverrides(), holds: LimitHolds(), logger: logger)
        do throws(ConnectorError) {
            _ = try await client.send(
                ProviderRequest(
                    HTTPRequest(url: server.url("/x")), endpoint: "/x", limits: [try use(500)],
                    reading: Reading()))
        } catch {
            guard status != "200 OK", error.errorClass == .transient else { return false }
        }
        // More than there is would be a broken limit, however busy the machine is.
        #expect(try await isGranted(left + 1, limiter, scope) == false)
        return try await isGranted(left, limiter, scope)
    }

    private static func use(_ cost: Int) throws(ConnectorError) -> LimitUse {
        do {
            return try points(cost)
        } catch {
            throw ConnectorError(.config, code: "test", userMessage: "", operatorDetail: "\(error)")
        }
    }

    private static func isGranted(_ cost: Int, _ limiter: RateLimiter, _ scope: LimitScope) async throws
        -> Bool
    {
        let admission = try await limiter.admit(
            LimitDemand(endpoint: "/x", uses: [try points(cost)]), in: scope)
        if case .granted = admission { return true }
        return false
    }
}

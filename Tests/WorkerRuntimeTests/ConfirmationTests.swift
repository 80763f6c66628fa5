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

@Suite struct `A request that has to be confirmed` {
    private struct Reading: ResponseReading {
        func failure(of outcome: Result<HTTPResponse, HTTPError>) -> ConnectorError? { nil }
        func signals(of response: HTTPResponse) -> LimitSignals { LimitSignals() }
    }

    private static let rule = LimitRule(name: "parallel", scope: .integration, quantity: .concurrency(1))
    private static let refusal = ConnectorError(
        .staleWorker, code: "overtaken", userMessage: "", operatorDetail: "")

    /// Sends one request whose only permit is that of the rule.
    private static func send(
        _ client: LimitedClient, to server: ScriptedServer,
        confirm: @escaping @Sendable () async throws(ConnectorError) -> Void
    ) async throws(ConnectorError) {
        var request = ProviderRequest(
            HTTPRequest(method: "POST", url: server.url("/x")), endpoint: "/x", limits: [LimitUse(rule)],
            reading: Reading())
        request.confirm = confirm
        _ = try await client.send(request)
    }

    private static func run(_ body: (LimitedClient, ScriptedServer) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (url, prefix) = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: url)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        // On a busy machine the first connection takes its time.
        _ = try await redis.command(["PING"], deadline: .seconds(30))
        let server = try ScriptedServer { _ in [.reply()] }
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        try await body(
            LimitedClient(
                limiter: RateLimiter(redis: redis, prefix: prefix, logger: logger),
                http: HTTPClient(configuration: client, logger: logger),
                scope: LimitScope(service: "demo", integrationID: 1), title: "Demo",
                overrides: LimitOverrides(), holds: LimitHolds(), logger: logger), server)
    }

    @Test func `is not sent when it is refused, and gives its permit back`() async throws {
        try await Self.run { client, server in
            for _ in 0..<3 {
                let error = await #expect(throws: ConnectorError.self) {
                    try await Self.send(client, to: server) { () async throws(ConnectorError) in
                        throw Self.refusal
                    }
                }
                #expect(error?.code == "overtaken")
            }
            #expect(server.log.requests.isEmpty)
            try await Self.send(client, to: server) {}
            #expect(server.log.requests.count == 1)
        }
    }

    @Test func `is confirmed again when its grant was over meanwhile, and not sent under an old one`()
        async throws
    {
        try await Self.run { client, server in
            let asked = LockedBox(0)
            @Sendable func slowly(_ times: Int) async {
                let count = asked.withLock { count in
                    count += 1
                    return count
                }
                guard count <= times else { return }
                // Longer than a grant is valid.
                do { try await ContinuousClock().sleep(for: Admission.validity * 2) } catch { return }
            }
            try await Self.send(client, to: server) { await slowly(2) }
            #expect(asked.withLock { $0 } == 3)
            #expect(server.log.requests.count == 1)

            asked.withLock { $0 = 0 }
            let error = await #expect(throws: ConnectorError.self) {
                try await Self.send(client, to: server) { await slowly(.max) }
            }
            #expect(error?.errorClass == .rateLimited)
            #expect(server.log.requests.count == 1)
        }
    }
}

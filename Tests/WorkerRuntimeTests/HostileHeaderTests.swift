// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import DeclarativeConnectors
import HTTPTransport
import Logging
import Model
import PageScanner
import RateLimits
import RedisClient
import TestSupport
import Testing

@testable import WorkerRuntime

/// The whole way of a worker's request: manifest, limiter, transport, judge, settlement.
@Suite struct `A provider's headers` {
    private static func manifest(_ format: String) -> String {
        """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        limits:
          own: { per: integration, rate: 1000000/s, burst: 1000000 }
        limit_feedback:
          quotas: [{ limit: own, remaining: X-Left, reset: X-At, reset_format: \(format) }]
        streams:
          items:
            path: /items
            records: /data
            id: /id
            page: { kind: none }
        """
    }

    private static let numbers = [
        "-9999999999999999999", "-1e300", "1e300", "0x1p3", "inf", "nan", "-9223372036854775808",
        "9223372036854775807", "9223372036854775808", "9223372036855", "9223372036854776",
        "9999999999999999", "9999999999999", String(repeating: "9", count: 300),
        "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59+23:59", "0000-01-01T00:00:00-23:59",
    ]

    @Test(arguments: ["seconds", "epoch_seconds", "epoch_milliseconds", "http_date", "rfc3339"])
    func `of any number stop no worker, and shut a limit for an hour at most`(format: String) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let (url, prefix) = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: url)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        _ = try await redis.command(["PING"], deadline: .seconds(30))
        let numbers = Self.numbers
        let server = try ScriptedServer { request in
            let index = Int(request.target.split(separator: "/").first ?? "") ?? 0
            let (status, text) = (index % 2 == 0 ? "429 No" : "200 OK", numbers[index / 2 % numbers.count])
            // Every other round without the provider's own date.
            let date = index / 2 / numbers.count == 0 ? "Date: Sat, 28 Nov 2026 20:00:00 GMT\r\n" : ""
            return [
                .reply(
                    status, headers: "\(date)Retry-After: \(text)\r\nX-Left: 0\r\nX-At: \(text)\r\n",
                    body: Array(#"{"data":[{"id":"a"}]}"#.utf8))
            ]
        }
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [server.origin])
        let http = HTTPClient(configuration: configuration, logger: logger)
        let connector = try ManifestLoader.load(Self.manifest(format), file: "demo.yaml")
        let limiter = RateLimiter(redis: redis, prefix: prefix, logger: logger)

        for index in 0..<numbers.count * 4 {
            // An integration of its own: what one answer shut does not hide the next.
            let scope = LimitScope(service: "demo", integrationID: Int64(index + 1))
            let client = LimitedClient(
                limiter: limiter, http: http, scope: scope, title: "Demo", overrides: LimitOverrides(),
                holds: LimitHolds(), logger: logger)
            let strategy = try connector.strategy(
                for: "items",
                access: ProviderAccess(
                    client: client, secrets: [:], configuration: [:], baseURL: server.url("/\(index)")))
            do throws(ConnectorError) {
                let page = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
                #expect(page.scanned.records.count == 1)
            } catch {
                #expect(error.errorClass == .rateLimited, "\(numbers[index / 2 % numbers.count]): \(error)")
            }
            let uses = connector.limits.map { LimitUse($0) }
            let next = try await limiter.admit(LimitDemand(endpoint: "/items", uses: uses), in: scope)
            if case .later(let wait, _) = next {
                #expect(wait <= .seconds(3_600), "\(numbers[index / 2 % numbers.count])")
            }
        }
    }
}

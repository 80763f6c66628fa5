// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging
import Model
import Testing

@testable import Gateway

@Suite struct `The metrics of a gateway` {
    /// The value under these labels, of a histogram the number of its values; nil when there is none.
    private static func value(
        _ metrics: GatewayMetrics, _ name: String, _ labels: [String: String]
    ) -> Double? {
        let metric = metrics.metrics.first { $0.name == "lockstep_gateway_\(name)" }
        switch metric?.samples.first(where: { $0.labels == labels })?.reading {
        case .number(let number)?: return number
        case .histogram(let histogram)?: return Double(histogram.count)
        case nil: return nil
        }
    }

    private static func until(
        _ condition: () throws -> Bool, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !condition(), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try condition(), sourceLocation: location)
    }

    private static let routes = [
        Route("GET", "/things/{id}") { _ in GatewayResponse(status: 200) },
        Route("POST", "/things/{id}") { _ in throw Problem(429, "rate_limited", "Wait.") },
    ]

    @Test func `count requests by their route, not by what stands in it`() async throws {
        let metrics = GatewayMetrics()
        try await ServedGateway.run(publicRoutes: Self.routes, metrics: metrics) { served in
            for id in 0..<20 { _ = try await served.send("GET", "/things/\(id)?token=\(id)") }
            for _ in 0..<3 { _ = try await served.send("POST", "/things/1", body: []) }
            for path in ["/a", "/b/c", "/things"] { _ = try await served.send("GET", path) }
            _ = try await served.send("DELETE", "/things/1")
            for method in ["PUT", "PROPFIND"] { _ = try await served.send(method, "/nowhere") }
            _ = try await served.send("GET", "/things/1", toPrivate: true)

            func count(_ route: String, _ method: String, _ status: String, _ side: String = "public")
                -> Double?
            {
                Self.value(
                    metrics, "request_seconds",
                    ["side": side, "route": route, "method": method, "status": status])
            }
            #expect(count("/things/{id}", "GET", "2xx") == 20)
            #expect(count("/things/{id}", "POST", "4xx") == 3)
            #expect(count("none", "GET", "4xx") == 3)
            #expect(count("none", "other", "4xx") == 3)
            #expect(count("none", "GET", "4xx", "private") == 1)
            let labels = metrics.metrics.flatMap(\.samples).flatMap { $0.labels.values }
            #expect(!labels.contains { $0.contains("token") || $0.contains("PUT") })
            #expect(Self.value(metrics, "refused_total", ["reason": "rate_limited"]) == 3)
        }
    }

    @Test func `count open connections, and what is cut off`() async throws {
        let metrics = GatewayMetrics()
        var limits = ServerLimits()
        limits.bodyTime = .milliseconds(300)
        limits.bodyBytes = 1_000
        @Sendable func open(_ side: String) -> Double? { Self.value(metrics, "connections", ["side": side]) }
        @Sendable func refused(_ reason: String) -> Double? {
            Self.value(metrics, "refused_total", ["reason": reason])
        }
        try await ServedGateway.run(publicRoutes: Self.routes, limits: limits, metrics: metrics) { served in
            let idle = try await RawConnection.open(port: served.ports.publicPort)
            let inner = try await RawConnection.open(port: served.ports.privatePort)
            try await Self.until { open("public") == 1 && open("private") == 1 }
            try await inner.close()
            try await Self.until { open("private") == 0 }

            try await idle.send("POST /things/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
            _ = try await idle.textAtEnd()
            try await Self.until { refused("slow_body") == 1 && open("public") == 0 }
            let broken = try await RawConnection.open(port: served.ports.publicPort)
            try await broken.send(
                "GET /things/1 HTTP/1.1\r\nX-Long: \(String(repeating: "x", count: 9_000))\r\n\r\n")
            _ = try await broken.textAtEnd()
            try await Self.until { refused("bad_head") == 1 }
            let large = try await served.send("POST", "/things/1", body: [UInt8](repeating: 1, count: 1_001))
            #expect(large.status == 413 && refused("body_too_large") == 1)
            #expect(refused("bad_head") == 1)
        }
        #expect(open("public") == 0 && open("private") == 0)
    }

    @Test func `count how accounts are connected, by services that there are`() async throws {
        try await ConnectFixture.run { fixture in
            func count(_ service: String, _ outcome: String) -> Double? {
                Self.value(fixture.metrics, "connects_total", ["service": service, "outcome": outcome])
            }
            let browser = Browser(fixture.http)
            let link = try await fixture.link("acme")
            let page = try #require(try await browser.get(link).location)
            _ = try await browser.get(try await fixture.consent(page, decision: "deny"))
            let again = try #require(try await browser.get(link).location)
            _ = try await browser.get(try await fixture.consent(again))
            _ = try await browser.get(link)
            for name in ["x1", "x2", "x3"] {
                _ = try await browser.get("\(fixture.url)/connect/\(name)?link=no")
            }
            _ = try await browser.get("\(fixture.url)/oauth/callback?state=no")
            #expect(count("acme", "begun") == 2)
            #expect(count("acme", "denied") == 1)
            #expect(count("acme", "connected") == 1)
            #expect(count("acme", "refused") == 1)
            #expect(count("unknown", "refused") == 4)

            let odd = try await browser.get(try await fixture.link("odd"))
            let hidden = ["link", "check"].map { ($0, odd.field($0) ?? "") }
            _ = try await browser.submit("\(fixture.url)/connect/odd", hidden)
            _ = try await browser.submit(
                "\(fixture.url)/connect/odd", hidden + [("field.api_key", "k"), ("field.shop", "one")])
            #expect(count("odd", "begun") == 1)
            #expect(count("odd", "refused") == 1)
            #expect(count("odd", "connected") == 1)
        }
    }

    @Test func `know no more services than there are`() {
        let metrics = GatewayMetrics(services: ["slack"])
        for name in ["slack", "slack", "sl\u{61}ck", "x", "y", String(repeating: "z", count: 1_000)] {
            metrics.delivered(name, outcome: "accepted")
        }
        metrics.delivered("slack", outcome: "refused", reason: "unauthorized")
        func count(_ service: String, _ outcome: String, _ reason: String = "") -> Double? {
            Self.value(
                metrics, "webhooks_total", ["service": service, "outcome": outcome, "reason": reason])
        }
        #expect(count("slack", "accepted") == 3)
        #expect(count("unknown", "accepted") == 3)
        #expect(count("slack", "refused", "unauthorized") == 1)
    }
}

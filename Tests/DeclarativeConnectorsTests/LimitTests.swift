// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import HTTPTransport
import Model
import Testing

@testable import DeclarativeConnectors

private func manifest(_ limits: String) -> String {
    """
    lockstep: 1
    service: demo
    base_url: https://api.example.com
    \(limits)
    streams:
      items:
        path: /items
        records: /data
        id: /id
        page: { kind: none }
      users:
        path: /users
        records: /data
        id: /id
        page: { kind: none }
    """
}

@Suite struct `The limits of a manifest` {
    @Test func `say who is counted together, how much is allowed, and what a stream's requests cost`() throws
    {
        let connector = try ManifestLoader.load(
            manifest(
                """
                limits:
                  app: { per: app, rate: 1200/min, burst: 40 }
                  method: { per: integration, each_endpoint: true, rate: 1/s, streams: [users] }
                  units: { per: integration, rate: 250/s, burst: 500, costs: { items: 5 } }
                  parallel: { per: integration, concurrency: 20 }
                """), file: "demo.yaml")

        #expect(
            connector.limits == [
                LimitRule(
                    name: "app", scope: .app, quantity: .rate(units: 1_200, period: .seconds(60), burst: 40)),
                LimitRule(
                    name: "method", scope: .integration, isPerEndpoint: true,
                    quantity: .rate(units: 1, period: .seconds(1), burst: 1)),
                LimitRule(
                    name: "units", scope: .integration,
                    quantity: .rate(units: 250, period: .seconds(1), burst: 500)),
                LimitRule(name: "parallel", scope: .integration, quantity: .concurrency(20)),
            ])
        let uses = connector.manifest.limits.compactMap { $0.use(by: "items") }
        #expect(uses.map(\.rule.name) == ["app", "units", "parallel"])
        #expect(uses.map(\.cost) == [1, 5, 1])
    }

    @Test func `may be those of a part of a stream`() throws {
        let connector = try ManifestLoader.load(
            manifest(
                "limits: { a: { per: app, rate: 9/s, burst: 9, streams: [items.feed], costs: { items.feed: 3 } } }"
            ),
            file: "demo.yaml")
        let limit = try #require(connector.manifest.limits.first)
        #expect(limit.use(by: "items", part: "feed")?.cost == 3)
        #expect(limit.use(by: "items") == nil)
        #expect(limit.use(by: "users", part: "feed") == nil)
    }

    @Test(arguments: [
        (
            "limits: { a: { per: app } }",
            "limits.a.rate: is missing; a limit has either a rate or a concurrency"
        ),
        ("limits: { a: { per: app, rate: fast } }", "limits.a.rate: 'fast' is not allowed; UNITS/PERIOD"),
        ("limits: { a: { per: app, rate: 5/parsec } }", "'5/parsec' is not allowed"),
        ("limits: { a: { per: app, rate: 0/s } }", "'0/s' is not allowed"),
        ("limits: { a: { per: team, rate: 5/s } }", "'team' is unknown; allowed: app, integration"),
        ("limits: { a: { per: app, rate: 5/s, concurrency: 3 } }", "either a rate or a concurrency"),
        ("limits: { a: { per: app, concurrency: 3, burst: 2 } }", "means nothing for a concurrency"),
        (
            "limits: { a: { per: app, rate: 5/s, streams: [item] } }",
            "'item' is not a stream of this manifest"
        ),
        (
            "limits: { a: { per: app, rate: 5/s, burst: 4, costs: { items: 5 } } }",
            "a whole number from 1 to 4"
        ),
        ("limits: { A: { per: app, rate: 5/s } }", "'A' is not allowed; small letters, digits and '_'"),
        (
            "limits: { a: { per: app, rate: 5/s, cost_from: { actual: /cost } } }",
            "limits.a.cost_from: needs costs: what is charged before the response is there"
        ),
        (
            "limits: { a: { per: app, rate: 5/s, burst: 9, costs: { items: 5 }, cost_from: { available: /left } } }",
            "limits.a.cost_from.actual: is missing"
        ),
        (
            "limits: { a: { per: app, rate: 5/s, burst: 9, costs: { items: 5 }, cost_from: { actual: /cost, restore_rate: /rate } } }",
            "means nothing without available"
        ),
        (
            "limits: { a: { per: app, concurrency: 3, cost_from: { actual: /cost } } }",
            "limits.a.cost_from: means nothing for a concurrency"
        ),
        (
            "limit_feedback: { reason: { header: X, limits: { y: none } } }",
            "each value has to name a limit of this manifest"
        ),
        (
            "limit_feedback: { quotas: [{ remaining: A, reset: B }] }",
            "limit_feedback.quotas[0].reset_format: is missing"
        ),
        ("limit_feedback: { quotas: [{ remaining: A }] }", "limit_feedback.quotas[0].reset: is missing"),
        (
            "limit_feedback: { quotas: [{ remaining: A, reset: B, window: 10s }] }",
            "limit_feedback.quotas[0].reset: is not allowed beside window"
        ),
        (
            "limit_feedback: { quotas: [{ remaining: A, window: 2d }] }",
            "limit_feedback.quotas[0].window: '2d' is not allowed"
        ),
        (
            "limits: { c: { per: app, concurrency: 3 } }\nlimit_feedback: { buckets: [{ used: A, limit: c }] }",
            "limit_feedback.buckets[0].limit: 'c' is not a rate of this manifest"
        ),
        ("limit_feedback: { buckets: [{ used: A }] }", "limit_feedback.buckets[0].limit: is missing"),
    ])
    func `are refused with the key and the allowed form`(text: String, expected: String) throws {
        let error = #expect(throws: ManifestError.self) {
            try ManifestLoader.load(manifest(text), file: "demo.yaml")
        }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test func `are there for every connector that ships`() throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        for service in registry.services {
            #expect(registry.connector(for: service)?.limits.isEmpty == false)
        }
    }
}

@Suite struct `Feedback of limits` {
    /// The same instant in seconds since 1970.
    private static let now = 784_111_777

    private static func signals(
        _ headers: [(name: String, value: String)], _ feedback: LimitFeedback = LimitFeedback()
    ) -> LimitSignals {
        feedback.signals(
            of: HTTPResponse(status: 200, headers: HTTPHeaders(headers), body: [], url: "https://a"))
    }

    private static let dated = (name: "Date", value: "Sun, 06 Nov 1994 08:49:37 GMT")

    @Test func `is understood in the forms that providers share`() {
        let draft = Self.signals([
            ("RateLimit-Policy", #""hour";q=1000;w=3600, "day";q=5000;w=86400"#),
            ("RateLimit", #""hour";r=50;t=30, "day";r=4000"#),
        ])
        #expect(
            draft.quotas == [
                .init(remaining: 50, reset: .after(.seconds(30))),
                .init(remaining: 4_000, reset: .after(.seconds(86_400))),
            ])
        let older = Self.signals([("RateLimit-Remaining", "7"), ("RateLimit-Reset", "60")])
        #expect(older.quotas == [.init(remaining: 7, reset: .after(.seconds(60)))])
        let seconds = Self.signals([("x-ratelimit-remaining", "0"), ("X-RateLimit-Reset", "1.5")])
        #expect(seconds.quotas == [.init(remaining: 0, reset: .after(.milliseconds(1_500)))])
    }

    @Test func `takes instants by the provider's clock, not by this machine's`() {
        for reset in ["\(Self.now + 90)", "\(Self.now + 90)000", "Sun, 06 Nov 1994 08:51:07 GMT"] {
            let signals = Self.signals([
                Self.dated, ("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", reset),
            ])
            #expect(signals.quotas == [.init(remaining: 3, reset: .after(.seconds(90)))], "\(reset)")
        }
        let dateless = Self.signals([("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", "\(Self.now)")])
        #expect(dateless.quotas == [.init(remaining: 3, reset: .at(Timestamp(seconds: Int64(Self.now))))])
    }

    @Test(arguments: ["-1", "nan", "0x10", "1e3", "", "many", "99999999999999999999999"])
    func `that is no number is no feedback`(text: String) {
        #expect(Self.signals([("X-RateLimit-Remaining", text), ("X-RateLimit-Reset", "9")]).quotas.isEmpty)
        #expect(Self.signals([("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", text)]).quotas.isEmpty)
        #expect(Self.signals([("RateLimit", text)]).quotas.isEmpty)
    }

    @Test func `names the limit that the manifest says`() {
        let feedback = LimitFeedback(
            headers: [.init(remaining: "X-Left", refill: .header("X-At", .epochSeconds), limit: "daily")],
            reason: .init(header: "X-Reason", limits: ["global": "app"]))
        let signals = Self.signals(
            [Self.dated, ("X-Left", "5"), ("X-At", "\(Self.now + 5)"), ("X-Reason", "global")], feedback)

        #expect(signals.quotas == [.init(limit: "daily", remaining: 5, reset: .after(.seconds(5)))])
        #expect(signals.refusedLimit == "app")
        #expect(Self.signals([("X-Reason", "other")], feedback).refusedLimit == nil)
    }

    private static func shipped(_ service: String) throws -> LimitFeedback {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        return try #require(registry.connector(for: service) as? ManifestConnector).manifest.feedback
    }

    /// https://shopify.dev/docs/api/usage/limits
    @Test(arguments: [("32/40", 8), ("40/40", 0), ("41/40", 0), ("0/80", 80)])
    func `of Shopify says how much room its bucket has`(text: String, room: Int) throws {
        let signals = Self.signals([("X-Shopify-Shop-Api-Call-Limit", text)], try Self.shipped("shopify"))
        #expect(signals.charges == [.init(limit: "requests", actual: nil, available: room)])
        #expect(signals.quotas.isEmpty)
    }

    @Test(arguments: ["", "32", "32/", "/40", "a/b", "-1/40", "3/0", "1/2/3"])
    func `of a bucket that is no pair of numbers says nothing`(text: String) throws {
        let signals = Self.signals([("X-Shopify-Shop-Api-Call-Limit", text)], try Self.shipped("shopify"))
        #expect(signals == LimitSignals())
    }

    /// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
    @Test func `of HubSpot holds for its window, as no header says when it ends`() throws {
        let signals = Self.signals(
            [
                ("X-HubSpot-RateLimit-Daily", "250000"), ("X-HubSpot-RateLimit-Daily-Remaining", "12"),
                ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"), ("X-HubSpot-RateLimit-Max", "100"),
                ("X-HubSpot-RateLimit-Remaining", "3"),
            ], try Self.shipped("hubspot"))
        #expect(
            signals.quotas == [
                .init(limit: "requests", remaining: 3, reset: .after(.seconds(10))),
                .init(limit: "day", remaining: 12, reset: .after(.seconds(3_600))),
            ])
    }

    /// https://docs.stripe.com/rate-limits
    @Test(arguments: [
        ("global-rate", "requests"), ("global-concurrency", "requests"), ("endpoint-rate", "endpoint"),
        ("endpoint-concurrency", "endpoint"), ("resource-specific", "endpoint"),
    ])
    func `of Stripe names the limit of each reason`(reason: String, limit: String) throws {
        let signals = Self.signals(
            [("Stripe-Rate-Limited-Reason", reason)], try Self.shipped("stripe"))
        #expect(signals.refusedLimit == limit)
    }

    /// The cost as Shopify's GraphQL answers show it.
    private static func points() throws -> LimitFeedback {
        try ManifestLoader.load(
            manifest(
                """
                limits:
                  points:
                    per: integration
                    rate: 100/s
                    burst: 1000
                    costs: { items: 500 }
                    cost_from:
                      actual: /extensions/cost/actualQueryCost
                      available: /extensions/cost/throttleStatus/currentlyAvailable
                      restore_rate: /extensions/cost/throttleStatus/restoreRate
                """), file: "demo.yaml"
        ).manifest.feedback
    }

    @Test(arguments: [
        (
            #"{"data":{},"extensions":{"cost":{"requestedQueryCost":101,"actualQueryCost":46,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":954,"restoreRate":50.0}}}}"#,
            LimitSignals.Charge(limit: "points", actual: 46, available: 954, restoredPerSecond: 50)
        ),
        (
            #"{"errors":[{"message":"Throttled"}],"extensions":{"cost":{"requestedQueryCost":101,"actualQueryCost":null,"throttleStatus":{"currentlyAvailable":12.7,"restoreRate":50}}}}"#,
            LimitSignals.Charge(limit: "points", actual: nil, available: 12, restoredPerSecond: 50)
        ),
        (
            #"{"extensions":{"cost":{"actualQueryCost":45.2}}}"#,
            LimitSignals.Charge(limit: "points", actual: 46)
        ),
        (#"{"extensions":{"cost":{"actualQueryCost":-5}}}"#, nil),
        (#"{"extensions":{"cost":{"actualQueryCost":"NaN"}}}"#, nil),
        (#"{"extensions":{"cost":{"actualQueryCost":true}}}"#, nil),
        ("<html>", nil),
    ])
    func `says what a request took`(body: String, expected: LimitSignals.Charge?) throws {
        let response = HTTPResponse(
            status: 200, headers: HTTPHeaders([]), body: Array(body.utf8), url: "https://a")

        #expect(try Self.points().signals(of: response).charges == (expected.map { [$0] } ?? []))
    }

    @Test func `says in a header what a request took`() throws {
        let feedback = LimitFeedback(costs: [
            .init(limit: "c", actual: .header("X-Complexity"), available: nil, restoreRate: nil)
        ])

        #expect(Self.signals([("X-Complexity", "310")], feedback).charges == [.init(limit: "c", actual: 310)])
        #expect(Self.signals([], feedback).charges.isEmpty)
    }

    @Test(arguments: [
        LimitFeedback.ResetFormat.seconds, .epochSeconds, .epochMilliseconds, .httpDate, .rfc3339, nil,
    ])
    func `that lies beyond any limit is no feedback, whatever the number`(format: LimitFeedback.ResetFormat?)
    {
        let feedback = LimitFeedback(
            headers: format.map { [.init(remaining: "X-Left", refill: .header("X-At", $0), limit: nil)] }
                ?? [])
        let names = format == nil ? ("X-RateLimit-Remaining", "X-RateLimit-Reset") : ("X-Left", "X-At")
        let hostile = [
            "9223372036854", "9223372036855", "9223372036854775", "9223372036854776", "9999999999999999",
            "99999999999999999999999", "2678401", "\(Self.now + 2_678_401)", "\(Self.now)000000",
            "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z", "-9223372036854775808", "1e300", "inf",
        ]
        for text in hostile {
            let quotas = Self.signals([Self.dated, (names.0, "0"), (names.1, text)], feedback).quotas
            for quota in quotas {
                guard case .after(let wait) = quota.reset else {
                    Issue.record("\(text) is compared with another clock")
                    continue
                }
                #expect(wait >= .zero && wait <= .seconds(31 * 86_400), "\(text)")
            }
            // Without a date the limiter is told the instant, and judges it by its own clock.
            _ = Self.signals([(names.0, "0"), (names.1, text)], feedback)
            _ = Self.signals([Self.dated, (names.0, text), (names.1, "5")], feedback)
        }
        #expect(Self.signals([("RateLimit", #""a";r=0;t=999999999999999"#)]).quotas.isEmpty)
    }

    @Test func `in milliseconds where seconds are meant shuts nothing`() {
        let feedback = LimitFeedback(
            headers: [.init(remaining: "X-Left", refill: .header("X-At", .epochSeconds), limit: nil)])
        let headers = [Self.dated, ("X-Left", "0"), ("X-At", "\(Self.now + 60)000")]

        #expect(Self.signals(headers, feedback).quotas.isEmpty)
    }
}

// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing

@testable import WebhookIntake

@Suite struct `A request with several events` {
    private static func event(
        _ id: Int, object: Int = 1, portal: Int = 7, type: String = "contact.creation", attempt: Int = 0
    ) -> String {
        #"{"eventId":\#(id),"subscriptionId":5,"portalId":\#(portal),"occurredAt":1700000000000,"subscriptionType":"\#(type)","attemptNumber":\#(attempt),"objectId":\#(object)}"#
    }

    private static func body(of ids: Range<Int>) -> String {
        "[" + ids.map { event($0) }.joined(separator: ",") + "]"
    }

    private static func body(_ events: String...) -> String { "[\(events.joined(separator: ", "))]" }

    @Test func `is a row for each, once, however often one comes`() async throws {
        try await IntakeFixture.run { fixture in
            let first = try await fixture.add(IntegrationKey(userID: "u_1", service: "hubspot", account: "7"))
            let second = try await fixture.add(
                IntegrationKey(userID: "u_2", service: "hubspot", account: "8"))
            let same = Self.event(1)

            // One twice in one request, and again with another one in the next, its attempts counted.
            #expect(
                try await fixture.status(
                    fixture.hubspot(Self.body(same, Self.event(2, portal: 8), same))) == 200)
            #expect(
                try await fixture.status(
                    fixture.hubspot(
                        Self.body(Self.event(1, attempt: 1), Self.event(3, type: "deal.deletion")))) == 200)

            #expect(
                try await fixture.rows() == [
                    "hubspot 7 5/1/1/1700000000000 contact.creation received \(first)",
                    "hubspot 8 5/2/1/1700000000000 contact.creation received \(second)",
                    "hubspot 7 5/3/1/1700000000000 deal.deletion received \(first)",
                ])
            let raw = try await fixture.pool.query(
                "SELECT raw FROM lockstep.webhook_events ORDER BY id LIMIT 1")
            #expect(raw.bytes(0, 0) == Array(same.utf8))
        }
    }

    @Test func `is kept whole or not at all`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "hubspot", account: "7"))
            _ = try await fixture.pool.query(
                "ALTER TABLE lockstep.webhook_events ADD CONSTRAINT no_deal CHECK (event_type <> 'deal.creation')"
            )
            let events = (1...20).map { Self.event($0) } + [Self.event(21, type: "deal.creation")]
            let delivery = try fixture.hubspot("[\(events.joined(separator: ","))]")

            #expect(await fixture.status(delivery) == 503)
            #expect(try await fixture.rows().isEmpty)

            _ = try await fixture.pool.query("ALTER TABLE lockstep.webhook_events DROP CONSTRAINT no_deal")
            #expect(await fixture.status(delivery) == 200)
            #expect(try await fixture.rows().count == 21)
        }
    }

    @Test func `is kept among many others`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "hubspot", account: "7"))
            let answers = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<60 {
                    let delivery = try fixture.hubspot(Self.body(of: number * 5..<number * 5 + 10))
                    group.addTask { await fixture.status(delivery) }
                }
                return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            }
            #expect(answers == [200])
            #expect(try await fixture.rows().count == 305)
        }
    }

    @Test func `is refused where it has no events`() async throws {
        try await IntakeFixture.run { fixture in
            let many = Self.body(of: 0..<1_001)
            let cases: [(body: String, status: Int)] = [
                ("{}", 400), ("[1]", 400), ("[{},null]", 400), ("[[]]", 400), ("7", 400), ("[", 400),
                ("", 400),
                (many, 413), ("[]", 200),
            ]
            for (body, status) in cases {
                let answer = await fixture.status(try fixture.hubspot(body))
                #expect(answer == status, "\(body.prefix(20))")
            }
            #expect(try await fixture.rows().isEmpty)
        }
    }

    @Test func `is proved together with the query of its address`() async throws {
        try await IntakeFixture.run { fixture in
            let body = Self.body(Self.event(1))
            let base = "https://example.com/webhooks/hubspot"
            for (query, signed, status) in [
                ("?a=1&b=%20x", base + "?a=1&b=%20x", 200), ("?a=1", base, 401), ("", base + "?a=1", 401),
                ("?a=2", base + "?a=1", 401),
                ("?to=https%3A%2f%2Fx.example%2Fy%3Fz%26", base + "?to=https://x.example/y?z%26", 200),
            ] {
                let delivery = try fixture.hubspot(body, query: query, signing: signed)
                #expect(await fixture.status(delivery) == status, "\(query)")
            }
        }
    }
}

@Suite struct `A request whose event is named in a header` {
    @Test func `is the same event under another name, where nothing vouches for the header`() async throws {
        try await IntakeFixture.run { fixture in
            let body =
                #"{"action":"edited","installation":{"id":7},"issue":{"number":1,"updated_at":"2026-01-01T00:00:00Z"}}"#
            for delivery in ["d-1", "d-1", "d-2", "a/b"] {
                let status = await fixture.status(try fixture.github(body, delivery: delivery))
                #expect(status == 200)
            }
            #expect(try await fixture.rows().count == 1)

            let other = body.replacing("00Z", with: "01Z")
            #expect(try await fixture.status(fixture.github(other, delivery: "d-1")) == 200)
            #expect(try await fixture.rows().count == 2)
        }
    }

    @Test func `is one event for each thing that it asks to read, whatever type it is sent as`() async throws
    {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(
                IntegrationKey(userID: "u_1", service: "shopify", account: "a.example"))
            let body = #"{"id":17,"updated_at":"2026-01-01T00:00:00Z"}"#
            // What is not read comes first: it does not stand in the way of what is.
            let topics = [
                "carts/update", "orders/create", "orders/updated", "orders/x1", "x2", "x3",
                "customers/update",
                "orders/create", "carts/update",
            ]
            for topic in topics {
                let delivery = try fixture.shopify(body, topic: topic, shop: "a.example")
                #expect(await fixture.status(delivery) == 200)
            }

            let rows = try await fixture.pool.query(
                "SELECT event_type FROM lockstep.webhook_events WHERE integration_id = $1 ORDER BY id",
                [.int(id)])
            #expect(
                (0..<rows.count).compactMap { rows.text($0, 0) }
                    == ["carts/update", "orders/create", "customers/update"])
        }
    }

    @Test func `is kept once of all accounts that nobody has, where nothing proves the account`() async throws
    {
        try await IntakeFixture.run { fixture in
            let body = #"{"id":17,"updated_at":"2026-01-01T00:00:00Z"}"#
            let ids = [
                try await fixture.add(
                    IntegrationKey(userID: "u_1", service: "shopify", account: "a.example")),
                try await fixture.add(
                    IntegrationKey(userID: "u_2", service: "shopify", account: "b.example")),
            ]
            for shop in ["nobody.example", "nowhere.example", "a.example", "noone.example", "b.example"] {
                let delivery = try fixture.shopify(body, topic: "orders/create", shop: shop)
                #expect(await fixture.status(delivery) == 200)
            }

            let rows = try await fixture.pool.query(
                "SELECT concat_ws(' ', integration_id, account, status, error) FROM lockstep.webhook_events ORDER BY id"
            )
            #expect(
                (0..<rows.count).compactMap { rows.text($0, 0) } == [
                    "0  ignored no integration has the account 'nobody.example'",
                    "\(ids[0]) a.example received", "\(ids[1]) b.example received",
                ])
        }
    }
}

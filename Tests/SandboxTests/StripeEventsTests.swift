// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Stripe's events` {
    private func events(_ sandbox: inout SandboxFixture, _ query: String = "") throws -> [[String: Any]] {
        let answer = sandbox.stripe("events?limit=100\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.items("data")
    }

    @Test func `come newest first, one for each change of the account`() throws {
        var sandbox = SandboxFixture()
        #expect(try events(&sandbox).isEmpty)
        sandbox.control(.edit(user: "u_1", stream: "customers", creates: 1, updates: 2, deletes: 1))
        sandbox.control(.edit(user: "u_2", stream: "customers", updates: 3))
        sandbox.control(.edit(user: "u_1", stream: "subscriptions", deletes: 1))
        sandbox.control(.edit(user: "u_1", stream: "events", deletes: 1))

        let list = try events(&sandbox)

        #expect(
            list.compactMap { $0["type"] as? String } == [
                "customer.subscription.deleted", "customer.created", "customer.updated", "customer.updated",
                "customer.deleted",
            ])
        let created = list.compactMap { $0["created"] as? Int }
        #expect(created == created.sorted(by: >))
        let id = try #require(list[1]["id"] as? String)
        #expect(try sandbox.stripe("events/\(id)").string("id") == id)
        #expect(sandbox.stripe("events/\(id)", user: "u_2").status == 404)
    }

    @Test func `show an object as an older version wrote it, so that it has to be fetched again`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", stream: "customers", updates: 1))
        let event = try #require(try events(&sandbox).first)
        let object = try #require((event["data"] as? [String: Any])?["object"] as? [String: Any])
        let id = try #require(object["id"] as? String)

        let now = try sandbox.stripe("customers/\(id)").json

        #expect(event["api_version"] as? String == "2017-08-15")
        #expect(object["account_balance"] as? Int == now["balance"] as? Int)
        #expect(object["balance"] == nil && now["account_balance"] == nil)
        // A later change does not reach into the snapshot.
        sandbox.control(.edit(user: "u_1", stream: "customers", id: id, updates: 1))
        let again = try #require(try events(&sandbox).last)
        let old = try #require((again["data"] as? [String: Any])?["object"] as? [String: Any])
        #expect(old["account_balance"] as? Int == object["account_balance"] as? Int)
        #expect(try sandbox.stripe("customers/\(id)").json["balance"] as? Int != now["balance"] as? Int)
    }

    @Test func `are filtered by type and time, and paged both ways`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", service: "stripe", creates: 2, updates: 2))
        let all = try events(&sandbox)
        let ids = all.compactMap { $0["id"] as? String }
        #expect(ids.count == 28)
        #expect(try events(&sandbox, "&types[]=customer.*").count == 4 + 4)
        #expect(try events(&sandbox, "&types[]=customer.created&types[]=product.updated").count == 4)
        #expect(try events(&sandbox, "&type=charge.succeeded").count == 2)
        let bound = try #require(all[9]["created"] as? Int)
        #expect(try events(&sandbox, "&created[gte]=\(bound)").count == 10)
        #expect(try events(&sandbox, "&created[gt]=\(bound)").count == 9)
        #expect(try events(&sandbox, "&created[lt]=\(bound)").count == 18)

        var paged: [String] = []
        var after = ""
        while true {
            let page = sandbox.stripe("events?limit=5\(after)")
            paged += try page.ids("data")
            guard try page.json["has_more"] as? Bool == true else { break }
            after = "&starting_after=\(try #require(paged.last))"
        }
        #expect(paged == ids)
        #expect(try sandbox.stripe("events?limit=5&ending_before=\(ids[7])").ids("data") == Array(ids[2..<7]))
        #expect(sandbox.stripe("events?starting_after=evt_1x").status == 400)
        #expect(sandbox.stripe("events?page=1").status == 400)
    }

    @Test func `are forgotten by age, or on demand`() throws {
        var sandbox = SandboxFixture { $0.eventHorizon = 5 }
        sandbox.control(.edit(user: "u_1", stream: "customers", updates: 9))
        let list = try events(&sandbox)
        #expect(list.count == 6)
        let oldest = try #require(list.last?["id"] as? String)
        sandbox.control(.edit(user: "u_2", stream: "customers", updates: 1))
        #expect(sandbox.stripe("events/\(oldest)").status == 404)
        #expect(sandbox.stripe("events?starting_after=\(oldest)").status == 400)
        sandbox.control(.expireSyncTokens())
        #expect(try events(&sandbox).isEmpty)
    }
}

@Suite struct `Stripe's subscriptions` {
    private func post(
        _ sandbox: inout SandboxFixture, _ form: [(String, String)], to path: String = "subscriptions",
        key: String? = nil, version: String? = nil
    ) -> SandboxFixture.Answer {
        var headers = [("Content-Type", "application/x-www-form-urlencoded")]
        if let key { headers.append(("Idempotency-Key", key)) }
        if let version { headers.append(("Stripe-Version", version)) }
        return sandbox.send(
            "POST", "/stripe/v1/\(path)", key: "sk_test_u_1", headers: headers,
            body: SandboxFixture.form(form))
    }

    private func order(_ sandbox: inout SandboxFixture) throws -> [(String, String)] {
        [
            ("customer", try #require(try sandbox.stripe("customers?limit=1").ids("data").first)),
            ("items[0][price]", try #require(try sandbox.stripe("prices?limit=1").ids("data").first)),
        ]
    }

    @Test func `are created incomplete, with what the client needs to pay`() throws {
        var sandbox = SandboxFixture()
        let order = try order(&sandbox)
        let form =
            order + [
                ("payment_behavior", "default_incomplete"), ("expand[]", "latest_invoice.payment_intent"),
                ("metadata[plan]", "pro \"x\""),
            ]

        let answer = post(&sandbox, form, key: "k1")

        #expect(answer.status == 200, "\(answer.text)")
        #expect(try answer.string("status") == "incomplete")
        #expect(try answer.string("customer") == order[0].1)
        let invoice = try #require(try answer.json["latest_invoice"] as? [String: Any])
        let intent = try #require(invoice["payment_intent"] as? [String: Any])
        #expect((intent["client_secret"] as? String)?.hasPrefix("pi_3") == true)
        #expect(intent["status"] as? String == "requires_payment_method")
        let id = try #require(try answer.string("id"))
        let stored = sandbox.stripe("subscriptions/\(id)")
        #expect(try stored.string("latest_invoice") == invoice["id"] as? String)
        #expect(try (stored.json["metadata"] as? [String: Any])?["plan"] as? String == "pro \"x\"")
        #expect(try sandbox.stripe("subscriptions?limit=1").ids("data") == [id])
        #expect(try sandbox.stripe("payment_intents?limit=1").ids("data") == [intent["id"] as? String])
        #expect(sandbox.lines(.ledger(key: "k1")).first?.contains("\"effect\":\"\(id)\"") == true)
        // Later versions have moved the secret.
        let later = post(&sandbox, form, version: "2025-03-31.basil")
        #expect(later.status == 400)
        let moved = post(
            &sandbox, order + [("expand[]", "latest_invoice.confirmation_secret")],
            version: "2025-03-31.basil")
        #expect(moved.text.contains(#""confirmation_secret":{"client_secret":"pi_3"#))
        #expect(moved.header("Stripe-Version") == "2025-03-31.basil")
    }

    /// https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end
    @Test func `have their period where the version that the request names has it`() throws {
        var sandbox = SandboxFixture()
        let id = try #require(try sandbox.stripe("subscriptions?limit=1").ids("data").first)
        for (version, isAtItems) in [(nil, false), ("2024-06-20", false), ("2025-03-31.basil", true)] {
            let headers = version.map { [("Stripe-Version", $0)] } ?? []
            for path in ["subscriptions/\(id)", "subscriptions?limit=1"] {
                let answer = sandbox.send("GET", "/stripe/v1/\(path)", key: "sk_test_u_1", headers: headers)
                let object = try path.contains("?") ? #require(try answer.items("data").first) : answer.json
                let items = (object["items"] as? [String: Any])?["data"] as? [[String: Any]]
                #expect((object["current_period_end"] == nil) == isAtItems, "\(path)")
                #expect((items?.first?["current_period_end"] != nil) == isAtItems, "\(path)")
            }
        }
        let ending = post(
            &sandbox, [("cancel_at_period_end", "true")], to: "subscriptions/\(id)",
            version: "2025-03-31.basil")
        #expect(try ending.json["current_period_end"] == nil)
    }

    @Test(
        arguments: [
            ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", nil),
        ] as [(String, String, String?)])
    func `are refused with 402 for a bad card, and nothing is made`(
        method: String, code: String, decline: String?
    ) throws {
        var sandbox = SandboxFixture()

        let answer = post(&sandbox, try order(&sandbox) + [("default_payment_method", method)])

        #expect(answer.status == 402)
        let error = try answer.error
        #expect(error["type"] as? String == "card_error")
        #expect(error["code"] as? String == code)
        #expect(error["decline_code"] as? String == decline)
        #expect(sandbox.state.store.sequence == 0)
    }

    @Test func `whose card fails later are incomplete, or refused, as the behaviour says`() throws {
        var sandbox = SandboxFixture()
        let form = try order(&sandbox) + [("default_payment_method", "pm_card_authenticationRequired")]
        #expect(try post(&sandbox, form).string("status") == "incomplete")
        #expect(post(&sandbox, form + [("payment_behavior", "error_if_incomplete")]).status == 402)
        #expect(try post(&sandbox, try order(&sandbox)).string("status") == "active")
        #expect(post(&sandbox, [("customer", "cus_x")]).status == 400)
        #expect(try post(&sandbox, []).error["code"] as? String == "parameter_missing")
    }

    @Test func `end at the end of the period, or at once`() throws {
        var sandbox = SandboxFixture()
        let ids = try sandbox.stripe("subscriptions?limit=2").ids("data")

        let ending = post(&sandbox, [("cancel_at_period_end", "true")], to: "subscriptions/\(ids[0])")

        #expect(try ending.json["cancel_at_period_end"] as? Bool == true)
        #expect(sandbox.stripe("subscriptions/\(ids[0])").text == ending.text)
        let past = SandboxControlRequest.objects(user: "u_1", stream: "subscriptions", at: 0)
        #expect(sandbox.lines(past).contains { $0.contains(ids[0]) && !$0.contains("period_end\":true") })
        let back = post(&sandbox, [("cancel_at_period_end", "false")], to: "subscriptions/\(ids[0])")
        #expect(try back.json["cancel_at_period_end"] as? Bool == false)
        let gone = sandbox.send("DELETE", "/stripe/v1/subscriptions/\(ids[1])", key: "sk_test_u_1")
        #expect(try gone.string("status") == "canceled")
        #expect(try sandbox.stripe("subscriptions/\(ids[1])").string("status") == "canceled")
        #expect(try !sandbox.stripe("subscriptions?limit=100").ids("data").contains(ids[1]))
        #expect(try sandbox.stripe("subscriptions?limit=100&status=all").ids("data").contains(ids[1]))
        #expect(
            post(&sandbox, [("cancel_at_period_end", "true")], to: "subscriptions/\(ids[1])").status == 404)
        #expect(post(&sandbox, [("cancel_at_period_end", "1")], to: "subscriptions/\(ids[0])").status == 400)
    }

    @Test func `are made once for an idempotency key`() throws {
        var sandbox = SandboxFixture()
        let form = try order(&sandbox)
        let first = post(&sandbox, form, key: "once")

        let second = post(&sandbox, form.reversed(), key: "once")

        #expect(second.text == first.text)
        #expect(second.header("Idempotent-Replayed") == "true")
        #expect(first.header("Idempotent-Replayed") == nil)
        #expect(second.header("Original-Request") == first.header("Request-Id"))
        #expect(try sandbox.stripe("subscriptions?limit=100").ids("data").count == 26)
        let lines = sandbox.lines(.ledger(key: "once"))
        #expect(lines.count { $0.contains(#""replay":true"#) } == 1)
        #expect(lines.count { !$0.contains(#""effect":null"#) } == 1)
        let other = post(&sandbox, form + [("metadata[a]", "b")], key: "once")
        #expect(other.status == 400)
        #expect(try other.error["type"] as? String == "idempotency_error")
        #expect(post(&sandbox, form, key: String(repeating: "k", count: 256)).status == 400)
        #expect(try post(&sandbox, form, key: "twice").string("id") != first.string("id"))
    }

    @Test func `replay even a failure of the server, but no refusal of parameters`() throws {
        var sandbox = SandboxFixture()
        let form = try order(&sandbox)
        sandbox.control(
            .fault(kind: "status", endpoint: "subscriptions.create", status: 500, executes: true))
        #expect(post(&sandbox, form, key: "a").status == 500)
        #expect(post(&sandbox, form, key: "a").status == 500)
        #expect(try sandbox.stripe("subscriptions?limit=100").ids("data").count == 26)
        sandbox.control(.fault(kind: "status", endpoint: "subscriptions.create", status: 429))
        #expect(post(&sandbox, form, key: "b").status == 429)
        #expect(post(&sandbox, form, key: "b").status == 200)
        #expect(post(&sandbox, [], key: "c").status == 400)
        #expect(post(&sandbox, form, key: "c").status == 200)
        // The answer is lost, the subscription is there, and the key gives it back.
        sandbox.control(.fault(kind: "reset", endpoint: "subscriptions.create"))
        _ = post(&sandbox, form, key: "d")
        let found = post(&sandbox, form, key: "d")
        #expect(found.status == 200 && found.header("Idempotent-Replayed") == "true")
        #expect(try sandbox.stripe("subscriptions?limit=100").ids("data").count == 29)
    }
}

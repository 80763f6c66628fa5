// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Stripe's API` {
    @Test func `lists ten objects, newest first, and says that there are more`() throws {
        var sandbox = SandboxFixture()

        let page = sandbox.stripe("customers")

        #expect(try page.string("object") == "list")
        #expect(try page.string("url") == "/v1/customers")
        #expect(try page.json["has_more"] as? Bool == true)
        let created = try page.items("data").compactMap { $0["created"] as? Int }
        #expect(created.count == 10)
        #expect(created == created.sorted(by: >))
    }

    @Test(
        arguments: [
            "customers", "products", "prices", "invoices", "subscriptions", "payment_intents", "charges",
        ], [1, 5, 7, 25, 100])
    func `pages to the end without a gap or a repetition`(list: String, limit: Int) throws {
        var sandbox = SandboxFixture()

        let pages = try sandbox.stripePages(list, limit: limit)

        let ids = pages.flatMap(\.self)
        #expect(pages.count == (25 + limit - 1) / limit)
        #expect(ids.count == 25 && Set(ids).count == 25)
        #expect(pages.dropLast().allSatisfy { $0.count == limit })
    }

    @Test func `pages backwards with ending_before, still newest first`() throws {
        var sandbox = SandboxFixture()
        let all = try #require(try sandbox.stripePages("customers", limit: 100).first)

        let page = sandbox.stripe("customers?limit=4&ending_before=\(all[10])")

        #expect(try page.ids("data") == Array(all[6...9]))
        #expect(try page.json["has_more"] as? Bool == true)
        let first = sandbox.stripe("customers?limit=4&ending_before=\(all[3])")
        #expect(try first.ids("data") == Array(all[0...2]))
        #expect(try first.json["has_more"] as? Bool == false)
    }

    @Test func `filters by creation, each bound inclusive or not`() throws {
        var sandbox = SandboxFixture()
        let all = try sandbox.stripe("customers?limit=100").items("data").compactMap { $0["created"] as? Int }
        let bound = all[12]
        let filters: [(String, (Int) -> Bool)] = [
            ("created[gt]=\(bound)", { $0 > bound }), ("created[gte]=\(bound)", { $0 >= bound }),
            ("created[lt]=\(bound)", { $0 < bound }), ("created%5Blte%5D=\(bound)", { $0 <= bound }),
            ("created=\(bound)", { $0 == bound }),
            ("created[gte]=\(bound)&created[lt]=\(bound)", { _ in false }),
        ]

        for (query, isIn) in filters {
            let page = sandbox.stripe("customers?limit=100&\(query)")
            #expect(
                try page.items("data").compactMap { $0["created"] as? Int } == all.filter(isIn), "\(query)")
        }
        // Several objects share a second: a cursor of seconds must not split them.
        #expect(all.filter { $0 == bound }.count == 3)
    }

    @Test(arguments: [
        ("limit=0", "limit", "parameter_invalid_integer"),
        ("limit=101", "limit", "parameter_invalid_integer"),
        ("limit=x", "limit", "parameter_invalid_integer"),
        ("created[gte]=-9223372036854775808", "created[gte]", "parameter_invalid_integer"),
        ("starting_after=cus_unknown", "starting_after", "resource_missing"),
        ("ending_before=cus_unknown", "ending_before", "resource_missing"),
        ("page=2", "page", "parameter_unknown"),
    ])
    func `refuses a parameter that it cannot serve`(query: String, parameter: String, code: String) throws {
        var sandbox = SandboxFixture()

        let answer = sandbox.stripe("customers?\(query)")

        #expect(answer.status == 400)
        let error = try answer.error
        #expect(error["type"] as? String == "invalid_request_error")
        #expect(error["param"] as? String == parameter)
        #expect(error["code"] as? String == code)
    }

    @Test func `refuses an id of another list or another account`() throws {
        var sandbox = SandboxFixture()
        let product = try #require(try sandbox.stripe("products?limit=1").ids("data").first)
        let foreign = try #require(try sandbox.stripe("customers?limit=1", user: "u_2").ids("data").first)

        #expect(sandbox.stripe("customers?starting_after=\(product)").status == 400)
        #expect(sandbox.stripe("customers?starting_after=\(foreign)").status == 400)
        #expect(sandbox.stripe("customers/\(foreign)").status == 404)
        #expect(sandbox.stripe("customers?limit=1&starting_after=a&ending_before=b").status == 400)
    }

    @Test func `gives an object, and remembers only deleted customers`() throws {
        var sandbox = SandboxFixture()
        for (list, status) in [("customers", 200), ("products", 404)] {
            let page = sandbox.stripe("\(list)?limit=1")
            let id = try #require(try page.ids("data").first)
            #expect(page.text.contains("[\(sandbox.stripe("\(list)/\(id)").text)]"))

            _ = sandbox.send(
                "POST", "/_control/edit",
                body: #"{"user":"u_1","stream":"\#(list)","id":"\#(id)","deletes":1}"#)

            let gone = sandbox.stripe("\(list)/\(id)")
            #expect(gone.status == status)
            if status == 200 { #expect(gone.text == #"{"id":"\#(id)","object":"customer","deleted":true}"#) }
            #expect(sandbox.stripe("\(list)?starting_after=\(id)").status == 400)
            #expect(try !sandbox.stripe("\(list)?limit=100").ids("data").contains(id))
        }
    }

    @Test func `goes on by position while objects come and go`() throws {
        var sandbox = SandboxFixture()
        let before = try sandbox.stripePages("customers", limit: 100).flatMap(\.self)
        let first = try sandbox.stripe("customers?limit=10").ids("data")
        sandbox.control(.edit(user: "u_1", stream: "customers", creates: 5))
        _ = sandbox.send(
            "POST", "/_control/edit",
            body: #"{"user":"u_1","stream":"customers","id":"\#(before[12])","deletes":1}"#)

        let second = try sandbox.stripe("customers?limit=10&starting_after=\(first[9])").ids("data")

        // New objects are in front of what was read; the deleted one is skipped, not counted.
        #expect(first == Array(before[0..<10]))
        #expect(second == Array(before[10..<12] + before[13..<21]))
    }

    @Test func `belongs to the user of the key, and refuses every other key`() throws {
        var sandbox = SandboxFixture()
        let mine = try sandbox.stripe("customers").ids("data")
        let other = try sandbox.stripe("customers", user: "u_2").ids("data")

        #expect(Set(mine).isDisjoint(with: other))
        for key in [nil, "sk_test_u_4", "sk_test_u_01", "sk_live_u_1", "ya29.u_1", ""] as [String?] {
            let answer = sandbox.send("GET", "/stripe/v1/customers", key: key)
            #expect(answer.status == 401)
            #expect(try answer.error["type"] as? String == "invalid_request_error")
        }
        sandbox.control(.revoke(user: "u_1"))
        #expect(sandbox.stripe("customers").status == 401)
        #expect(sandbox.stripe("customers", user: "u_2").status == 200)
        sandbox.control(.restore(user: "u_1"))
        #expect(sandbox.stripe("customers").status == 200)
    }

    @Test(arguments: ["refunds", "calendars", "", "customers/x/y"])
    func `knows no other path`(path: String) throws {
        var sandbox = SandboxFixture()

        #expect(sandbox.stripe(path).status == 404)
        #expect(sandbox.send("POST", "/stripe/v1/customers", key: "sk_test_u_1").status == 404)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `A fault` {
    @Test func `hits what matches, so often as it says, after what it lets pass`() {
        var sandbox = SandboxFixture()
        sandbox.control(
            .fault(kind: "status", user: "u_2", stream: "products", skip: 1, times: 2, status: 503))

        #expect(sandbox.stripe("products").status == 200)
        #expect(sandbox.stripe("customers", user: "u_2").status == 200)
        let statuses = (0..<4).map { _ in sandbox.stripe("products", user: "u_2").status }
        #expect(statuses == [200, 503, 503, 200])
    }

    @Test func `hits one page of an enumeration, and a retry of that page again`() throws {
        var sandbox = SandboxFixture()
        let pages = try sandbox.stripePages("customers", limit: 10)
        sandbox.control(.fault(kind: "status", stream: "customers", page: 2, times: 2))
        func get(_ after: String) -> Int { sandbox.stripe("customers?limit=10\(after)").status }

        let second = "&starting_after=\(try #require(pages[0].last))"
        let third = "&starting_after=\(try #require(pages[1].last))"

        #expect(
            [get(""), get(second), get(second), get(second), get(third), get("")] == [
                200, 500, 500, 200, 200, 200,
            ])
    }

    @Test func `of a status carries a body of the service, a wait, or a body of its own`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.fault(kind: "status", service: "stripe", status: 429, retryAfter: "7"))
        sandbox.control(.fault(kind: "status", service: "google-calendar", status: 403))
        sandbox.control(.fault(kind: "status", service: "stripe", status: 418, body: "\"tea\" ☕️\n"))

        let stripe = sandbox.stripe("customers")
        #expect(stripe.status == 429)
        #expect(try stripe.error["code"] as? String == "rate_limit")
        #expect(stripe.response.headers.contains { $0 == ("Retry-After", "7") })
        #expect(try sandbox.events().reason == "rateLimitExceeded")
        #expect(sandbox.stripe("customers").text == "\"tea\" ☕️\n")
    }

    @Test func `of HTML has status 200`() {
        var sandbox = SandboxFixture()
        sandbox.control(.fault(kind: "html200"))

        let answer = sandbox.stripe("customers")

        #expect(answer.status == 200)
        #expect(answer.text.hasPrefix("<!doctype html>"))
        #expect(answer.response.headers.contains { $0 == ("Content-Type", "text/html; charset=utf-8") })
    }

    @Test func `of a repeated token names the page itself as the next one`() throws {
        var sandbox = SandboxFixture()
        let size = ("maxResults", "10")
        sandbox.control(.fault(kind: "repeated_token", stream: "events", times: 3))
        let first = try #require(try sandbox.events([size]).string("nextPageToken"))
        let again = sandbox.events([size, ("pageToken", first)])
        #expect(try again.string("nextPageToken") == first)
        #expect(
            try again.ids("items")
                == Array(try sandbox.enumerate([]).items.prefix(10)).map { $0["id"] as? String })

        sandbox.control(.fault(kind: "repeated_token", stream: "customers"))
        let pages = try sandbox.stripePages("customers", limit: 10)
        sandbox.control(.fault(kind: "repeated_token", stream: "customers"))
        let last = try #require(pages[0].last)
        let repeated = sandbox.stripe("customers?limit=10&starting_after=\(last)")
        #expect(try repeated.ids("data") == pages[0])
        #expect(try repeated.json["has_more"] as? Bool == true)
    }

    @Test func `of an empty page still has a next one, behind which nothing is lost`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.fault(kind: "empty_page_with_next", stream: "events", skip: 1, times: 2))

        let (items, pages, token) = try sandbox.enumerate([("maxResults", "10")])

        #expect(items.count == 25 && pages == 5)
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 5))
        sandbox.control(.fault(kind: "empty_next", stream: "events"))
        let changes = try sandbox.enumerate([("syncToken", token)])
        #expect(changes.items.count == 5 && changes.pages == 2)
        sandbox.control(.fault(kind: "empty_next", stream: "customers"))
        #expect(sandbox.stripe("customers").text.hasSuffix(#""has_more":true,"data":[]}"#))
    }

    @Test func `of a stale page is the first page again`() throws {
        var sandbox = SandboxFixture()
        let size = ("maxResults", "10")
        let first = sandbox.events([size])
        let token = try #require(try first.string("nextPageToken"))
        sandbox.control(.fault(kind: "stale_page", times: 2))
        sandbox.control(.edit(user: "u_1", stream: "events", creates: 1))

        let stale = sandbox.events([size, ("pageToken", token)])

        #expect(try stale.ids("items") == first.ids("items"))
        #expect(try stale.string("nextPageToken") == token)
        let list = try sandbox.stripe("customers?limit=10").ids("data")
        sandbox.control(.fault(kind: "stale_page"))
        #expect(try sandbox.stripe("customers?limit=10&starting_after=\(list[9])").ids("data") == list)
    }

    @Test func `can be taken back`() {
        var sandbox = SandboxFixture()
        sandbox.control(.fault(kind: "status", times: 100))
        sandbox.control(.clearFaults)

        #expect(sandbox.stripe("customers").status == 200)
    }

    @Test(arguments: [
        #"{"kind":"fire"}"#, #"{"kind":"status","times":0}"#, #"{"kind":"status","status":99}"#,
        #"{"kind":"status","user":"u_9"}"#, #"{"kind":"status","stream":"x"}"#,
        #"{"kind":"status","service":"stripe","stream":"events"}"#, #"{"kind":"status","sream":"events"}"#,
        #"{"kind":"status","retry_after":"1\r\nX: y"}"#, #"{"kind":"status""#, #"{"kind":["status"]}"#,
    ])
    func `that makes no sense is refused, with the reason`(body: String) throws {
        var sandbox = SandboxFixture()

        let answer = sandbox.send("POST", "/_control/faults", body: body)

        #expect(answer.status == 400)
        #expect(try answer.string("error")?.isEmpty == false)
        #expect(sandbox.stripe("customers").status == 200)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Google Calendar's writes` {
    private static let events = "/google-calendar/calendar/v3/calendars/primary/events"

    @Test func `make, change and delete an event, and a sync token tells of each`() throws {
        var sandbox = SandboxFixture()
        let token = try sandbox.enumerate([]).syncToken
        let times = #""start":{"dateTime":"2026-01-01T10:00:00Z"},"end":{"dateTime":"2026-01-01T11:00:00Z"}"#

        let made = sandbox.send(
            "POST", Self.events, key: "ya29.u_1", body: #"{"summary":"Zoë \"x\"",\#(times)}"#)

        #expect(made.status == 200, "\(made.text)")
        #expect(try made.string("summary") == "Zoë \"x\"")
        #expect(made.text.contains(times))
        let id = try #require(try made.string("id"))
        let changed = sandbox.send(
            "PATCH", "\(Self.events)/\(id)", key: "ya29.u_1", body: #"{"description":"later"}"#)
        #expect(try changed.string("description") == "later")
        #expect(try changed.string("summary") == "Zoë \"x\"")
        #expect(sandbox.google("calendars/primary/events/\(id)").text == changed.text)
        #expect(try sandbox.enumerate([("syncToken", token)]).items.count == 1)
        #expect(sandbox.send("DELETE", "\(Self.events)/\(id)", key: "ya29.u_1").status == 204)
        #expect(sandbox.send("DELETE", "\(Self.events)/\(id)", key: "ya29.u_1").status == 410)
        let gone = try sandbox.enumerate([("syncToken", token)]).items
        #expect(gone.first?["status"] as? String == "cancelled")
        #expect(sandbox.lines(.ledger(endpoint: "events.insert")).first?.contains("/\(id)\"") == true)
    }

    @Test(arguments: [
        ("", #"{"summary":"x"}"#, 400), ("", "{", 400), ("", #"{"id":"abc","start":{},"end":{}}"#, 400),
        ("/watch", #"{"id":"a","type":"web_hook","address":"http://example.com/"}"#, 400),
        ("/watch", #"{"type":"web_hook","address":"https://example.com/"}"#, 400),
    ])
    func `refuse what makes no sense`(path: String, body: String, status: Int) {
        var sandbox = SandboxFixture()

        #expect(sandbox.send("POST", Self.events + path, key: "ya29.u_1", body: body).status == status)
        #expect(sandbox.send("POST", Self.events + path, body: body).status == 401)
    }

    @Test func `take a channel's id once`() throws {
        var sandbox = SandboxFixture()
        let body = #"{"id":"a","type":"web_hook","address":"https://example.com/","expiration":5000}"#

        let first = sandbox.send("POST", Self.events + "/watch", key: "ya29.u_1", body: body)

        #expect(try first.string("expiration") == "5000")
        let second = sandbox.send("POST", Self.events + "/watch", key: "ya29.u_1", body: body)
        #expect(try second.reason == "channelIdNotUnique")
        // Nothing renews a channel.
        sandbox.time = sandbox.time.advanced(bySeconds: 10)
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 1))
        sandbox.state.collectNotifications(at: sandbox.time)
        #expect(sandbox.state.webhooks.channels.isEmpty)
        #expect(sandbox.state.webhooks.waiting.count == 1)
    }
}

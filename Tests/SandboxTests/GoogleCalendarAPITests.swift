// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Google Calendar's API` {
    @Test func `lists the calendars, the user's own first`() throws {
        var sandbox = SandboxFixture()

        let answer = sandbox.google("users/me/calendarList")

        #expect(try answer.string("kind") == "calendar#calendarList")
        let calendars = try answer.items("items")
        #expect(calendars.count == 2)
        #expect(calendars[0]["id"] as? String == "u_1@example.com")
        #expect(calendars[0]["primary"] as? Bool == true)
        #expect(try answer.string("nextSyncToken") != nil)
        let second = try #require(calendars[1]["id"] as? String)
        #expect(try sandbox.google("calendars/\(second)/events").items("items").count == 25)
        #expect(try sandbox.google("calendars/primary/events").items("items").count == 25)
    }

    @Test(arguments: [1, 10, 24, 25, 26, 250])
    func `pages to the end, with a sync token only there`(size: Int) throws {
        var sandbox = SandboxFixture()

        let (items, pages, _) = try sandbox.enumerate([("maxResults", "\(size)")])

        #expect(Set(items.compactMap { $0["id"] as? String }).count == 25)
        #expect(items.count == 25)
        #expect(pages == (25 + size - 1) / size)
    }

    @Test func `gives 250 events unless asked for more, and never over 2500`() throws {
        var sandbox = SandboxFixture { $0.objects = 3_000 }

        #expect(try sandbox.events().items("items").count == 250)
        #expect(try sandbox.events([("maxResults", "9999")]).items("items").count == 2_500)
        for size in ["0", "-1", "x", "99999999999"] {
            #expect(sandbox.events([("maxResults", size)]).status == 400)
        }
        // The real service ignores parameters that it does not know.
        #expect(try sandbox.events([("maxSize", "10")]).items("items").count == 250)
    }

    @Test func `tells by sync token what changed, what is new and what is cancelled`() throws {
        var sandbox = SandboxFixture()
        let (before, _, token) = try sandbox.enumerate([])
        #expect(try sandbox.enumerate([("syncToken", token)]).items.isEmpty)
        sandbox.control(.edit(user: "u_1", stream: "events", creates: 2, updates: 4, deletes: 3))

        let (items, pages, next) = try sandbox.enumerate([("syncToken", token), ("maxResults", "2")])

        #expect(items.count == 9 && pages == 5)
        let cancelled = items.filter { $0["status"] as? String == "cancelled" }
        #expect(cancelled.count == 3)
        for item in cancelled {
            #expect(Set(item.keys) == ["kind", "etag", "id", "status"])
            #expect(before.contains { $0["id"] as? String == item["id"] as? String })
        }
        let updated = items.compactMap { $0["updated"] as? String }
        #expect(updated.count == 6)
        #expect(updated == updated.sorted())
        #expect(try sandbox.enumerate([("syncToken", next)]).items.isEmpty)
        // The old token still leads to the same changes.
        #expect(try sandbox.enumerate([("syncToken", token)]).items.count == 9)
    }

    @Test func `delivers an event once that changed often, and a cancelled one that nobody saw`() throws {
        var sandbox = SandboxFixture { $0.objects = 1 }
        let (_, _, token) = try sandbox.enumerate([])
        for _ in 0..<3 { sandbox.control(.edit(user: "u_1", stream: "events", updates: 1)) }
        sandbox.control(.edit(user: "u_1", stream: "events", creates: 1))
        sandbox.control(.edit(user: "u_1", stream: "events", deletes: 2))

        let (items, _, _) = try sandbox.enumerate([("syncToken", token)])

        #expect(items.count == 2)
        #expect(items.allSatisfy { $0["status"] as? String == "cancelled" })
    }

    @Test func `keeps what changes during an enumeration for the next one`() throws {
        var sandbox = SandboxFixture()
        let first = sandbox.events([("maxResults", "20")])
        let page = try #require(try first.string("nextPageToken"))
        sandbox.control(.edit(user: "u_1", stream: "events", creates: 1, updates: 25))

        let last = sandbox.events([("maxResults", "20"), ("pageToken", page)])
        let token = try #require(try last.string("nextSyncToken"))

        #expect(try last.items("items").count == 6)
        #expect(try sandbox.enumerate([("syncToken", token)]).items.count == 26)
    }

    @Test func `ends an enumeration of changes though changes go on`() throws {
        var sandbox = SandboxFixture()
        let (_, _, token) = try sandbox.enumerate([])
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 5))
        let size = ("maxResults", "3")
        let first = sandbox.events([("syncToken", token), size])
        let page = try #require(try first.string("nextPageToken"))
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 25))

        let last = sandbox.events([("syncToken", token), size, ("pageToken", page)])
        let next = try #require(try last.string("nextSyncToken"))

        #expect(try last.items("items").count == 2)
        #expect(try sandbox.enumerate([("syncToken", next)]).items.count == 25)
    }

    @Test func `shows cancelled events when asked to`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", stream: "events", deletes: 5))

        #expect(try sandbox.enumerate([("maxResults", "7")]).items.count == 20)
        let all = try sandbox.enumerate([("maxResults", "7"), ("showDeleted", "true")]).items
        #expect(all.count == 25)
        #expect(all.filter { $0["status"] as? String == "cancelled" }.count == 5)
    }

    @Test func `lists by updatedMin what changed since, cancelled or not`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 4, deletes: 3))

        // The sandbox's time began at 2025-10-09T08:53:20Z; a change takes a second, and the other calendar
        // changed too.
        let items = try sandbox.enumerate([("updatedMin", "2025-10-09T08:53:21Z"), ("maxResults", "2")]).items

        #expect(items.count == 7)
        #expect(sandbox.events([("updatedMin", "yesterday")]).status == 400)
    }

    @Test func `answers 410 to a sync token that expired or is none of this calendar`() throws {
        var sandbox = SandboxFixture { $0.syncTokenLifetime = 50 }
        let (_, _, token) = try sandbox.enumerate([])
        let (_, _, foreign) = try sandbox.enumerate([], user: "u_2")

        func check(_ text: String, _ sandbox: inout SandboxFixture) throws {
            let answer = sandbox.events([("syncToken", text)])
            #expect(answer.status == 410)
            #expect(try answer.reason == "fullSyncRequired")
            #expect(try answer.error["code"] as? Int == 410)
        }
        for text in [foreign, "", "x", token + "=", "Cs+0+0+0+0+1+0/0="] { try check(text, &sandbox) }
        #expect(sandbox.events([("syncToken", token)]).status == 200)
        sandbox.control(.expireSyncTokens(user: "u_2"))
        #expect(sandbox.events([("syncToken", token)]).status == 200)
        #expect(sandbox.events([("syncToken", foreign)], user: "u_2").status == 410)
        sandbox.control(.expireSyncTokens())
        try check(token, &sandbox)

        let (_, _, fresh) = try sandbox.enumerate([])
        sandbox.control(.edit(user: "u_3", stream: "customers", creates: 51))
        try check(fresh, &sandbox)
    }

    @Test func `refuses page tokens that expired, or belong elsewhere`() throws {
        var sandbox = SandboxFixture()
        let size = ("maxResults", "10")
        let (_, _, sync) = try sandbox.enumerate([])
        let page = try #require(try sandbox.events([size]).string("nextPageToken"))
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 15))
        let change = try #require(try sandbox.events([size, ("syncToken", sync)]).string("nextPageToken"))

        #expect(sandbox.events([size, ("pageToken", page)]).status == 200)
        #expect(sandbox.events([size, ("pageToken", change), ("syncToken", sync)]).status == 200)
        let wrong = [
            [("pageToken", sync)], [("pageToken", "x")], [("pageToken", page), ("syncToken", sync)],
            [("pageToken", page), ("showDeleted", "true")],
        ]
        for query in wrong {
            let answer = sandbox.events(query)
            #expect(answer.status == 400)
            #expect(try answer.reason == "invalid")
        }
        #expect(sandbox.events([("pageToken", page)], user: "u_2").status == 400)
        sandbox.control(.expirePageTokens())
        #expect(sandbox.events([size, ("pageToken", page)]).status == 400)
        #expect(sandbox.events([("syncToken", sync)]).status == 200)
    }

    @Test(arguments: [
        "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax",
        "updatedMin",
    ])
    func `combines no filter with a sync token`(name: String) throws {
        var sandbox = SandboxFixture()
        let (_, _, token) = try sandbox.enumerate([])

        #expect(sandbox.events([("syncToken", token), (name, "2026-01-01T00:00:00Z")]).status == 400)
        #expect(sandbox.events([("syncToken", token), ("showDeleted", "false")]).status == 400)
        #expect(sandbox.events([("syncToken", token), ("showDeleted", "true")]).status == 200)
    }

    @Test func `needs the client to encode its tokens`() throws {
        var sandbox = SandboxFixture()
        let (_, _, token) = try sandbox.enumerate([])

        #expect(sandbox.google("calendars/primary/events?syncToken=\(token)").status == 410)
    }

    @Test func `gives an event by its id, and nothing of a deleted calendar`() throws {
        var sandbox = SandboxFixture()
        let event = try #require(try sandbox.events().ids("items").first)
        #expect(try sandbox.google("calendars/primary/events/\(event)").string("id") == event)
        #expect(sandbox.google("calendars/primary/events/x").status == 404)

        _ = sandbox.send(
            "POST", "/_control/edit",
            body: #"{"user":"u_1","stream":"calendars","id":"u_1@example.com","deletes":1}"#)

        #expect(sandbox.events().status == 404)
        #expect(try sandbox.google("users/me/calendarList").items("items").count == 1)
        #expect(try sandbox.google("users/me/calendarList?showDeleted=true").items("items").count == 2)
        #expect(sandbox.lines(.objects(user: "u_1", stream: "events")).count == 25)
    }

    @Test func `adds a calendar without events`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", stream: "calendars", creates: 1))

        let calendar = try #require(try sandbox.google("users/me/calendarList").ids("items").last)
        #expect(try sandbox.google("calendars/\(calendar)/events").items("items").isEmpty)
        sandbox.control(.edit(user: "u_1", stream: "events", creates: 2))
        #expect(try sandbox.google("calendars/\(calendar)/events").items("items").count == 2)
    }

    @Test func `refuses keys of other users and services`() throws {
        var sandbox = SandboxFixture()

        for key in [nil, "sk_test_u_1", "ya29.u_9"] as [String?] {
            let answer = sandbox.send("GET", "/google-calendar/calendar/v3/users/me/calendarList", key: key)
            #expect(answer.status == 401)
            #expect(try answer.reason == "authError")
        }
        #expect(sandbox.google("calendars/u_2%40example.com/events").status == 404)
    }
}

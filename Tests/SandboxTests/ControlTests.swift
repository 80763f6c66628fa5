// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `The control` {
    @Test func `edits exactly as many objects as it is told`() throws {
        var sandbox = SandboxFixture()
        let before = sandbox.lines(.objects(user: "u_1", stream: "customers"))
        sandbox.control(.edit(user: "u_1", stream: "customers", creates: 3, updates: 6, deletes: 5))
        let after = sandbox.lines(.objects(user: "u_1", stream: "customers"))

        #expect(after.count == 23)
        #expect(Set(after).subtracting(before).count == 9)
        #expect(Set(before).subtracting(after).count == 11)
        #expect(sandbox.lines(.objects(user: "u_2", stream: "customers")).count == 25)
    }

    @Test func `deletes to the last object and no further`() throws {
        var sandbox = SandboxFixture()
        let answer = sandbox.control(.edit(user: "u_1", stream: "customers", creates: 2, deletes: 1_000))

        #expect(try answer.json["edited"] as? Int == 27)
        #expect(sandbox.lines(.objects(user: "u_1", stream: "customers")).count == 2)
        #expect(try sandbox.stripePages("customers", limit: 1).count == 2)
    }

    @Test func `edits all users, streams of one service, or all`() throws {
        var sandbox = SandboxFixture()
        func edited(_ control: SandboxControlRequest) throws -> Int? {
            try sandbox.control(control).json["edited"] as? Int
        }

        #expect(try edited(.edit(service: "stripe", updates: 1)) == 21)
        #expect(try edited(.edit(user: "all", stream: "events", updates: 1)) == 6)
        #expect(try edited(.edit(updates: 1)) == 42)
        #expect(try edited(.edit(user: "u_1", updates: 1)) == 14)
        #expect(sandbox.lines(.objects(user: "u_1", stream: "calendars")).count == 2)
    }

    @Test(arguments: [
        ("stripe", "customers"), ("stripe", "charges"), ("stripe", "subscriptions"),
        ("google-calendar", "events"), ("slack", "users"), ("slack", "messages"), ("gmail", "messages"),
    ])
    func `knows the objects of every past moment`(service: String, stream: String) throws {
        var sandbox = SandboxFixture { $0.objects = 8 }
        var moments: [(Int, [String])] = []
        for step in 0..<12 {
            let lines = sandbox.lines(.objects(user: "u_1", service: service, stream: stream))
            moments.append((sandbox.state.store.sequence, lines))
            sandbox.control(
                .edit(
                    user: "u_1", service: service, stream: stream, creates: step % 3, updates: step % 2,
                    deletes: step % 4))
        }

        for (moment, lines) in moments {
            let past = SandboxControlRequest.objects(
                user: "u_1", service: service, stream: stream, at: moment)
            #expect(sandbox.lines(past) == lines)
        }
        let future = SandboxControlRequest.objects(
            user: "u_1", service: service, stream: stream, at: 100_000)
        #expect(sandbox.send("GET", future.target).status == 400)
    }

    @Test func `lists objects with the very bytes that the services send`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(creates: 2, updates: 5, deletes: 3))
        let page = sandbox.stripe("customers?limit=100")
        let expected = sandbox.lines(.objects(user: "u_1", stream: "customers"))

        for line in expected {
            let data = try #require(line.split(separator: "\",\"data\":", maxSplits: 1).last).dropLast()
            #expect(page.text.contains(data))
        }
        let events = sandbox.lines(.objects(user: "u_1", stream: "events"))
        #expect(events.count == 48)
        #expect(events.filter { $0.hasPrefix(#"{"external_id":"u_1@example.com/"#) }.count == 24)
    }

    @Test func `tells each change with its number, object and kind`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_2", stream: "products", creates: 1, updates: 1, deletes: 1))
        sandbox.control(.edit(user: "u_1", stream: "events", deletes: 1))

        let lines = sandbox.lines(.changes(after: 1))

        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix(#"{"number":2,"user":"u_2","stream":"products","external_id":"prod_"#))
        #expect(lines[0].hasSuffix(#""kind":"updated"}"#))
        #expect(lines[1].hasSuffix(#""kind":"created"}"#))
        #expect(lines[3].contains("@group.calendar.google.com/"))
        #expect(sandbox.lines(.changes(after: 5)).isEmpty)
    }

    @Test func `keeps a ledger of requests, of which it forgets the oldest and says how many`() throws {
        var sandbox = SandboxFixture { $0.ledgerCapacity = 4 }
        sandbox.control(.edit(user: "u_1", stream: "customers", updates: 2))
        sandbox.control(.fault(kind: "hang"))
        for limit in 1...6 { _ = sandbox.stripe("customers?limit=\(limit)") }
        _ = sandbox.send("GET", "/google-calendar/x?q=\"", key: nil)

        let lines = sandbox.lines(.ledger())
        #expect(lines.count == 4)
        #expect(
            lines[0] == #"""
                {"number":4,"at":"1970-01-01T00:00:01Z","us":0,"service":"stripe","endpoint":"customers.list",\#
                "method":"GET","path":"/stripe/v1/customers","query":"limit=4","user":"u_1",\#
                "stream":"customers","status":200,"bytes":\#(sandbox.stripe("customers?limit=4").text.utf8.count),\#
                "sequence":2,"fault":null,"write":null}
                """#)
        #expect(lines[3].contains(#""endpoint":null,"method":"GET","path":"/google-calendar/x""#))
        #expect(lines[3].contains(#""query":"q=\"","user":null,"stream":null,"status":401"#))
        #expect(sandbox.lines(.ledger(after: 6)).count == 2)
        #expect(try sandbox.control(.stats).json["forgotten"] as? Int == 4)
        #expect(try sandbox.control(.stats).json["faults_met"] as? Int == 1)
    }

    @Test func `records what reached the client when a fault cut it short`() {
        var sandbox = SandboxFixture()
        for kind in ["hang", "reset", "truncated"] { sandbox.control(.fault(kind: kind)) }
        for _ in 0..<4 { _ = sandbox.stripe("customers?limit=1") }

        let entries = sandbox.state.ledger.after(0, limit: 10)

        #expect(entries.map(\.status) == [0, 0, 200, 200])
        #expect(entries.map(\.fault) == ["hang", "reset", "truncated", nil])
        #expect(entries[2].bytes == entries[3].bytes / 2)
    }

    @Test func `says what it understands`() throws {
        var sandbox = SandboxFixture()

        for target in ["nothing", "edit", "objects", "objects?user=u_1", "objects?user=all&stream=events"] {
            let answer = sandbox.send("GET", "/_control/\(target)")
            #expect(answer.status == 400)
            #expect(try answer.string("error")?.isEmpty == false)
        }
        #expect(sandbox.send("POST", "/_control/edit?user=u_1&stream=customers&updates=1").status == 200)
        #expect(sandbox.send("GET", "/elsewhere").status == 404)
    }
}

@Suite struct `A flat JSON body` {
    @Test func `is read with escapes, numbers and words`() throws {
        let text = #" { "a" : "x\n\"\u00e9\ud83d\ude00\/" , "b":-1.5e3,"c":true,"d":null } "#

        let values = try FlatJSON.parse(Array(text.utf8))

        #expect(values == ["a": "x\n\"é😀/", "b": "-1.5e3", "c": "true"])
        #expect(try FlatJSON.parse(Array("{}".utf8)) == [:])
    }

    @Test(arguments: [
        "", "{", "[]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1}x"#, #"{"a":{}}"#, #"{"a":tru}"#,
        #"{"a":"\ud83d"}"#, #"{"a":"\x"}"#, #"{"a":"\u00g0"}"#, #"{"a":1,"a":2}"#, "{\"a\":\"\u{1}\"}",
        #"{"a":"#,
    ])
    func `of another kind is refused`(text: String) {
        #expect(throws: ControlRefusal.self) { try FlatJSON.parse(Array(text.utf8)) }
    }
}

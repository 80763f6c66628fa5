// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Slack's API` {
    /// All pages of a list, and how many objects each has.
    private func pages(
        _ sandbox: inout SandboxFixture, _ method: String, _ member: String,
        _ arguments: [(String, String)]
    ) throws -> (items: [[String: Any]], sizes: [Int]) {
        var items: [[String: Any]] = []
        var sizes: [Int] = []
        var cursor: String?
        for _ in 0..<200 {
            let answer = sandbox.slack(method, arguments + (cursor.map { [("cursor", $0)] } ?? []))
            #expect(try answer.json["ok"] as? Bool == true, "\(answer.text)")
            let page = try answer.items(member)
            items += page
            sizes.append(page.count)
            cursor = try (answer.json["response_metadata"] as? [String: Any])?["next_cursor"] as? String
            guard let next = cursor, !next.isEmpty else { return (items, sizes) }
        }
        throw SandboxError(.stopped, "the list has no end")
    }

    private func channel(_ sandbox: inout SandboxFixture, _ index: Int = 0) throws -> String {
        try sandbox.slack("conversations.list").ids("channels")[index]
    }

    @Test func `lists users over short and empty pages to the end`() throws {
        var sandbox = SandboxFixture()

        let (items, sizes) = try pages(&sandbox, "users.list", "members", [("limit", "4")])

        let ids = items.compactMap { $0["id"] as? String }
        #expect(ids.count == 25 && Set(ids).count == 25)
        #expect(sizes.contains(0) && sizes.contains(2))
        #expect(sizes.last ?? 0 > 0)
    }

    @Test func `shows deleted users and archived channels as such`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.edit(user: "u_1", service: "slack", stream: "users", deletes: 5))
        sandbox.control(.edit(user: "u_1", service: "slack", stream: "channels", deletes: 1))

        let users = try pages(&sandbox, "users.list", "members", []).items
        #expect(users.count == 25)
        #expect(users.count { $0["deleted"] as? Bool == true } == 5)
        #expect(sandbox.lines(.objects(user: "u_1", service: "slack", stream: "users")).count == 20)
        let channels = try sandbox.slack("conversations.list").items("channels")
        #expect(channels.count == 3 && channels.count { $0["is_archived"] as? Bool == true } == 1)
        let open = sandbox.slack("conversations.list", [("exclude_archived", "true")])
        #expect(try open.items("channels").count == 2)
        let archived = try #require(channels.first { $0["is_archived"] as? Bool == true }?["id"] as? String)
        #expect(
            try sandbox.slack("conversations.history", [("channel", archived)]).items("messages").count > 0)
        let post = sandbox.send(
            "POST", "/slack/api/chat.postMessage", key: "xoxb-u_1",
            body: SandboxFixture.form([("channel", archived), ("text", "x")]))
        #expect(try post.string("error") == "is_archived")
    }

    @Test func `gives a channel's messages newest first, without answers in threads`() throws {
        var sandbox = SandboxFixture()
        let channel = try channel(&sandbox)

        let (items, sizes) = try pages(
            &sandbox, "conversations.history", "messages", [("channel", channel), ("limit", "3")])

        let times = items.compactMap { $0["ts"] as? String }
        // 25 messages, of which 7, 8, 9, 17, 18 and 19 are answers.
        #expect(times.count == 19 && Set(times).count == 19)
        #expect(times == times.sorted(by: >))
        #expect(sizes.contains(0))
        let objects = sandbox.lines(.objects(user: "u_1", service: "slack", stream: "messages"))
        #expect(objects.filter { $0.hasPrefix("{\"external_id\":\"\(channel)/") }.count == 19)
        let roots = items.filter { $0["reply_count"] as? Int == 3 }
        #expect(roots.count == 2)
    }

    @Test func `bounds history by oldest and latest, each inclusive or not`() throws {
        var sandbox = SandboxFixture()
        let channel = ("channel", try channel(&sandbox))
        let all = try sandbox.slack("conversations.history", [channel]).items("messages").compactMap {
            $0["ts"] as? String
        }
        func times(_ arguments: [(String, String)]) throws -> [String] {
            try sandbox.slack("conversations.history", [channel] + arguments).items("messages").compactMap {
                $0["ts"] as? String
            }
        }

        #expect(try times([("oldest", all[5])]) == Array(all[0..<5]))
        #expect(try times([("oldest", all[5]), ("inclusive", "true")]) == Array(all[0...5]))
        #expect(try times([("latest", all[5])]) == Array(all[6...]))
        #expect(try times([("latest", all[5]), ("oldest", all[9]), ("inclusive", "1")]) == Array(all[5...9]))
        // Messages of one second differ in the digits behind the point.
        let second = String(all[9].prefix(10))
        #expect(try times([("oldest", second)]) == all.filter { $0 >= second })
        #expect(
            try sandbox.slack("conversations.history", [channel, ("oldest", "x")]).string("error")
                == "invalid_ts_oldest")
    }

    @Test func `gives a thread: its root, then the answers`() throws {
        var sandbox = SandboxFixture()
        let channel = ("channel", try channel(&sandbox))
        let root = try #require(
            try sandbox.slack("conversations.history", [channel]).items("messages")
                .first { $0["reply_count"] != nil }?["ts"] as? String)

        let thread = sandbox.slack("conversations.replies", [channel, ("ts", root)])

        let items = try thread.items("messages")
        #expect(items.count == 4)
        #expect(items.first?["ts"] as? String == root)
        #expect(items.dropFirst().allSatisfy { $0["thread_ts"] as? String == root })
        let byPage = try pages(
            &sandbox, "conversations.replies", "messages", [channel, ("ts", root), ("limit", "1")])
        #expect(Set(byPage.items.compactMap { $0["ts"] as? String }).count == 4)
        let answer = try #require(items.last?["ts"] as? String)
        #expect(
            try sandbox.slack("conversations.replies", [channel, ("ts", answer)]).items("messages").count == 4
        )
        #expect(
            try sandbox.slack("conversations.replies", [channel, ("ts", "1.000000")]).string("error")
                == "thread_not_found")
    }

    @Test func `lets deleted messages vanish, and their threads with them`() throws {
        var sandbox = SandboxFixture()
        let channel = try channel(&sandbox)
        let before = sandbox.lines(.objects(user: "u_1", service: "slack", stream: "replies")).count
        let root = try #require(
            try sandbox.slack("conversations.history", [("channel", channel)]).items("messages")
                .first { $0["reply_count"] != nil }?["ts"] as? String)

        sandbox.control(
            .edit(user: "u_1", service: "slack", stream: "messages", id: root, deletes: 1))

        let left = try sandbox.slack("conversations.history", [("channel", channel)]).items("messages")
        #expect(left.count == 18 && !left.contains { $0["ts"] as? String == root })
        #expect(
            try sandbox.slack("conversations.replies", [("channel", channel), ("ts", root)]).string("error")
                == "thread_not_found")
        #expect(sandbox.lines(.objects(user: "u_1", service: "slack", stream: "replies")).count == before - 3)
    }

    @Test func `writes a message from a form and from JSON, each request one message`() throws {
        var sandbox = SandboxFixture()
        let channel = try channel(&sandbox)
        let blocks = #"[{"type":"section","text":{"type":"mrkdwn","text":"*hé\n*"}}]"#
        let form = SandboxFixture.form([
            ("channel", channel), ("text", "Hallo \"Zoë\" ☕️"), ("blocks", blocks), ("client_msg_id", "m-1"),
        ])

        let first = sandbox.send("POST", "/slack/api/chat.postMessage", key: "xoxb-u_1", body: form)
        let json = sandbox.send(
            "POST", "/slack/api/chat.postMessage", key: "xoxb-u_1",
            headers: [("Content-Type", "application/json; charset=utf-8")],
            body:
                #"{"channel":"\#(channel)","text":"Hallo \"Zoë\" ☕️","blocks":\#(blocks),"client_msg_id":"m-1"}"#
        )

        let time = try #require(try first.string("ts"))
        let newest = sandbox.slack("conversations.history", [("channel", channel), ("limit", "2")])
        let messages = try newest.items("messages")
        #expect(messages.compactMap { $0["ts"] as? String } == [try json.string("ts"), time])
        #expect(messages.allSatisfy { $0["client_msg_id"] as? String == "m-1" })
        #expect(messages[0]["text"] as? String == "Hallo \"Zoë\" ☕️")
        #expect(newest.text.contains("\"blocks\":" + blocks))
        // Nothing made them one: the ledger shows two effects of one key.
        let writes = sandbox.lines(.ledger(key: "m-1"))
        #expect(writes.count == 2)
        #expect(writes[0].contains(#""write":{"key":"m-1","effect":"\#(channel)/\#(time)","replay":false}"#))
        #expect(sandbox.lines(.objects(user: "u_1", service: "slack", stream: "messages")).count == 59)
    }

    @Test func `writes into a thread`() throws {
        var sandbox = SandboxFixture()
        let channel = try channel(&sandbox)
        let newest = try #require(
            try sandbox.slack("conversations.history", [("channel", channel)]).items("messages").first?["ts"]
                as? String)

        let answer = sandbox.send(
            "POST", "/slack/api/chat.postMessage", key: "xoxb-u_1",
            body: SandboxFixture.form([("channel", channel), ("text", "yes"), ("thread_ts", newest)]))

        #expect(try (answer.json["message"] as? [String: Any])?["thread_ts"] as? String == newest)
        let thread = sandbox.slack("conversations.replies", [("channel", channel), ("ts", newest)])
        #expect(try thread.items("messages").last?["text"] as? String == "yes")
    }

    @Test func `refuses with status 200, in its own words`() throws {
        var sandbox = SandboxFixture()
        func error(_ method: String, _ arguments: [(String, String)] = [], key: String?) throws -> String? {
            let answer = sandbox.send(
                "GET", "/slack/api/\(method)" + SandboxFixture.query(arguments), key: key)
            #expect(answer.status == 200)
            return try answer.string("error")
        }

        #expect(try error("users.list", key: nil) == "not_authed")
        #expect(try error("users.list", key: "xoxb-u_9") == "invalid_auth")
        #expect(try error("users.list", [("cursor", "bad")], key: "xoxb-u_1") == "invalid_cursor")
        #expect(try error("users.list", [("limit", "-1")], key: "xoxb-u_1") == "invalid_limit")
        #expect(try error("users.info", [("user", "U1")], key: "xoxb-u_1") == "user_not_found")
        #expect(
            try error("conversations.history", [("channel", "C1")], key: "xoxb-u_1") == "channel_not_found")
        #expect(try error("files.list", key: "xoxb-u_1") == "unknown_method")
        sandbox.control(.revoke(user: "u_1"))
        #expect(try error("auth.test", key: "xoxb-u_1") == "token_revoked")
        sandbox.control(.fault(kind: "status", endpoint: "users.list", status: 200, error: "fatal_error"))
        #expect(try error("users.list", key: "xoxb-u_2") == "fatal_error")
    }

    @Test func `keeps its tiers for each method and workspace`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(.limits(service: "slack", isOn: true))
        let statuses = (0..<22).map { _ in sandbox.slack("users.list", [("limit", "1")]).status }

        #expect(statuses == Array(repeating: 200, count: 20) + [429, 429])
        let refused = sandbox.slack("users.list")
        #expect(try refused.string("error") == "ratelimited")
        let wait = try #require(refused.header("Retry-After").flatMap { Int($0) })
        #expect((60...62).contains(wait))
        #expect(sandbox.slack("conversations.list").status == 200)
        #expect(sandbox.slack("users.list", user: "u_2").status == 200)
        sandbox.time = sandbox.time.advanced(bySeconds: Double(wait))
        #expect(sandbox.slack("users.list").status == 200)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Foundation
import Testing

@testable import Sandbox

@Suite struct `Gmail's API` {
    /// All ids, and the pages that it took.
    private func ids(_ sandbox: inout SandboxFixture, _ query: [(String, String)] = []) throws -> [String] {
        var ids: [String] = []
        var token: String?
        for _ in 0..<100 {
            let answer = sandbox.gmail("messages", query + (token.map { [("pageToken", $0)] } ?? []))
            #expect(answer.status == 200, "\(answer.text)")
            if answer.text.contains("\"messages\"") { ids += try answer.ids("messages") }
            token = try answer.string("nextPageToken")
            if token == nil { return ids }
        }
        throw SandboxError(.stopped, "the list has no end")
    }

    /// All records of the history since a number.
    private func history(
        _ sandbox: inout SandboxFixture, since start: String, _ query: [(String, String)] = []
    ) throws -> (records: [[String: Any]], historyID: String) {
        var records: [[String: Any]] = []
        var token: String?
        while true {
            let answer = sandbox.gmail(
                "history",
                [("startHistoryId", start)] + query + (token.map { [("pageToken", $0)] } ?? []))
            #expect(answer.status == 200, "\(answer.text)")
            records += (try answer.json["history"] as? [[String: Any]]) ?? []
            token = try answer.string("nextPageToken")
            if token == nil { return (records, try #require(try answer.string("historyId"))) }
        }
    }

    private func profile(_ sandbox: inout SandboxFixture) throws -> String {
        try #require(try sandbox.gmail("profile").string("historyId"))
    }

    private func send(
        _ sandbox: inout SandboxFixture, _ mail: String, thread: String? = nil
    ) -> SandboxFixture.Answer {
        let raw = Base64.urlSafe.encode(Array(mail.utf8))
        let threadText = thread.map { ",\"threadId\":\"\($0)\"" } ?? ""
        return sandbox.send(
            "POST", "/gmail/v1/users/me/messages/send", key: "ya29.u_1",
            headers: [("Content-Type", "application/json")], body: "{\"raw\":\"\(raw)\"\(threadText)}")
    }

    @Test(arguments: ["1", "7", "25", "500"])
    func `lists ids newest first, page by page`(size: String) throws {
        var sandbox = SandboxFixture()

        let ids = try ids(&sandbox, [("maxResults", size)])

        #expect(ids.count == 25 && Set(ids).count == 25)
        let dates = try ids.map { id in
            try #require(try sandbox.gmail("messages/\(id)", [("format", "minimal")]).string("internalDate"))
        }
        #expect(dates == dates.sorted(by: >))
        #expect(try self.ids(&sandbox, [("labelIds", "STARRED")]).isEmpty)
        #expect(try self.ids(&sandbox, [("labelIds", "INBOX"), ("labelIds", "UNREAD")]).count == 25)
    }

    @Test func `gives a message in four formats`() throws {
        var sandbox = SandboxFixture()
        let id = try #require(try ids(&sandbox).first)
        func get(_ format: String) -> SandboxFixture.Answer {
            sandbox.gmail("messages/\(id)", [("format", format)])
        }

        let raw = try #require(try get("raw").string("raw"))
        let bytes = try #require(Base64.urlSafe.decode(raw))
        let text = try #require(MailText(bytes))
        #expect(text.first("message-id") == "<\(id)@mail.example.com>")
        #expect(text.first("to") == "u_1@example.com")
        let full = get("full")
        let payload = try #require(try full.json["payload"] as? [String: Any])
        let data = (payload["body"] as? [String: Any])?["data"] as? String
        #expect(data.flatMap { Base64.urlSafe.decode($0) } == text.body)
        #expect(full.text == sandbox.gmail("messages/\(id)").text)
        #expect(
            sandbox.lines(.objects(user: "u_1", service: "gmail", stream: "messages")).contains {
                $0 == "{\"external_id\":\"\(id)\",\"data\":\(full.text)}"
            })
        #expect(try get("minimal").json["payload"] == nil)
        #expect(try get("metadata").json["payload"] != nil)
        #expect(get("x").status == 400)
        #expect(sandbox.gmail("messages/0123456789abcdef").status == 404)
    }

    @Test func `tells in the history what was added, deleted and labelled since a number`() throws {
        var sandbox = SandboxFixture()
        let start = try profile(&sandbox)
        #expect(try history(&sandbox, since: start).records.isEmpty)
        sandbox.control(
            .edit(user: "u_1", service: "gmail", stream: "messages", creates: 3, updates: 4, deletes: 2))
        sandbox.control(.edit(user: "u_2", service: "gmail", stream: "messages", creates: 9))

        let (records, next) = try history(&sandbox, since: start, [("maxResults", "2")])

        #expect(records.count == 9)
        #expect(records.count { $0["messagesAdded"] != nil } == 3)
        #expect(records.count { $0["messagesDeleted"] != nil } == 2)
        #expect(records.count { $0["labelsRemoved"] != nil } == 4)
        let numbers = records.compactMap { ($0["id"] as? String).flatMap { Int($0) } }
        #expect(numbers == numbers.sorted() && numbers.first ?? 0 > Int(start) ?? 0)
        #expect(String(numbers.last ?? 0) == next)
        #expect(try history(&sandbox, since: next).records.isEmpty)
        let added = try history(&sandbox, since: start, [("historyTypes", "messageAdded")])
        #expect(added.records.count == 3)
        let unread = try history(&sandbox, since: start, [("labelId", "STARRED")])
        #expect(unread.records.isEmpty)
        let middle = try history(&sandbox, since: String(numbers[4]))
        #expect(middle.records.count == 4)
    }

    @Test func `forgets old history with 404: by age, or on demand`() throws {
        var sandbox = SandboxFixture { $0.historyHorizon = 10 }
        let start = try profile(&sandbox)
        sandbox.control(.edit(user: "u_1", service: "gmail", creates: 10))
        #expect(sandbox.gmail("history", [("startHistoryId", start)]).status == 200)
        sandbox.control(.edit(user: "u_1", service: "gmail", creates: 1))
        let gone = sandbox.gmail("history", [("startHistoryId", start)])
        #expect(gone.status == 404)
        #expect(try gone.reason == "notFound")

        let before = try profile(&sandbox)
        sandbox.control(.expireSyncTokens(user: "u_1"))
        #expect(sandbox.gmail("history", [("startHistoryId", before)]).status == 404)
        // A new number is good at once, without a change in between.
        let after = try profile(&sandbox)
        #expect(sandbox.gmail("history", [("startHistoryId", after)]).status == 200)
        #expect(sandbox.gmail("history", [("startHistoryId", "99999999")]).status == 404)
        #expect(sandbox.gmail("history").status == 400)
    }

    @Test func `sends a message, keeps its Message-ID, and finds it by that`() throws {
        var sandbox = SandboxFixture()
        let start = try profile(&sandbox)
        let mail =
            "To: to@example.com\r\nSubject: =?UTF-8?B?w6k=?=\r\nMessage-ID: <a+1@app.example>\r\n\r\nHi\r\n"
        #expect(try ids(&sandbox, [("q", "rfc822msgid:<a+1@app.example>")]).isEmpty)

        let sent = send(&sandbox, mail)

        let id = try #require(try sent.string("id"))
        #expect(try ids(&sandbox, [("q", "rfc822msgid:<a+1@app.example>")]) == [id])
        #expect(try ids(&sandbox, [("q", "rfc822msgid:a+1@app.example")]) == [id])
        let raw = try sandbox.gmail("messages/\(id)", [("format", "raw")]).string("raw")
        #expect(raw.flatMap { Base64.urlSafe.decode($0) } == Array(mail.utf8))
        #expect(try history(&sandbox, since: start).records.count == 1)
        let writes = sandbox.lines(.ledger(key: "<a+1@app.example>"))
        #expect(writes.count == 1 && writes[0].contains("\"effect\":\"\(id)\""))
        // Seeded messages are found in the same way, and the same mail twice is two messages.
        let seeded = try #require(try ids(&sandbox).last)
        #expect(try ids(&sandbox, [("q", "rfc822msgid:\(seeded)@mail.example.com")]) == [seeded])
        let reply = send(&sandbox, mail, thread: id)
        #expect(try reply.string("threadId") == id)
        #expect(try ids(&sandbox, [("q", "rfc822msgid:a+1@app.example")]).count == 2)
        #expect(send(&sandbox, "Subject: nobody\r\n\r\nx").status == 400)
        #expect(send(&sandbox, mail, thread: "0").status == 400)
    }

    @Test func `lists labels, watches and stops`() throws {
        var sandbox = SandboxFixture()
        let labels = try sandbox.gmail("labels").ids("labels")
        #expect(labels.contains("INBOX") && labels.contains("Label_1") && labels.count == 11)
        #expect(try sandbox.gmail("labels/Label_1").string("type") == "user")
        let watch = sandbox.send(
            "POST", "/gmail/v1/users/me/watch", key: "ya29.u_1",
            body: #"{"topicName":"projects/p/topics/t","labelIds":["INBOX"]}"#)
        #expect(try watch.string("expiration") == "604801000")
        #expect(try watch.string("historyId") == profile(&sandbox))
        #expect(sandbox.state.mailWatches[1]?.labels == ["INBOX"])
        #expect(sandbox.send("POST", "/gmail/v1/users/me/stop", key: "ya29.u_1").status == 204)
        #expect(sandbox.state.mailWatches.isEmpty)
        #expect(sandbox.send("POST", "/gmail/v1/users/me/watch", key: "ya29.u_1", body: "{}").status == 400)
    }

    @Test func `refuses in Google's form`() throws {
        var sandbox = SandboxFixture()
        let wrong = sandbox.send("GET", "/gmail/v1/users/me/profile", key: "ya29.nobody")
        #expect(wrong.status == 401)
        #expect(try wrong.reason == "authError")
        #expect(sandbox.send("GET", "/gmail/gmail/v1/users/other/profile", key: "ya29.u_1").status == 404)
        #expect(
            sandbox.send("GET", "/gmail/gmail/v1/users/u_1%40example.com/profile", key: "ya29.u_1").status
                == 200)
        sandbox.control(.fault(kind: "status", service: "gmail", status: 403, error: "quotaExceeded"))
        #expect(try sandbox.gmail("messages").reason == "quotaExceeded")
        for kind in ["repeated_token", "empty_next", "stale_page"] {
            let plain = sandbox.gmail("messages", [("maxResults", "10")])
            let token = try #require(try plain.string("nextPageToken"))
            sandbox.control(.fault(kind: kind, service: "gmail"))
            let twisted = sandbox.gmail("messages", [("maxResults", "10"), ("pageToken", token)])
            switch kind {
            case "repeated_token": #expect(try twisted.string("nextPageToken") == token)
            case "empty_next":
                #expect(try twisted.json["messages"] == nil && twisted.string("nextPageToken") != nil)
            default: #expect(try twisted.ids("messages") == plain.ids("messages"))
            }
        }
    }
}

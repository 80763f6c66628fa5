// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import JobQueue
import Model
import Testing

@testable import Gateway

@Suite struct `The API of actions` {
    private static let message = #"{"channel":"C1","text":"Hello"}"#

    private static func run(_ body: @Sendable @escaping (ApiFixture) async throws -> Void) async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                """
                INSERT INTO lockstep.integrations (user_id, service, account)
                VALUES ('u_1', 'slack', 'default'), ('u_1', 'slack', 'second'), ('u_2', 'stripe', 'default')
                """)
            try await body(fixture)
        }
    }

    private static func body(
        _ place: String = #""integration_id":1"#, name: String = "post_message", _ input: String = message
    ) -> String {
        #"{\#(place),"name":"\#(name)","input":\#(input)}"#
    }

    @Test func `accepts an action by any name of its integration, and enqueues it before all else`()
        async throws
    {
        try await Self.run { fixture in
            let first = try await fixture.call("POST", "/actions", body: Self.body())
            #expect(first.status == 202, "\(first.text)")
            #expect(try ApiFixture.member("status", first) == "requested")
            #expect(first.headers.first("location") == "/api/v1/actions/1")
            #expect(first.headers.first("idempotent-replayed") == nil)
            let job = try #require(try await fixture.queue.claim(limit: 1).jobs.first)
            #expect(job.id == "action:1" && job.queue == .high)

            let named = try await fixture.call(
                "POST", "/actions", body: Self.body(#""user_id":"u_1","service":"slack","account":"second""#))
            #expect(try ApiFixture.member("integration_id", named) == "2")
            let shown = try await fixture.call("GET", "/actions/{id}", id: "2")
            #expect(shown.status == 200 && shown.body == named.body)

            // Numbers are kept as they were sent, not as some reader understands them.
            let exact = try await fixture.call(
                "POST", "/actions",
                body: Self.body(
                    #""integration_id":1"#, #"{"channel":"C1","blocks":[12345678901234567890.10]}"#))
            #expect(exact.status == 202 && exact.text.contains("12345678901234567890.10"), "\(exact.text)")
        }
    }

    @Test func `gives the same action for the same key, and refuses the key for another wish`() async throws {
        try await Self.run { fixture in
            let first = try await fixture.call("POST", "/actions", body: Self.body(), key: "order-17")
            // Order and white space are no difference, nor is the name of the integration.
            let again = try await fixture.call(
                "POST", "/actions",
                body: Self.body(
                    #""user_id":"u_1","service":"slack""#, #"{ "text": "Hello", "channel": "C1" }"#),
                key: "order-17")
            #expect(first.status == 202 && again.status == 202 && first.body == again.body)
            #expect(again.headers.first("idempotent-replayed") == "true")
            for other in [
                Self.body(#""integration_id":1"#, #"{"channel":"C1","text":"hello"}"#),
                Self.body(#""integration_id":2"#),
            ] {
                let refused = try await fixture.call("POST", "/actions", body: other, key: "order-17")
                #expect(refused.status == 409 && refused.text.contains("idempotency_key_reused"))
            }
            // The key of an action outlives the day for which other answers are kept.
            try await fixture.sql("DELETE FROM lockstep.idempotency_keys")
            let later = try await fixture.call("POST", "/actions", body: Self.body(), key: "order-17")
            #expect(later.body == first.body)

            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try ApiFixture.member(
                            "id", try await fixture.call("POST", "/actions", body: Self.body(), key: "one"))
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(try ApiFixture.items(try await fixture.call("GET", "/actions")).count == 2)
        }
    }

    @Test(arguments: ["paused", "reauth_required", "disconnected"])
    func `gives the action of a key whatever its account is by now`(status: String) async throws {
        try await Self.run { fixture in
            let first = try await fixture.call("POST", "/actions", body: Self.body(), key: "order-17")
            try await fixture.sql("UPDATE lockstep.integrations SET status = '\(status)' WHERE id = 1")

            let again = try await fixture.call("POST", "/actions", body: Self.body(), key: "order-17")
            let other = try await fixture.call(
                "POST", "/actions",
                body: Self.body(#""integration_id":1"#, #"{"channel":"C1","text":"hello"}"#), key: "order-17")
            let fresh = try await fixture.call("POST", "/actions", body: Self.body(), key: "order-18")
            let keyless = try await fixture.call("POST", "/actions", body: Self.body())

            #expect(again.status == 202 && again.body == first.body)
            #expect(again.headers.first("idempotent-replayed") == "true")
            #expect(other.status == 409 && other.text.contains("idempotency_key_reused"))
            #expect(fresh.status == 409 && fresh.text.contains("not_active"))
            #expect(keyless.status == 409 && keyless.text.contains("not_active"))
            #expect(try ApiFixture.items(try await fixture.call("GET", "/actions")).count == 1)
        }
    }

    @Test func `says what is wrong with a wish, and stores nothing`() async throws {
        try await Self.run { fixture in
            try await fixture.sql("UPDATE lockstep.integrations SET status = 'paused' WHERE id = 2")
            let one = #""integration_id":1"#
            for (body, status, word) in [
                (Self.body(#""integration_id":99"#), 404, "unknown_integration"),
                (Self.body(#""user_id":"u_9","service":"slack""#), 404, "unknown_integration"),
                (Self.body(#""integration_id":2"#), 409, "paused"),
                (Self.body(#""integration_id":"1""#), 422, "whole number"),
                (Self.body(#""integration_id":1.5"#), 422, "whole number"),
                (Self.body(#""integration_id":1,"user_id":"u_1""#), 422, "is named by"),
                (Self.body(#""user_id":"u_1""#), 422, "is named by"),
                (Self.body(#""user_id":"u\u0000","service":"slack""#), 422, "user_id"),
                (Self.body(#""user_id":1,"service":"slack""#), 422, "user_id"),
                (Self.body(one, name: "dance"), 422, "post_message"),
                (Self.body(one, #"{"text":"Hello"}"#), 422, "channel"),
                (Self.body(one, #"{"channel":"C1","text":"a","colour":"red"}"#), 422, "colour"),
                (Self.body(one, "[]"), 422, "invalid_input"),
                (Self.body(one, #"{"channel":"C1","channel":"C2","text":"a"}"#), 400, "channel"),
                (#"{"integration_id":1,"input":{}}"#, 422, "'name'"),
                (#"{"integration_id":1,"name":"post_message","inputs":{}}"#, 422, "inputs"),
                ("[1]", 422, "object"), ("{", 400, "bad_json"), ("", 400, "bad_json"),
            ] {
                let answer = try await fixture.call("POST", "/actions", body: body)
                #expect(answer.status == status && answer.text.contains(word), "\(body): \(answer.text)")
            }
            for key in ["", "a b", String(repeating: "k", count: 256)] {
                let answer = try await fixture.call("POST", "/actions", body: Self.body(), key: key)
                #expect(answer.status == 400 && answer.text.contains("bad_idempotency_key"), "\(key)")
            }
            #expect(try await fixture.call("GET", "/actions/{id}", id: "1").status == 404)
            #expect(try await fixture.call("GET", "/actions", query: "?status=done").status == 400)
            #expect(try await fixture.call("GET", "/actions", query: "?integration=1").status == 400)
        }
    }

    @Test func `lists actions in pages, by integration, status and name`() async throws {
        try await Self.run { fixture in
            try await fixture.sql(
                """
                INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status)
                SELECT 1 + n % 2, CASE WHEN n < 3 THEN 'a' ELSE 'b' END, '{"secret": 1}', 'k' || n,
                    CASE WHEN n = 4 THEN 'failed' ELSE 'succeeded' END FROM generate_series(1, 5) n
                """)
            func all(_ filter: String = "") async throws -> [String] {
                var (ids, cursor) = ([String](), "")
                while true {
                    let answer = try await fixture.call(
                        "GET", "/actions", query: "?limit=2\(filter)\(cursor)")
                    #expect(answer.status == 200 && !answer.text.contains("secret"))
                    ids += try ApiFixture.items(answer).map { "\($0["id"] ?? "")" }
                    let next = try ApiFixture.member("next_cursor", answer)
                    if next == "<null>" { return ids }
                    cursor = "&cursor=\(next)"
                }
            }
            #expect(try await all() == ["5", "4", "3", "2", "1"])
            #expect(try await all("&integration_id=2") == ["5", "3", "1"])
            #expect(try await all("&status=failed") == ["4"])
            #expect(try await all("&name=a") == ["2", "1"])
            #expect(try await all("&name=b&integration_id=1") == ["4"])
        }
    }
}

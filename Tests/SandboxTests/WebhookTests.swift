// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Foundation
import NIOHTTP1
import Testing

@testable import Sandbox

@Suite struct `Notifications` {
    private static func serving(
        answering statuses: [Int] = [], _ body: (HTTPProbe, WebhookReceiver) async throws -> Void
    ) async throws {
        try await WebhookReceiver.run(answering: statuses) { receiver in
            try await SandboxServer.serving { probe in try await body(probe, receiver) }
        }
    }

    private static func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `of Stripe are signed events`() async throws {
        try await Self.serving { probe, receiver in
            try await probe.send(.edit(user: "u_1", stream: "customers", updates: 1))
            try await probe.send(.webhook(service: "stripe", url: receiver.url, secret: "whsec_x"))
            try await probe.send(.edit(user: "u_1", stream: "customers", updates: 2))
            try await probe.send(.edit(user: "u_1", stream: "events", updates: 2))

            let received = try await receiver.wait(for: 2)

            #expect(received.count == 2)
            let feed = try Self.json(try await probe.get("/stripe/v1/events", key: "sk_test_u_1").text)
            let ids = (feed["data"] as? [[String: Any]])?.compactMap { $0["id"] as? String }
            #expect(
                try received.map { try Self.json($0.body)["id"] as? String }.reversed()
                    == ids?.prefix(2).map { $0 })
            for one in received {
                let header = try #require(one.headers.first(name: "Stripe-Signature"))
                let parts = header.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1)[1] }
                let code = try HMAC.sha256(
                    key: Array("whsec_x".utf8), message: Array("\(parts[0]).\(one.body)".utf8))
                #expect(Hex.encode(code) == parts[1])
            }
        }
    }

    @Test func `of Slack are signed, and tried again with a number when they fail`() async throws {
        try await Self.serving(answering: [500, 404]) { probe, receiver in
            try await probe.send(.webhook(service: "slack", url: receiver.url, secret: "s3cret"))
            try await probe.send(.edit(user: "u_1", service: "slack", stream: "users", updates: 1))

            let received = try await receiver.wait(for: 3)

            #expect(received.map { $0.headers.first(name: "X-Slack-Retry-Num") } == [nil, "1", "2"])
            #expect(Set(received.map(\.body)).count == 1)
            let body = try Self.json(received[0].body)
            #expect((body["event"] as? [String: Any])?["type"] as? String == "user_change")
            let time = try #require(received[0].headers.first(name: "X-Slack-Request-Timestamp"))
            let code = try HMAC.sha256(
                key: Array("s3cret".utf8), message: Array("v0:\(time):\(received[0].body)".utf8))
            #expect(received[0].headers.first(name: "X-Slack-Signature") == "v0=" + Hex.encode(code))
            let id = try #require(body["event_id"] as? String)
            let deadline = ContinuousClock.now + .seconds(20)
            var lines = ""
            while ContinuousClock.now < deadline, !lines.contains("attempt=3") {
                lines = try await probe.send(.ledger(endpoint: "webhook", key: id)).text
            }
            #expect(lines.split(separator: "\n").count == 3)
            #expect(lines.contains(#""status":404"#))
        }
    }

    @Test func `of Google Calendar say that something changed, and nothing more`() async throws {
        try await Self.serving { probe, receiver in
            let watch = try await probe.post(
                "/google-calendar/calendar/v3/calendars/primary/events/watch", key: "ya29.u_1",
                headers: [("Content-Type", "application/json")],
                #"{"id":"ch-1","type":"web_hook","address":"\#(receiver.url)","token":"t\"1"}"#)
            #expect(watch.status == 200, "\(watch.text)")
            let resource = try #require(try Self.json(watch.text)["resourceId"] as? String)
            _ = try await receiver.wait(for: 1)
            try await probe.send(.edit(user: "u_1", stream: "events", updates: 3))

            let received = try await receiver.wait(for: 2)

            #expect(received.map { $0.headers.first(name: "X-Goog-Resource-State") } == ["sync", "exists"])
            #expect(received.map { $0.headers.first(name: "X-Goog-Message-Number") } == ["1", "2"])
            #expect(
                received.allSatisfy {
                    $0.body.isEmpty && $0.headers.first(name: "X-Goog-Channel-Token") == "t\"1"
                })
            #expect(received[1].headers.first(name: "X-Goog-Resource-ID") == resource)
            let stop = "/google-calendar/calendar/v3/channels/stop"
            let body = #"{"id":"ch-1","resourceId":"\#(resource)"}"#
            #expect(try await probe.post(stop, key: "ya29.u_2", body).status == 404)
            #expect(try await probe.post(stop, key: "ya29.u_1", body).status == 204)
            #expect(try await probe.post(stop, key: "ya29.u_1", body).status == 404)
        }
    }

    @Test func `of Gmail come as Pub/Sub pushes them, while a watch lasts`() async throws {
        try await Self.serving { probe, receiver in
            try await probe.send(.webhook(service: "gmail", url: receiver.url))
            try await probe.send(.edit(user: "u_2", service: "gmail", stream: "messages", updates: 1))
            let watch = try await probe.post(
                "/gmail/gmail/v1/users/me/watch", key: "ya29.u_1", #"{"topicName":"projects/p/topics/t"}"#)
            #expect(watch.status == 200)
            try await probe.send(.edit(user: "u_1", service: "gmail", stream: "messages", updates: 1))

            let received = try await receiver.wait(for: 1)

            let message = try #require(try Self.json(received[0].body)["message"] as? [String: Any])
            let data = try #require((message["data"] as? String).flatMap { Data(base64Encoded: $0) })
            let content = try Self.json(String(decoding: data, as: UTF8.self))
            #expect(content["emailAddress"] as? String == "u_1@example.com")
            let profile = try await probe.get("/gmail/v1/users/me/profile", key: "ya29.u_1").text
            #expect(try Self.json(profile)["historyId"] as? String == content["historyId"] as? String)
        }
    }

    @Test func `come twice or in another order on demand`() throws {
        var sandbox = SandboxFixture()
        sandbox.control(
            .webhook(service: "stripe", url: "http://127.0.0.1:1/", duplicates: true, reversed: 4))
        sandbox.control(.edit(user: "u_1", stream: "customers", updates: 3))
        sandbox.state.collectNotifications(at: sandbox.time)
        let events = try sandbox.stripe("events").ids("data")

        let order = sandbox.state.webhooks.waiting.map(\.id)

        #expect(order == [events[1], events[1], events[2], events[2], events[0], events[0]])
    }

    @Test func `are given up after the tries of their service`() {
        func tries(_ service: SandboxService, _ status: Int) -> Int {
            (1...20).first { WebhookRetry.wait(service, attempts: $0, status: status) == nil } ?? 0
        }

        #expect(tries(.slack, 500) == 4)
        #expect(tries(.stripe, 302) == 7)
        #expect(tries(.googleCalendar, 503) == 4)
        #expect(tries(.googleCalendar, 404) == 1)
        #expect(tries(.gmail, 0) == 8)
        #expect(tries(.slack, 204) == 1)
    }
}

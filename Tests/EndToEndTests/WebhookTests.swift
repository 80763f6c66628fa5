// SPDX-License-Identifier: Apache-2.0

import Cryptography
import DevCluster
import Foundation
import HTTPTransport
import Model
import PostgresClient
import RedisClient
import SyncStore
import Testing

/// Notifications from the sandbox through the gateway to the records. Schedules are off: nothing else brings a change.
@Suite(.serialized) struct `Notifications` {
    private static let isLong = ProcessInfo.processInfo.environment["CHAOS"] == "long"

    /// Changes objects, and sends forged notifications in between.
    private static func edit(_ hooks: WebhookCluster, _ service: String, path: String) async throws {
        for round in 1...3 {
            _ = try await hooks.cluster.control(
                "edit?user=u_1&service=\(service)&creates=4&updates=6&deletes=3")
            for (name, headers, body) in Self.forgeries(round) {
                let answer = try await hooks.post(path, headers: headers, body: body)
                #expect(answer.status == 401, "\(name)")
                #expect(answer.headers.first("Content-Type") == "application/problem+json")
            }
            try await ContinuousClock().sleep(for: .milliseconds(300))
        }
    }

    /// Requests that nobody has signed, in the form of each provider.
    private static func forgeries(
        _ round: Int
    ) -> [(name: String, headers: [(name: String, value: String)], body: [UInt8])] {
        let body = Array(
            #"{"id":"evt_forged\#(round)","type":"customer.deleted","data":{"object":{"id":"x"}}}"#.utf8)
        let now = "\(Timestamp.now().seconds)"
        let code = String(repeating: "0", count: 64)
        return [
            ("unsigned", [], body), ("stripe", [("Stripe-Signature", "t=\(now),v1=\(code)")], body),
            ("slack", [("X-Slack-Signature", "v0=\(code)"), ("X-Slack-Request-Timestamp", now)], body),
            ("gmail", [("Authorization", "Bearer e30.e30.AAAA")], body),
            (
                "google",
                [
                    ("X-Goog-Channel-ID", "c"), ("X-Goog-Channel-Token", "t"), ("X-Goog-Message-Number", "1"),
                    ("X-Goog-Resource-ID", "r"), ("X-Goog-Resource-State", "exists"),
                ], []
            ),
        ]
    }

    private static func check(_ hooks: WebhookCluster) async throws {
        try await hooks.settled()
        if let differences = try await hooks.verify() { Issue.record("\(differences)") }
        let rows = try await hooks.states()
        #expect(try await hooks.cluster.count("webhook_events WHERE status = 'done'") > 0, "\(rows)")
        #expect(try await hooks.cluster.count("webhook_events WHERE status = 'failed'") == 0, "\(rows)")
        #expect(try await hooks.cluster.count("webhook_events WHERE event_id LIKE '%forged%'") == 0)
        #expect(try await hooks.cluster.redis.command(["LLEN", "lockstep:dead"]).int == 0)
    }

    @Test func `of Stripe bring every change, doubled, reversed and forged as they come`() async throws {
        try await WebhookCluster.run { hooks in
            try await hooks.startGateway()
            let id = try await hooks.connect("stripe")
            try await hooks.sync("stripe")
            try await hooks.subscribe("stripe", path: "stripe/\(id)", secret: "whsec_new")

            try await Self.edit(hooks, "stripe", path: "stripe/\(id)")

            try await Self.check(hooks)
            #expect(try await hooks.cluster.count("deletions WHERE reason = 'webhook'") > 0)
            #expect(try await hooks.cluster.count("deletions WHERE reason = 'tombstone'") == 0)
        }
    }

    @Test func `of Slack bring every change, doubled, reversed and forged as they come`() async throws {
        try await WebhookCluster.run { hooks in
            try await hooks.startGateway()
            try await hooks.connect("slack")
            try await hooks.sync("slack")
            try await hooks.subscribe("slack", path: "slack", secret: WebhookCluster.slackSecret)
            // The workspace's name is that of the events.
            _ = try await hooks.cluster.control("edit?user=u_1&service=slack&stream=users&updates=1")
            try await hooks.settled()
            let team = try await hooks.cluster.pool.query(
                "SELECT account FROM lockstep.webhook_events WHERE status = 'ignored' AND integration_id = 0 LIMIT 1"
            ).text(0, 0)
            _ = try await hooks.cluster.pool.query(
                "UPDATE lockstep.integrations SET config = jsonb_build_object('webhook_account', $1::text)",
                [.text(try #require(team))])
            try await hooks.cluster.push(#"{"user_id":"u_1","service":"slack","type":"incremental"}"#)
            try await hooks.cluster.until(
                "sync_log WHERE type = 'incremental' AND status = 'succeeded'", is: 1)

            try await Self.edit(hooks, "slack", path: "slack")

            try await Self.check(hooks)
        }
    }

    @Test func `of Gmail bring every change of a mailbox that is watched`() async throws {
        try await WebhookCluster.run { hooks in
            try await hooks.startGateway()
            try await hooks.connect(
                "gmail",
                config: #"{"pubsub_topic":"projects/p/topics/gmail","webhook_account":"u_1@example.com"}"#)
            try await hooks.subscribe("gmail", path: "gmail", secret: WebhookCluster.pusher)
            try await hooks.sync("gmail")
            try await hooks.cluster.until("webhook_channels WHERE status = 'active'", is: 1)

            try await Self.edit(hooks, "gmail", path: "gmail")

            try await Self.check(hooks)
        }
    }

    @Test func `of Google Calendar come by channels that are made, and made again`() async throws {
        try await WebhookCluster.run { hooks in
            try await hooks.startGateway()
            try await hooks.connect("google-calendar")
            try await hooks.sync("google-calendar")
            let calendars = try await hooks.cluster.count(
                "records WHERE stream = 'calendars' AND deleted_at IS NULL")
            try await hooks.cluster.until("webhook_channels WHERE status = 'active'", is: calendars + 1)

            try await Self.edit(hooks, "google-calendar", path: "google-calendar")
            try await Self.check(hooks)

            // Their time has come: the scheduler sees it, and a sync renews them.
            _ = try await hooks.cluster.pool.query(
                "UPDATE lockstep.webhook_channels SET renew_at = now() - interval '1 minute'")
            try await hooks.cluster.until(
                "webhook_channels WHERE status = 'active' AND renew_at > now() + interval '5 days'",
                is: calendars + 1)
            try await Self.edit(hooks, "google-calendar", path: "google-calendar")
            try await Self.check(hooks)
        }
    }

    @Test func `that got 2xx are done once, whenever the gateway dies`() async throws {
        try await WebhookCluster.run { hooks in
            let id = try await hooks.connect("stripe")
            try await hooks.sync("stripe")
            try await hooks.subscribe("stripe", path: "stripe/\(id)", secret: "whsec_old")
            var environment = hooks.cluster.processes.environment
            environment["LOCKSTEP_LISTEN"] = "127.0.0.1:\(hooks.port)"
            environment["LOCKSTEP_PRIVATE_LISTEN"] = "127.0.0.1:0"
            let rounds = Self.isLong ? 20 : 4
            for round in 1...rounds {
                let gateway = try await ChildProcess.start(
                    name: "gateway", program: "\(Cluster.programs)/lockstep", arguments: ["gateway"],
                    environment: environment, log: "/dev/null")
                for _ in 0..<10 {
                    _ = try await hooks.cluster.control(
                        "edit?user=u_1&service=stripe&stream=customers&creates=2&updates=3&deletes=1")
                    try await ContinuousClock().sleep(for: .milliseconds(200))
                }
                gateway.signal(SIGKILL)
                #expect(await gateway.wait() != .code(0), "round \(round)")
            }
            try await hooks.startGateway()

            try await hooks.settled()

            let delivered = try await Self.delivered(hooks)
            #expect(delivered.count > rounds * 10)
            let rows = try await hooks.cluster.pool.query(
                "SELECT event_id FROM lockstep.webhook_events WHERE status = 'done'")
            let done = (0..<rows.count).compactMap { rows.text($0, 0) }
            #expect(Set(done).count == done.count)
            #expect(delivered.subtracting(done) == [])
            #expect(try await hooks.verify() == nil)
        }
    }

    /// The ids of the events that the sandbox got 2xx for.
    private static func delivered(_ hooks: WebhookCluster) async throws -> Set<String> {
        struct Line: Decodable {
            struct Write: Decodable { let key: String? }
            let status: Int
            let write: Write?
        }
        let text = String(
            decoding: try await hooks.cluster.control("ledger?endpoint=webhook&limit=100000", method: "GET"),
            as: UTF8.self)
        let lines = try text.split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        return Set(lines.filter { (200..<300).contains($0.status) }.compactMap { $0.write?.key })
    }
}

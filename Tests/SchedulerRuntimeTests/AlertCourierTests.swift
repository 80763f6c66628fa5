// SPDX-License-Identifier: Apache-2.0

import Actions
import Alerts
import BuiltinConnectors
import ConnectorKit
import DeclarativeConnectors
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing
import Webhooks

@testable import SchedulerRuntime

/// The one secret that these tests sign with.
private let secret = SecretString("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")

extension SchedulerFixture {
    fileprivate func courier(to server: ScriptedServer, allowed: Bool = true) throws -> AlertCourier {
        var client = HTTPClientConfiguration()
        if allowed { client.addressPolicy = .allowing(hosts: [server.origin]) }
        let http = HTTPClient(configuration: client, logger: Self.quiet)
        return AlertCourier(
            outbox: AlertOutbox(pool: pool),
            ways: [
                .webhook: AlertWays.webhook(
                    to: SecretString(server.url("/hook?key=k")), signer: try #require(WebhookSigner(secret)),
                    http: http)
            ], logger: Self.quiet)
    }

    fileprivate func alert(_ subject: String = "") async throws -> Int64 {
        try #require(
            try await AlertStore(pool: pool).open(
                AlertCause(kind: "backlog", subject: subject), title: "Jobs <wait>", detail: "d & more",
                cooldown: .zero))
    }

    fileprivate func resolve(_ id: Int64) async throws {
        _ = try await pool.query("UPDATE lockstep.alerts SET resolved_at = now() WHERE id = $1", [.int(id)])
    }

    /// As if every wait and every lease were over.
    fileprivate func hurry() async throws {
        _ = try await pool.query("UPDATE lockstep.alert_deliveries SET due_at = now()")
    }

    fileprivate func deliveries() async throws -> [String] {
        let rows = try await pool.query(
            "SELECT event || ' ' || status || ' ' || attempts FROM lockstep.alert_deliveries ORDER BY id")
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }
}

@Suite struct `A courier of alerts` {
    @Test func `tells each opening and each resolution, signed, in this order`() async throws {
        try await SchedulerFixture.run { fixture in
            let server = try ScriptedServer { _ in [.reply("204 No Content")] }
            let courier = try fixture.courier(to: server)
            // What was opened before anybody was to be told is not told, nor is its end.
            let early = try await fixture.alert("early")
            try await courier.announce()
            try await fixture.resolve(early)
            let id = try await fixture.alert("low")
            try await fixture.resolve(id)
            try await fixture.resolve(id)
            // The resolution waits for its opening.
            #expect(try await courier.deliver() == 1)
            #expect(try await courier.deliver() == 1)
            #expect(try await courier.deliver() == 0)

            let requests = server.log.requests
            #expect(
                requests.map { $0.header("webhook-id") } == ["alert_\(id)_opened", "alert_\(id)_resolved"])
            for request in requests {
                try WebhookScheme.standardWebhooks.verify(
                    WebhookRequest(
                        method: "POST", url: "", headers: HTTPHeaders(request.headers), body: request.body),
                    secrets: [secret], now: .now())
            }
            let body = try #require(
                try JSONSerialization.jsonObject(with: Data(requests[1].body)) as? [String: Any])
            let data = try #require(body["data"] as? [String: Any])
            #expect(body["type"] as? String == "alert.resolved")
            #expect(data["subject"] as? String == "low" && data["title"] as? String == "Jobs <wait>")
            #expect(data["service"] is NSNull && data["resolved_at"] is String)
            #expect(try await fixture.deliveries() == ["opened sent 1", "resolved sent 1"])
        }
    }

    @Test func `tells again with the same id when it was killed between sending and noting it`() async throws
    {
        try await SchedulerFixture.run { fixture in
            let server = try ScriptedServer { _ in [.reply()] }
            let courier = try fixture.courier(to: server)
            try await courier.announce()
            _ = try await fixture.alert()
            let outbox = AlertOutbox(pool: fixture.pool)
            // A scheduler that sent, and died.
            #expect(try await outbox.claim([.webhook], lease: .seconds(60), limit: 8).count == 1)
            #expect(try await courier.deliver() == 0)
            try await fixture.hurry()
            #expect(try await courier.deliver() == 1)
            #expect(try await fixture.deliveries() == ["opened sent 2"])
        }
    }

    @Test func `tries again after failures, and at last gives up where it can be seen`() async throws {
        try await SchedulerFixture.run { fixture in
            let count = LockedBox(0)
            let server = try ScriptedServer { _ in
                switch count.withLock({ count in
                    count += 1
                    return count
                }) {
                case 1: [.reply("500 Internal Server Error")]
                case 2: [.reset]
                default: [.reply("302 Found", headers: "Location: /x\r\n")]
                }
            }
            let courier = try fixture.courier(to: server)
            try await courier.announce()
            let id = try await fixture.alert()
            for _ in 0..<DeliveryOutcome.policy.maxAttempts {
                try await fixture.hurry()
                try await courier.deliver()
            }
            #expect(try await fixture.deliveries() == ["opened dead \(DeliveryOutcome.policy.maxAttempts)"])
            #expect(Set(server.log.requests.map { $0.header("webhook-id") }) == ["alert_\(id)_opened"])
            let told = try await AlertStore(pool: fixture.pool).list(all: false, before: nil, limit: 1).first?
                .told
            #expect(told == "webhook dead (status 302)")
        }
    }

    @Test func `gives up at once when the receiver is gone`() async throws {
        try await SchedulerFixture.run { fixture in
            let server = try ScriptedServer { _ in [.reply("410 Gone")] }
            let courier = try fixture.courier(to: server)
            try await courier.announce()
            _ = try await fixture.alert()
            try await courier.deliver()
            #expect(try await fixture.deliveries() == ["opened dead 1"])
        }
    }

    @Test func `connects to no private address that the operator has not named`() async throws {
        try await SchedulerFixture.run { fixture in
            let server = try ScriptedServer { _ in [.reply()] }
            let courier = try fixture.courier(to: server, allowed: false)
            try await courier.announce()
            _ = try await fixture.alert()
            try await courier.deliver()
            #expect(server.log.accepted == 0)
            let error = try await fixture.pool.query("SELECT error FROM lockstep.alert_deliveries").text(0, 0)
            #expect(error?.hasPrefix("address_refused") == true)
            #expect(error?.contains("key=") == false)
        }
    }

    @Test func `posts into Slack by an action, once however often it is told`() async throws {
        try await SchedulerFixture.run { fixture in
            let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
            let desk = ActionDesk(
                store: ActionStore(pool: fixture.pool), integrations: IntegrationStore(pool: fixture.pool),
                queue: fixture.queue, connector: { registry.connector(for: $0) })
            let key = IntegrationKey(userID: "u_1", service: "slack")
            let courier = AlertCourier(
                outbox: AlertOutbox(pool: fixture.pool),
                ways: [.slack: AlertWays.slack(desk, through: .key(key), channel: "C1")],
                logger: SchedulerFixture.quiet)
            try await courier.announce()
            let id = try await fixture.alert()
            try await courier.deliver()
            // The account is not there yet.
            #expect(try await fixture.deliveries() == ["opened pending 1"])

            try await fixture.integrations(1, service: "slack")
            for _ in 0..<3 {
                _ = try await fixture.pool.query("UPDATE lockstep.alert_deliveries SET status = 'pending'")
                try await fixture.hurry()
                try await courier.deliver()
            }
            let rows = try await fixture.pool.query(
                "SELECT name, idempotency_key, input ->> 'channel', input ->> 'text' FROM lockstep.actions")
            #expect(rows.count == 1)
            #expect(rows.text(0, 0) == "post_message" && rows.text(0, 1) == "lockstep:alert_\(id)_opened")
            #expect(rows.text(0, 2) == "C1" && rows.text(0, 3) == "Alert: Jobs &lt;wait&gt;\nd &amp; more")
            let jobs = try await fixture.queue.claim(limit: 10).jobs
            #expect(jobs.map(\.payload.type) == [.action])
        }
    }
}

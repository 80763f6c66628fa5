// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing
import Webhooks

/// Alerts and the change feed of a cluster of processes that are killed while they tell.
@Suite(.serialized) struct `What a cluster tells others` {
    private static let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    /// The environment of a process that may tell the receiver.
    private func environment(_ cluster: Cluster, _ receiver: ScriptedServer) -> [String: String] {
        let known = cluster.processes.environment["LOCKSTEP_SERVICE_URLS"] ?? ""
        return cluster.processes.environment.merging([
            "LOCKSTEP_SERVICE_URLS": "\(known),receiver=http://\(receiver.origin)"
        ]) { $1 }
    }

    private func until(
        _ what: String, _ location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(120))
        while try await !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("not in time: \(what)", sourceLocation: location)
                return
            }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
    }

    private func isSigned(_ request: ScriptedServer.Request, with secret: String) -> Bool {
        let claimed = WebhookRequest(
            method: "POST", url: "", headers: HTTPHeaders(request.headers), body: request.body)
        do throws(WebhookRefusal) {
            try WebhookScheme.standardWebhooks.verify(claimed, secrets: [SecretString(secret)], now: .now())
            return true
        } catch {
            return false
        }
    }

    /// The messages that the sandbox's Slack has posted.
    private func messages(_ cluster: Cluster) async throws -> Int {
        let ledger = try await cluster.control(
            "ledger?service=slack&endpoint=chat.postMessage", method: "GET")
        return try ledger.split(separator: UInt8(ascii: "\n")).count { line in
            let entry = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
            return (entry?["write"] as? [String: Any])?["effect"] is String
        }
    }

    @Test func `of alerts survives the death of a scheduler that has just told it`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 10, starting: false) { cluster in
            let isSilent = LockedBox(true)
            let receiver = try ScriptedServer { _ in
                isSilent.withLock { $0 } ? [.hang] : [.reply("204 No Content")]
            }
            try await cluster.connect(IntegrationKey(userID: "u_1", service: "slack"))
            let lines = try await cluster.control(
                "objects?user=u_1&service=slack&stream=channels", method: "GET")
            let line = try #require(lines.split(separator: UInt8(ascii: "\n")).first)
            let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
            let channel = try #require(object?["external_id"] as? String)
            let environment = environment(cluster, receiver).merging([
                "LOCKSTEP_ALERT_WEBHOOK_URL": receiver.url("/alerts"),
                "LOCKSTEP_ALERT_WEBHOOK_SECRET": Self.secret,
                "LOCKSTEP_ALERT_SLACK": "u_1#\(channel)",
            ]) { $1 }
            try await cluster.processes.startWorker()
            let log = "\(cluster.directory)/first.log"
            let first = try await ChildProcess.start(
                name: "first", program: "\(Cluster.programs)/lockstep-scheduler", arguments: [],
                environment: environment, log: log)
            try await until("both ways are known") { try await cluster.count("alert_channels") == 2 }

            // A trouble that the scheduler sees by itself.
            _ = try await cluster.pool.query(
                """
                INSERT INTO lockstep.api_log (service, method, endpoint, status_code, duration_ms, bytes)
                SELECT 'stripe', 'GET', '/v1/customers', 500, 1, 0 FROM generate_series(1, 11)
                """)
            try await until("an alert is told") { !receiver.log.requests.isEmpty }
            first.signal(SIGKILL)
            _ = await first.wait()
            isSilent.withLock { $0 = false }
            // Nobody waits here for the lease of the dead one.
            _ = try await cluster.pool.query("UPDATE lockstep.alert_deliveries SET due_at = now()")
            try await cluster.processes.startScheduler(environment)
            try await until("it is told again") {
                try await cluster.count("alert_deliveries WHERE channel = 'webhook' AND status = 'sent'") == 1
            }
            let requests = receiver.log.requests
            #expect(requests.count == 2)
            #expect(Set(requests.map { $0.header("webhook-id") }).count == 1)
            #expect(requests.allSatisfy { isSigned($0, with: Self.secret) })
            try await until("it is posted") {
                try await cluster.count("actions WHERE status = 'succeeded'") == 1
            }
            #expect(try await messages(cluster) == 1)

            let listed = try `The command`.rows(
                try await `The command`.lockstep("alerts", "list", "--json", environment: environment))
            #expect(listed.map { $0["kind"] } == ["error_burst"] && listed.first?["service"] == "stripe")
            #expect(listed.first?["told"] == "slack sent, webhook sent")

            _ = try await cluster.pool.query("UPDATE lockstep.alerts SET resolved_at = now()")
            try await until("its end is told") {
                try await cluster.count("alert_deliveries WHERE event = 'resolved' AND status = 'sent'") == 2
            }
            try await until("its end is posted") { try await messages(cluster) == 2 }
            for path in [log, cluster.processes.log(of: "scheduler")] {
                #expect(try !String(contentsOfFile: path, encoding: .utf8).contains("MDEyMzQ1"))
            }
            #expect(
                try `The command`.rows(
                    try await `The command`.lockstep("alerts", "list", "--json", environment: environment)
                ).isEmpty)
        }
    }

    @Test func `of changes reaches the receiver whole, whoever dies meanwhile`() async throws {
        try await Cluster.run(workers: 0, users: 1, objects: 300, starting: false) { cluster in
            let seen = LockedBox<[String: Int]>([:])
            let receiver = try ScriptedServer { request in
                let id = request.header("webhook-id") ?? ""
                let count = seen.withLock { seen in
                    seen[id, default: 0] += 1
                    return seen.count
                }
                // In the middle of it the receiver falls silent for the first that tells it.
                return count == 60 ? [.hang] : [.reply()]
            }
            let environment = environment(cluster, receiver)
            let added = try await `The command`.lockstep(
                "subscriptions", "add", receiver.url("/changes?token=abc"), "--service", "stripe", "--json",
                environment: environment)
            #expect(added.code == 0, "\(added.text)")
            let answer = try JSONSerialization.jsonObject(with: Data(added.output.utf8)) as? [String: Any]
            let secret = try #require(answer?["secret"] as? String)
            let id = try #require(answer?["id"] as? Int)

            try await cluster.connect("stripe", users: 1)
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#)
            let overrides = ["LOCKSTEP_SERVICE_URLS": environment["LOCKSTEP_SERVICE_URLS"] ?? ""]
            let first = try await cluster.processes.startWorker(overrides)
            try await until("half of it is told") { seen.withLock { $0.count } >= 60 }
            #expect(cluster.processes.signal(first, SIGKILL))
            _ = await cluster.processes.exit(of: first)
            let second = try await cluster.processes.startWorker(overrides)
            try await cluster.until("sync_log WHERE status = 'succeeded'", atLeast: 1)
            _ = try await cluster.pool.query(
                "UPDATE lockstep.subscriptions SET owned_until = now() - interval '1 s'")
            let expected = try await cluster.count("records")
            #expect(expected > 300)
            try await until("all of it is told") { seen.withLock { $0.count } >= Int(expected) }

            let requests = receiver.log.requests
            #expect(requests.allSatisfy { isSigned($0, with: secret) })
            struct Body: Decodable {
                struct Data: Decodable {
                    let stream: String
                    let external_id: String
                }
                let data: Data
            }
            let told = try Set(
                requests.map { request in
                    let body = try JSONDecoder().decode(Body.self, from: Data(request.body))
                    return "\(body.data.stream)/\(body.data.external_id)"
                })
            #expect(told.count == Int(expected))
            let shown = try await `The command`.lockstep(
                "subscriptions", "show", "\(id)", environment: environment)
            #expect(shown.code == 0 && shown.output.contains("status: active"), "\(shown.text)")
            #expect(!shown.output.contains(secret))
            for name in [first, second] {
                let log = try String(contentsOfFile: cluster.processes.log(of: name), encoding: .utf8)
                #expect(!log.contains(secret.dropFirst(6)) && !log.contains("token=abc"))
            }
            for (arguments, code) in [
                (["pause", "\(id)"], Int32(0)), (["resume", "\(id)"], 0), (["replay", "\(id)"], 64),
                (["replay", "\(id)", "--from", "x"], 64), (["replay", "\(id)", "--dead"], 0), (["list"], 0),
                (["add", "http://example.com/"], 64), (["add", "https:///x"], 64), (["remove", "\(id)"], 0),
                (["show", "\(id)"], 66),
            ] {
                let result = try await `The command`.lockstep(
                    ["subscriptions"] + arguments, environment: environment)
                #expect(result.code == code, "\(arguments): \(result.text)")
            }
        }
    }
}

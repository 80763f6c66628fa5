// SPDX-License-Identifier: Apache-2.0

import Credentials
import DevCluster
import Foundation
import HTTPTransport
import Logging
import Model
import PostgresClient
import Settings
import SyncStore
import TestSupport
import Testing
import Vault

/// A cluster whose sandbox notifies a gateway of each change.
struct WebhookCluster {
    let cluster: Cluster
    let port: Int
    let http: HTTPClient

    static let slackSecret = "slack-app-secret"
    static let pusher = "push@project.iam.gserviceaccount.com"

    /// Starts everything but the gateway.
    static func run(
        workers: Int = 2, users: Int = 1, objects: Int = 60, _ body: (WebhookCluster) async throws -> Void
    ) async throws {
        let port = try RedisServer.freePort()
        let environment = [
            "LOCKSTEP_PUBLIC_URL": "http://127.0.0.1:\(port)", "LOCKSTEP_WEBHOOK_SLACK_SECRET": slackSecret,
            "LOCKSTEP_WEBHOOK_GMAIL_SECRET": pusher,
            // Nobody waits here for the twenty requests a minute of a real workspace.
            "LOCKSTEP_LIMITS": "slack.tier2=50/s burst 50,slack.tier3=50/s burst 50",
        ]
        try await Cluster.run(workers: workers, users: users, objects: objects, extra: environment) {
            cluster in
            var client = HTTPClientConfiguration()
            client.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
            let http = HTTPClient(configuration: client, logger: Logger(label: "http"))
            let running = Task { try await http.run() }
            defer { running.cancel() }
            // Only notifications bring what changes.
            _ = try await cluster.pool.query("UPDATE lockstep.schedules SET enabled = false")
            try await body(WebhookCluster(cluster: cluster, port: port, http: http))
        }
    }

    func startGateway() async throws {
        _ = try await cluster.processes.startGateway(["LOCKSTEP_LISTEN": "127.0.0.1:\(port)"])
    }

    /// Connects u_1 on a service, with a secret of its own where each account signs with one.
    @discardableResult
    func connect(_ service: String, account: String = "default", config: String = "{}") async throws -> Int64
    {
        let key = IntegrationKey(userID: "u_1", service: service, account: account)
        let id = try await IntegrationStore(pool: cluster.pool).add(key, configuration: Array(config.utf8)).id
        let secrets =
            switch service {
            case "stripe": ["api_key": "sk_test_u_1", "webhook_secret": "whsec_old whsec_new"]
            case "slack": ["access_token": "xoxb-u_1"]
            default: ["access_token": "ya29.u_1"]
            }
        let vault = CredentialVault(keys: try KeyRing(cluster.settings.keys))
        try await CredentialWriter(vault: vault, store: CredentialStore(pool: cluster.pool)).write(
            secrets.mapValues { SecretString($0) }, to: id)
        return id
    }

    /// A full sync, to its end.
    func sync(_ service: String, account: String = "default") async throws {
        try await cluster.push(
            #"{"user_id":"u_1","service":"\#(service)","account":"\#(account)","type":"full"}"#)
        try await cluster.until(
            "sync_log WHERE service = '\(service)' AND type = 'full' AND status = 'succeeded'", is: 1)
    }

    /// Sends the sandbox's notifications to the gateway: each twice, seven at a time in reverse order.
    func subscribe(_ service: String, path: String, secret: String) async throws {
        let url = "http://127.0.0.1:\(port)/webhooks/\(path)"
        _ = try await cluster.control(
            "webhooks?service=\(service)&url=\(url)&secret=\(secret)&user=u_1&duplicates=1&reversed=7")
    }

    /// Waits until all that the sandbox had to say is settled.
    func settled(within limit: Duration = .seconds(180)) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        var quiet = 0
        while quiet < 20 {
            guard ContinuousClock.now < deadline else {
                Issue.record("notifications were not settled: \(try await states())")
                return
            }
            let stats = String(decoding: try await cluster.control("stats", method: "GET"), as: UTF8.self)
            let isSent = stats.contains(#""notifications_waiting":0"#)
            let open = try await cluster.count("webhook_events WHERE status IN ('received', 'processing')")
            quiet = isSent && open == 0 ? quiet + 1 : 0
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
    }

    func states() async throws -> [String] {
        let rows = try await cluster.pool.query(
            "SELECT status || ' ' || event_type || ' ' || coalesce(error, '') || ' ' || count(*) FROM lockstep.webhook_events GROUP BY status, event_type, error"
        )
        return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    }

    /// What `lockstep verify` says; nil when nothing differs.
    func verify() async throws -> String? {
        let result = try await `The command`.lockstep(
            "verify", "--explain", "100000", environment: cluster.processes.environment)
        guard result.code != 0 else { return nil }
        return "\(result.code): \(result.text)"
    }

    /// Sends a request to the gateway; the status of the answer.
    func post(
        _ path: String, headers: [(name: String, value: String)], body: [UInt8]
    ) async throws -> HTTPResponse {
        try await http.send(
            HTTPRequest(
                method: "POST", url: "http://127.0.0.1:\(port)/webhooks/\(path)", headers: headers, body: body
            ))
    }
}

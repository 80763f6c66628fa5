// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Credentials
import Cryptography
import DeclarativeConnectors
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import SyncStore
import TestSupport
import Vault

@testable import WebhookIntake

/// An intake with a ledger and a queue of its own, which runs for the duration of a test.
struct IntakeFixture {
    let url: String
    let pool: PostgresPool
    let queue: JobQueue
    let vault: CredentialVault
    let intake: WebhookIntake
    let integrations: IntegrationStore
    let store: WebhookStore

    static let slackSecret = "8f742231b10e8888abcd99yyyzzz85a5"
    static let now = Timestamp(seconds: 1_700_000_000)

    static func run(
        publicURL: String? = "https://example.com", _ body: (IntakeFixture) async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let url = try await PostgresServer.makeDatabase()
        var settings = try PostgresConfiguration(url: url)
        settings.maxConnections = 4
        let pool = PostgresPool(configuration: settings)
        _ = try await Migrator(pool: pool).migrate()
        let (redisURL, prefix) = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: redisURL, keyPrefix: prefix)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: logger)
        var queueSettings = JobQueueConfiguration()
        queueSettings.prefix = prefix
        let queue = JobQueue(redis: redis, configuration: queueSettings)
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let keys = "k1:\(Base64.standard.encode(try SecureRandom.bytes(32)))"
        let vault = CredentialVault(keys: try KeyRing(parsing: SecretString(keys)))
        let store = WebhookStore(pool: pool)
        let http = HTTPClient(configuration: HTTPClientConfiguration(), logger: logger)
        let intake = WebhookIntake(
            store: store, queue: queue, vault: vault, http: http,
            connector: { registry.connector(for: $0) },
            configuration: WebhookIntake.Configuration(
                publicURL: publicURL,
                secrets: { service in
                    switch service {
                    case "slack": [SecretString(slackSecret)]
                    case "hubspot", "github", "shopify": [SecretString("hush")]
                    default: []
                    }
                }),
            logger: logger, now: { Self.now })
        // All end with the test.
        let running = [
            Task { try await redis.run() }, Task { try await http.run() }, Task { try await intake.run() },
        ]
        defer { for task in running { task.cancel() } }
        try await body(
            IntakeFixture(
                url: url, pool: pool, queue: queue, vault: vault, intake: intake,
                integrations: IntegrationStore(pool: pool), store: store))
        await pool.close()
    }

    /// Adds an integration whose notifications are signed with `secret`.
    func add(_ key: IntegrationKey, config: String = "{}", secret: String? = nil) async throws -> Int64 {
        let id = try await integrations.add(key, configuration: Array(config.utf8)).id
        if let secret {
            try await CredentialWriter(vault: vault, store: CredentialStore(pool: pool)).write(
                ["webhook_secret": SecretString(secret)], to: id)
        }
        return id
    }

    /// An event of Slack as Slack would send it now.
    func slack(
        _ body: String, secret: String = slackSecret, integration: String? = nil, at time: Timestamp = now
    ) throws -> WebhookDelivery {
        let stamp = "\(time.seconds)"
        let code = try HMAC.sha256(
            key: Array(secret.utf8), message: Array("v0:\(stamp):\(body)".utf8))
        return WebhookDelivery(
            service: "slack", integration: integration,
            url: "https://example.com/webhooks/slack" + (integration.map { "/\($0)" } ?? ""),
            headers: HTTPHeaders([
                ("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", "v0=" + Hex.encode(code)),
            ]), body: Array(body.utf8))
    }

    /// Events of HubSpot as HubSpot would send them now.
    func hubspot(_ body: String, query: String = "", signing signed: String? = nil) throws -> WebhookDelivery
    {
        let url = "https://example.com/webhooks/hubspot" + query
        let stamp = "\(Self.now.milliseconds)"
        let code = try HMAC.sha256(
            key: Array("hush".utf8), message: Array("POST\(signed ?? url)\(body)\(stamp)".utf8))
        return WebhookDelivery(
            service: "hubspot", url: url,
            headers: HTTPHeaders([
                ("X-HubSpot-Request-Timestamp", stamp),
                ("X-HubSpot-Signature-v3", Base64.standard.encode(code)),
            ]), body: Array(body.utf8))
    }

    /// An event of GitHub.
    func github(_ body: String, delivery: String, type: String = "issues") throws -> WebhookDelivery {
        let code = try HMAC.sha256(key: Array("hush".utf8), message: Array(body.utf8))
        return WebhookDelivery(
            service: "github", url: "https://example.com/webhooks/github",
            headers: HTTPHeaders([
                ("X-Hub-Signature-256", "sha256=" + Hex.encode(code)), ("X-GitHub-Delivery", delivery),
                ("X-GitHub-Event", type),
            ]), body: Array(body.utf8))
    }

    /// An event of Shopify.
    func shopify(_ body: String, topic: String, shop: String) throws -> WebhookDelivery {
        let code = try HMAC.sha256(key: Array("hush".utf8), message: Array(body.utf8))
        return WebhookDelivery(
            service: "shopify", url: "https://example.com/webhooks/shopify",
            headers: HTTPHeaders([
                ("X-Shopify-Hmac-Sha256", Base64.standard.encode(code)), ("X-Shopify-Topic", topic),
                ("X-Shopify-Shop-Domain", shop), ("X-Shopify-Webhook-Id", "w"),
            ]), body: Array(body.utf8))
    }

    static func event(_ id: String, team: String = "T1", user: String = "U1") -> String {
        #"{"type":"event_callback","event_id":"\#(id)","team_id":"\#(team)","event":{"type":"user_change","user":{"id":"\#(user)"}}}"#
    }

    /// The status of the answer; a problem's when it was refused.
    func status(_ delivery: WebhookDelivery) async -> Int {
        do throws(WebhookProblem) {
            return try await intake.receive(delivery).status
        } catch {
            return error.status
        }
    }

    /// What is in the ledger: `service account event_id type status integration`, a line each, in order.
    func rows() async throws -> [String] {
        let rows = try await pool.query(
            """
            SELECT concat_ws(' ', service, account, event_id, event_type, status, integration_id)
            FROM lockstep.webhook_events ORDER BY id
            """)
        return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    }
}

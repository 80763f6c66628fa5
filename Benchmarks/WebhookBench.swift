// SPDX-License-Identifier: Apache-2.0

import Cryptography
import DevCluster
import Foundation
import Model
import PostgresClient
import SyncStore

/// (h) Notifications at a gateway process, beside its Postgres: how soon they are answered, and a deaf route for comparison.
struct WebhookBench {
    let environment: BenchEnvironment

    private static let perSecond = 2_000.0
    private static let seconds = 20
    private static let integrations = 200
    private static let connections = 128
    private static let secret = "whsec_bench"

    func run() async throws {
        Report.title("(h) 2,000 notifications a second at one gateway, each durable before its answer")
        let (port, _) = try await environment.cluster.startGateway([
            "LOCKSTEP_WEBHOOK_STRIPE_SECRET": Self.secret
        ])
        let store = IntegrationStore(pool: environment.pool)
        for number in 0..<Self.integrations {
            let key = IntegrationKey(userID: "w_\(number)", service: "stripe", account: "acct_\(number)")
            _ = try await store.add(key, configuration: Array("{}".utf8))
        }
        let loop = OpenLoop(port: port, connections: Self.connections, perSecond: Self.perSecond)
        let count = Int(Self.perSecond) * Self.seconds
        let deaf = Array("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\r\n".utf8)
        let limit = try loop.run(Array(repeating: deaf, count: count / 4))
        Report.line("limit: p99 of an answer that says nothing", limit.quantile(0.99), "ms")

        _ = try loop.run(try (0..<count / 10).map { try Self.notification("warm", $0, port) })
        let outcome = try loop.run(try (0..<count).map { try Self.notification("evt", $0, port) })

        Report.line("p50 of the answer", outcome.quantile(0.5), "ms")
        Report.line("p99 of the answer", outcome.quantile(0.99), "ms", target: "target under 10")
        Report.line("slowest answer", outcome.quantile(1), "ms")
        Report.line("answers", Double(count) / outcome.seconds, "answers/s", limit: Self.perSecond)
        let kept = try await environment.pool.query(
            "SELECT count(*) FROM lockstep.webhook_events WHERE event_id LIKE 'evt_%'"
        ).int(0, 0)
        guard outcome.statuses == [200: count], kept == Int64(count) else {
            throw BenchFailure("\(outcome.statuses) answers, but \(kept ?? -1) of \(count) rows")
        }
        _ = await environment.cluster.stopGateway()
    }

    /// A request of about the size of Stripe's, signed now.
    private static func notification(_ name: String, _ number: Int, _ port: Int) throws -> [UInt8] {
        let filler = (0..<40).map { "\"member_\($0)\":null," }.joined()
        let body = """
            {"id":"\(name)_\(number)","object":"event","account":"acct_\(number % integrations)","api_version":"2024-06-20",\
            "data":{"object":{"id":"cus_\(number)","object":"customer",\(filler)\
            "balance":0}},"type":"customer.updated"}
            """
        let time = Timestamp.now().seconds
        let code = try HMAC.sha256(key: Array(secret.utf8), message: Array("\(time).\(body)".utf8))
        let head = """
            POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Type: application/json\r\n\
            Stripe-Signature: t=\(time),v1=\(Hex.encode(code))\r\nContent-Length: \(body.utf8.count)\r\n\r\n
            """
        return Array((head + body).utf8)
    }
}

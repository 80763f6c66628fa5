// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient

/// (g) The gateway's pages over a large fleet: how long they take and how large they are. The gateway is a process of its own; the
/// time is that of a request over the loopback, the server's and a little more.
struct PageBench {
    let environment: BenchEnvironment
    let integrations: Int

    /// Runs of each integration within the last day, and as many before it.
    private static let runsPerDay = 10
    private static let services = [
        "stripe", "slack", "gmail", "google-calendar", "hubspot", "github", "jira", "notion",
    ]
    private static let requests = 200
    private static let token = "bench"

    func run() async throws {
        Report.title(
            "(g) pages over \(integrations) integrations, \(2 * Self.runsPerDay * integrations) runs; ms at the median, the 99th percentile, the worst"
        )
        try await fillLedger()
        try await fillQueue()
        let ports = try await environment.cluster.startGateway(["LOCKSTEP_ADMIN_TOKEN": Self.token])
        let root = "http://127.0.0.1:\(ports.privatePort)"
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: ["127.0.0.1:\(ports.privatePort)"])
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let http = HTTPClient(configuration: configuration, logger: logger)
        let cookie = try await signIn(http, root)
        let run = try await number("SELECT max(id) FROM lockstep.sync_log WHERE integration_id = 1")
        for path in [
            "/", "/integrations", "/integrations?service=slack", "/integrations?user_id=u_77",
            try await far(http, root, "/integrations", cookie), "/integrations/77", "/integrations/1",
            "/integrations/1/quarantine", "/runs/\(run)", try await far(http, root, "/runs/\(run)", cookie),
            "/dead-letters", try await far(http, root, "/dead-letters", cookie), "/sweeps", "/schedules",
        ] {
            try await measure(http, root, path, [("Cookie", cookie)])
        }
        let bearer: [(name: String, value: String)] = [("Authorization", "Bearer \(Self.token)")]
        for path in ["integrations", "integrations/77", "runs", "runs?status=failed", "actions", "health"] {
            try await measure(http, root, "/api/v1/\(path)", bearer)
        }
        await environment.cluster.stopGateway()
    }

    // MARK: - Measuring

    private func signIn(_ http: HTTPClient, _ root: String) async throws -> String {
        let answer = try await http.send(
            HTTPRequest(
                method: "POST", url: "\(root)/signin",
                headers: [("Content-Type", "application/x-www-form-urlencoded")],
                body: Array("token=\(Self.token)".utf8)))
        guard let cookie = answer.headers.first("set-cookie")?.split(separator: ";").first else {
            throw BenchFailure("signing in gave \(answer.status)")
        }
        return String(cookie)
    }

    /// The address of a page's tenth successor.
    private func far(
        _ http: HTTPClient, _ root: String, _ path: String, _ cookie: String
    ) async throws -> String {
        var path = path
        for _ in 0..<10 {
            let answer = try await http.send(
                HTTPRequest(method: "GET", url: root + path, headers: [("Cookie", cookie)]))
            let text = String(decoding: answer.body, as: UTF8.self)
            guard let end = text.firstRange(of: "\">Next page</a>"),
                let start = text[..<end.lowerBound].range(of: "href=\"", options: .backwards)
            else { throw BenchFailure("\(path) has no next page") }
            path = String(text[start.upperBound..<end.lowerBound]).replacingOccurrences(
                of: "&amp;", with: "&")
        }
        return path
    }

    private func measure(
        _ http: HTTPClient, _ root: String, _ path: String, _ headers: [(name: String, value: String)]
    ) async throws {
        var times: [Double] = []
        var (size, first) = (0, 0.0)
        let isPage = !path.hasPrefix("/api/")
        for index in 0...Self.requests {
            // The API answers a hundred requests a second.
            if !isPage { try await ContinuousClock().sleep(for: .milliseconds(12)) }
            let start = ContinuousClock.now
            let answer = try await http.send(HTTPRequest(method: "GET", url: root + path, headers: headers))
            let time = Double(start.duration(to: .now).wholeMicroseconds) / 1e3
            guard answer.status == 200 else { throw BenchFailure("\(path) gave \(answer.status)") }
            // The first one reads what no cache has yet.
            if index == 0 { first = time } else { times.append(time) }
            size = max(size, answer.body.count)
            // A page that takes seconds has shown what it is after a few.
            if times.reduce(0, +) > 20_000 { break }
        }
        times.sort()
        let (median, late) = (times[times.count / 2], times[times.count * 99 / 100])
        let verdict = isPage && (late > 50 || size > 100_000) ? "MISSED" : ""
        print(
            "  \(path.prefix(52).padding(toLength: 54, withPad: " ", startingAt: 0))"
                + String(
                    format: "%8.1f %8.1f %8.1f ms %8.1f KB  first %.1f ms  %@", median, late,
                    times.last ?? 0, Double(size) / 1e3, first, verdict))
        fflush(nil)
    }

    // MARK: - Filling

    private func fillLedger() async throws {
        let names = Self.services.map { "'\($0)'" }.joined(separator: ", ")
        for statement in [
            """
            INSERT INTO lockstep.integrations (user_id, service, account, status, config)
            SELECT 'u_' || n / 2, (ARRAY[\(names)])[1 + n % \(Self.services.count)], 'a' || n,
                CASE WHEN n % 97 = 0 THEN 'paused' WHEN n % 89 = 0 THEN 'reauth_required' ELSE 'active' END, '{}'
            FROM generate_series(0, \(integrations - 1)) n
            """,
            """
            INSERT INTO lockstep.sync_state (integration_id, stream, last_success_at, last_full_at)
            SELECT i.id, 's' || s, now() - interval '5 min', now() - interval '3 days'
            FROM lockstep.integrations i, generate_series(1, 3) s
            """,
            // In the order of time, as a fleet writes them: the rows of one integration lie far from each other.
            """
            INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker,
                fence, started_at, completed_at, pages, api_calls, records_read, records_added, error_code, error_message)
            SELECT 'job_' || r || '_' || i.id, 1, i.id, i.user_id, i.service, i.account, 'incremental',
                CASE WHEN failed THEN 'failed' ELSE 'succeeded' END, 'worker-1', r,
                at, at + interval '2 s', 2, 2, 20, 1, CASE WHEN failed THEN 'transient' END,
                CASE WHEN failed THEN 'The service did not answer.' END
            FROM generate_series(1, \(2 * Self.runsPerDay)) r, lockstep.integrations i,
                LATERAL (SELECT (i.id * 31 + r) % 50 = 0 AS failed,
                    now() - (\(2 * Self.runsPerDay + 1) - r) * interval '140 min' AS at) t
            ORDER BY r, i.id
            """,
            """
            INSERT INTO lockstep.sync_log_streams (sync_id, stream, pages, records_read, cursor_before, cursor_after, ended_by)
            SELECT l.id, 's' || s, 1, 10, md5(l.id::text), md5(s::text), 'next_token_absent'
            FROM lockstep.sync_log l, generate_series(1, 3) s WHERE l.fence = \(2 * Self.runsPerDay)
            """,
            """
            INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id)
            SELECT 1, 's1', 'r' || n, jsonb_build_object('id', n, 'name', md5(n::text)), 1 FROM generate_series(1, 300000) n
            """,
            """
            INSERT INTO lockstep.api_log (at, integration_id, service, method, endpoint, status_code, duration_ms, bytes, request_id, sync_id)
            SELECT now() - n * interval '10 ms', 1, 'stripe', 'GET', '/v1/customers', 200, 120, 40000, md5(n::text),
                CASE WHEN n <= 20000 THEN (SELECT max(id) FROM lockstep.sync_log WHERE integration_id = 1) ELSE n END
            FROM generate_series(1, 500000) n
            """,
            """
            INSERT INTO lockstep.quarantine (integration_id, stream, external_id, reason, raw, sync_id, raw_hash)
            SELECT 1, 's' || n % 3, convert_to('x' || n, 'UTF8'), 'nul_character', convert_to(repeat(md5(n::text), 30), 'UTF8'), 1,
                convert_to(n::text, 'UTF8') FROM generate_series(1, 20000) n
            """,
            """
            INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
            SELECT 'reauth_required', service, id, 'An account has to be connected again', 'the provider refused the token'
            FROM lockstep.integrations WHERE status = 'reauth_required'
            """,
            """
            INSERT INTO lockstep.sweeps (integration_id, stream, generation, sync_id, status, live, absent)
            SELECT id, 's1', 1, 1, 'held', 1000, 600 FROM lockstep.integrations WHERE id % 500 = 0
            """,
            """
            INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status)
            SELECT 1 + n % \(integrations), 'post_message', '{"channel": "C1", "text": "Hello"}', 'k' || n, 'succeeded'
            FROM generate_series(1, 100000) n
            """,
            """
            INSERT INTO lockstep.schedules (name, cron, type, service)
            SELECT 's' || n, 'H H * * *', 'full', 'stripe' FROM generate_series(1, 150) n
            """,
            "VACUUM ANALYZE",
        ] {
            _ = try await environment.pool.query(statement)
        }
    }

    private func fillQueue() async throws {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let redis = RedisClient(
            configuration: try RedisConfiguration(url: environment.cluster.servers.redisURL), logger: logger)
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        for start in stride(from: 0, to: integrations, by: 1_000) {
            let payloads = (start..<start + 1_000).map {
                RedisArgument("{\"integration_id\":\($0 + 1),\"type\":\"incremental\"}")
            }
            _ = try await redis.command(["LPUSH", "lockstep:queue:low"] + payloads)
        }
        for start in stride(from: 0, to: 10_000, by: 1_000) {
            let letters = (start..<start + 1_000).map { number in
                RedisArgument(
                    #"{"payload":{"integration_id":\#(number),"type":"full","id":"dead-\#(number)"},"code":"transient","reason":"The service did not answer.","detail":"eight attempts failed","id":"dead-\#(number)","queue":"low","attempts":8,"failed_at":"2026-01-01T00:00:00Z"}"#
                )
            }
            _ = try await redis.command(["LPUSH", "lockstep:dead"] + letters)
        }
    }

    private func number(_ sql: String) async throws -> Int64 {
        try await environment.pool.query(sql).int(0, 0) ?? 0
    }
}

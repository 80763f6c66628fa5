// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import JobQueue
import Model
import PostgresClient
import RedisClient
import Testing

@testable import Gateway

@Suite struct `The API` {
    private static let seed = """
        INSERT INTO lockstep.integrations (user_id, service)
        SELECT 'u_' || n, CASE WHEN n % 2 = 0 THEN 'stripe' ELSE 'slack' END FROM generate_series(1, 7) n;
        """
    private static let runs = """
        INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
            completed_at, error_code, error_message)
        SELECT 'j' || n, 1, 1, 'u_1', 'slack', 'default', 'full', CASE WHEN n = 5 THEN 'failed' ELSE 'succeeded' END, 'w', n,
            now(), CASE WHEN n = 5 THEN 'auth' END, CASE WHEN n = 5 THEN 'Reconnect "Slack".' END
        FROM generate_series(1, 5) n
        """
    private static let records = """
        INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id)
        SELECT 1, 's' || n % 2, '"' || n || E'\\\\' || chr(9), '{"n": 1}', 1 FROM generate_series(1, 6) n
        """

    @Test func `is what it describes, and describes what it is`() async throws {
        let described = try ApiDocument(ApiDescription.bytes).operations
        try await ApiFixture.run { fixture in
            try await fixture.sql(Self.seed)
            try await fixture.sql(Self.runs)
            try await fixture.sql(Self.records)
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log_streams (sync_id, stream) SELECT id, 's' FROM lockstep.sync_log;
                """)
            try await fixture.sql(
                """
                INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
                VALUES (1, 's', 'x', 'absence', 1)
                """)
            try await fixture.sql(
                """
                INSERT INTO lockstep.sweeps (integration_id, stream, generation, sync_id, status, live, absent)
                SELECT 1, 's' || n, 1, 1, 'held', 100, 60 FROM generate_series(1, 2) n
                """)
            try await fixture.sql(
                "INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail) VALUES ('k', 'slack', 1, 't', 'd')"
            )
            try await fixture.sql("INSERT INTO lockstep.sync_state (integration_id, stream) VALUES (1, 's')")
            try await fixture.dead(
                "{\"user_id\":\"u\",\"service\":\"none\",\"type\":\"full\",\"id\":\"dead-1\"}")

            try await fixture.call("GET", "/openapi.json", token: nil)
            try await fixture.call("GET", "/integrations")
            try await fixture.call("GET", "/integrations/{id}", id: "1")
            try await fixture.call(
                "POST", "/integrations/{id}/sync", id: "1", body: #"{"type":"full","streams":["s"]}"#)
            try await fixture.call("POST", "/integrations/{id}/pause", id: "2")
            try await fixture.call("POST", "/integrations/{id}/resume", id: "2", body: "{}")
            try await fixture.watch(integration: 3)
            let ended = try await fixture.call(
                "POST", "/integrations/{id}/disconnect", id: "3", body: #"{"force":true}"#)
            #expect(
                ended.text
                    == #"{"status":"disconnected","tokens":"nothing_stored","reason":null,"watches_ended":0,"#
                    + #""watches_left":1,"watches_reason":"there is no credential","#
                    + #""watches_left_until":"2100-01-02T03:04:05Z"}"#)
            try await fixture.call("GET", "/integrations/{id}/records", id: "1")
            try await fixture.call("GET", "/integrations/{id}/deletions", id: "1")
            try await fixture.call("GET", "/runs")
            try await fixture.call("GET", "/runs/{id}", id: "5")
            try await fixture.sql(
                """
                INSERT INTO lockstep.api_log (service, method, endpoint, duration_ms, bytes, sync_id)
                VALUES ('slack', 'GET', '/api/users.list', 7, 0, 5)
                """)
            try await fixture.call("GET", "/runs/{id}/requests", id: "5")
            try await fixture.sql(
                """
                INSERT INTO lockstep.quarantine (integration_id, stream, reason, raw, sync_id, raw_hash)
                VALUES (1, 's', 'missing_id', '{}', 5, 'h')
                """)
            try await fixture.call("GET", "/quarantine")
            try await fixture.call(
                "POST", "/actions",
                body: #"{"integration_id":5,"name":"post_message","input":{"channel":"C1","text":"Hi"}}"#)
            try await fixture.call("GET", "/actions")
            try await fixture.call("GET", "/actions/{id}", id: "1")
            try await fixture.call("GET", "/dead-letters")
            try await fixture.call("POST", "/dead-letters/{id}/replay", id: "dead-1")
            try await fixture.call("GET", "/sweeps")
            try await fixture.call("POST", "/sweeps/{id}/approve", id: "1")
            try await fixture.call("POST", "/sweeps/{id}/reject", id: "2")
            try await fixture.call("GET", "/health")
            try await fixture.call("POST", "/connect-links", body: #"{"user_id":"u","service":"stripe"}"#)
            #expect(fixture.called.withLock { $0 } == described)
        }
    }

    @Test func `is for who has the token`() async throws {
        try await ApiFixture.run { fixture in
            for wrong in [nil, "", "t0ken", ApiFixture.token + "x"] {
                let answer = try await fixture.call("GET", "/integrations", token: wrong)
                #expect(answer.status == 401 && answer.headers.first("www-authenticate") == "Bearer")
            }
            #expect(try await fixture.call("POST", "/sweeps/{id}/approve", id: "1", token: nil).status == 401)
            let basic = try await fixture.served.send(
                "GET", "/api/v1/runs", headers: [("Authorization", "Basic \(ApiFixture.token)")],
                toPrivate: true)
            #expect(basic.status == 401)
            // Who guesses is slowed down; who knows is not.
            var statuses: Set<Int> = []
            for _ in 0..<40 {
                statuses.insert(try await fixture.call("GET", "/runs", token: "guess").status)
            }
            #expect(statuses == [401, 429])
            #expect(try await fixture.call("GET", "/runs").status == 200)
        }
        try await ApiFixture.run(token: nil) { fixture in
            let closed = try await fixture.call("GET", "/runs")
            #expect(closed.status == 403 && closed.text.contains("LOCKSTEP_ADMIN_TOKEN"))
        }
        try await ApiFixture.run(ratePerSecond: 2) { fixture in
            var answers: [HTTPResponse] = []
            for _ in 0..<12 { answers.append(try await fixture.call("GET", "/runs")) }
            let refused = answers.filter { $0.status == 429 }
            #expect(!refused.isEmpty && refused.allSatisfy { $0.headers.first("retry-after") != nil })
        }
    }

    @Test func `gives lists in pages, and no item twice or not at all`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(Self.seed)
            try await fixture.sql(Self.runs)
            try await fixture.sql(Self.records)
            let start = ContinuousClock.now
            func all(_ path: String, id: String = "", _ filter: String = "") async throws -> [String] {
                var (ids, cursor) = ([String](), "")
                while true {
                    let answer = try await fixture.call(
                        "GET", path, id: id, query: "?limit=2\(filter)\(cursor)")
                    ids += try ApiFixture.items(answer).map { "\($0["id"] ?? "")" }
                    let hasMore = try ApiFixture.member("has_more", answer)
                    if hasMore != "1" && hasMore != "true" { return ids }
                    cursor = "&cursor=\(try ApiFixture.member("next_cursor", answer))"
                }
            }
            #expect(try await all("/integrations") == (1...7).map { "\($0)" })
            #expect(try await all("/integrations", "&service=stripe") == ["2", "4", "6"])
            #expect(try await all("/integrations", "&user_id=u_3") == ["3"])
            #expect(try await all("/runs") == ["5", "4", "3", "2", "1"])
            #expect(try await all("/runs", "&status=failed") == ["5"])
            while try await all("/integrations/{id}/records", id: "1").count < 6,
                start.duration(to: .now) < .seconds(30)
            {}
            #expect(try await all("/integrations/{id}/records", id: "1") == (1...6).map { "\"\($0)\\\t" })
            #expect(try await all("/integrations/{id}/records", id: "1", "&stream=s0").count == 3)

            let end = try await fixture.call("GET", "/integrations/{id}/records", id: "1")
            let cursor = try ApiFixture.member("next_cursor", end)
            try await fixture.sql(
                "UPDATE lockstep.records SET deleted_at = now() WHERE external_id LIKE '\"4%'")
            // A transaction of another test on this server holds the horizon back.
            var changed: [[String: Any]] = []
            let deadline = ContinuousClock.now + .seconds(30)
            while changed.isEmpty, ContinuousClock.now < deadline {
                changed = try ApiFixture.items(
                    try await fixture.call(
                        "GET", "/integrations/{id}/records", id: "1", query: "?cursor=\(cursor)"))
            }
            #expect(changed.count == 1 && changed.first?["deleted"] as? Bool == true)
            #expect(changed.first?["data"] is NSNull)

            let one = try await fixture.call("GET", "/integrations/{id}", id: "1")
            #expect(
                one.text.contains(#""health": "degraded""#) && one.text.contains(#"Reconnect \"Slack\"."#))
        }
    }

    @Test func `tells the health of accounts as the view does, and looks at no other account for it`()
        async throws
    {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                """
                INSERT INTO lockstep.integrations (user_id, service, status)
                SELECT 'u_' || n, 'slack', CASE WHEN n % 7 = 0 THEN 'paused' WHEN n % 11 = 0 THEN 'reauth_required' ELSE 'active' END
                FROM generate_series(1, 60) n
                """)
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
                    started_at, completed_at)
                SELECT 'j', 1, i, 'u', 'slack', 'default', CASE WHEN n % 5 = 4 THEN 'action' ELSE 'full' END,
                    CASE WHEN (i * 7 + n * 3) % (2 + i % 9) = 0 THEN 'failed' ELSE 'succeeded' END, 'w', n,
                    now() - n * interval '5 hours', now()
                FROM generate_series(1, 55) i, generate_series(0, i % 8) n
                """)
            let answer = try await fixture.call("GET", "/integrations", query: "?limit=100")
            let told = try ApiFixture.items(answer).map { "\($0["id"] ?? "") \($0["health"] ?? "")" }
            let rows = try await fixture.pool.query(
                """
                SELECT integration_id || ' ' || status FROM lockstep.integration_health WHERE scope = 'integration'
                ORDER BY integration_id
                """)
            #expect(told == (0..<rows.count).compactMap { rows.text($0, 0) })
            #expect(Set(told.compactMap { $0.split(separator: " ").last }).count >= 5)

            let plan = try await fixture.pool.query(
                "EXPLAIN SELECT status FROM lockstep.integration_health WHERE integration_id = 7")
            let text = (0..<plan.count).compactMap { plan.text($0, 0) }.joined(separator: "\n")
            #expect(text.contains("integration_id = 7") && !text.contains("CTE Scan"), "\(text)")
        }
    }

    @Test func `says what is wrong with a request`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(Self.seed)
            for (path, query) in [
                ("/integrations", "?limit=0"), ("/integrations", "?limit=x"),
                ("/integrations", "?cursor=AAAA"),
                ("/integrations", "?servcie=slack"), ("/runs", "?integration_id=one"),
                ("/integrations", "?cursor=\(PageCursor.make(.runs, [1]))"),
            ] {
                #expect(try await fixture.call("GET", path, query: query).status == 400, "\(path)\(query)")
            }
            for id in ["0", "-1", "01", "x", "99", "9999999999999999999999"] {
                #expect(try await fixture.call("GET", "/integrations/{id}", id: id).status == 404, "\(id)")
            }
            for (body, word) in [
                (#"{"type":"webhook"}"#, "backfill"), (#"{"kind":"full"}"#, "kind"), ("[]", "object"),
                (#"{"streams":"s"}"#, "streams"), (#"{"type":"backfill"}"#, "since"),
                (#"{"since":1}"#, "since"),
            ] {
                let answer = try await fixture.call("POST", "/integrations/{id}/sync", id: "1", body: body)
                #expect(answer.status == 422 && answer.text.contains(word), "\(body): \(answer.text)")
            }
            #expect(
                try await fixture.call("POST", "/integrations/{id}/sync", id: "1", body: "{").status == 400)
            let form = try await fixture.served.send(
                "POST", "/api/v1/integrations/1/sync",
                headers: [("Authorization", "Bearer \(ApiFixture.token)"), ("Content-Type", "text/plain")],
                body: Array("{}".utf8), toPrivate: true)
            #expect(form.status == 415)
            try await fixture.sql("UPDATE lockstep.integrations SET status = 'reauth_required' WHERE id = 1")
            #expect(try await fixture.call("POST", "/integrations/{id}/sync", id: "1").status == 409)
            #expect(try await fixture.call("POST", "/integrations/{id}/pause", id: "1").status == 409)
            #expect(try await fixture.call("POST", "/sweeps/{id}/approve", id: "9").status == 404)
            #expect(try await fixture.call("POST", "/dead-letters/{id}/replay", id: "none").status == 404)
            #expect(try await fixture.call("POST", "/connect-links", body: #"{"user_id":"u"}"#).status == 422)
            #expect(
                try await fixture.call("POST", "/connect-links", body: #"{"user_id":"u","service":"x"}"#)
                    .status == 422)
        }
    }

    @Test func `does once what comes again with the same key`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(Self.seed)
            func jobs() async throws -> Int {
                let statistics = try await fixture.queue.statistics()
                return Queue.allCases.map { statistics.backlog(of: $0) }.reduce(0, +)
            }
            let first = try await fixture.call("POST", "/integrations/{id}/sync", id: "1", key: "k-1")
            let again = try await fixture.call("POST", "/integrations/{id}/sync", id: "1", key: "k-1")
            #expect(first.status == 202 && again.status == 202 && first.body == again.body)
            #expect(again.headers.first("idempotent-replayed") == "true")
            #expect(try await jobs() == 1)
            let other = try await fixture.call("POST", "/integrations/{id}/sync", id: "2", key: "k-1")
            #expect(other.status == 422 && other.text.contains("another request"))

            // A refusal is not kept: it may be mended.
            #expect(
                try await fixture.call("POST", "/integrations/{id}/pause", id: "99", key: "k-2").status == 404
            )
            #expect(
                try await fixture.call("POST", "/integrations/{id}/pause", id: "1", key: "k-2").status == 200)

            // Of many at once one is first; the others wait, or get its answer.
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await fixture.call("POST", "/integrations/{id}/sync", id: "3", key: "k-3").status
                    }
                }
                return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            }
            #expect(statuses.isSubset(of: [202, 409]) && statuses.contains(202))
            #expect(try await jobs() == 2)
            #expect(
                try await fixture.call("POST", "/integrations/{id}/sync", id: "3", key: "a b").status == 400)
        }
    }
}

@Suite struct `A bucket of tokens` {
    @Test func `gives a burst, and then what its rate allows`() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(rate: 2, burst: 3, at: start)
        for _ in 0..<3 { #expect(bucket.take(at: start) == nil) }
        #expect(bucket.take(at: start) == .milliseconds(500))
        #expect(bucket.take(at: start + .milliseconds(500)) == nil)
        for _ in 0..<3 { #expect(bucket.take(at: start + .seconds(60)) == nil) }
        #expect(bucket.take(at: start + .seconds(60)) != nil)
    }
}

extension ApiFixture {
    /// Puts a letter into the list of the dead.
    func dead(_ payload: String) async throws {
        let letter =
            #"{"payload":\#(payload),"code":"unknown_service","reason":"r","detail":"","id":"dead-1","queue":"low","attempts":0,"failed_at":"2026-01-01T00:00:00Z"}"#
        _ = try await redis.command([
            "LPUSH", RedisArgument("\(prefix):dead"), RedisArgument(letter),
        ])
    }
}

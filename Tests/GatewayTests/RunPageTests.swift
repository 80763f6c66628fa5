// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Model
import PostgresClient
import Testing

@testable import Gateway

@Suite struct `A run, page by page` {
    private static let run = """
        INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
            completed_at, records_quarantined)
        SELECT 'j', 1, 1, 'u_1', 'slack', 'default', 'full', 'succeeded', 'w', n, now(), 3 FROM generate_series(1, 2) n
        """

    private static func run(
        _ body: @Sendable @escaping (ApiFixture, Browser) async throws -> Void
    ) async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                "INSERT INTO lockstep.integrations (user_id, service) VALUES ('u_1', 'slack'), ('u_2', 'slack')"
            )
            try await fixture.sql(run)
            try await body(fixture, try await fixture.signedIn())
        }
    }

    @Test func `shows its streams, and its requests in the order in which they were sent`() async throws {
        try await Self.run { fixture, browser in
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log_streams (sync_id, stream, pages, records_unchanged, cursor_before, cursor_after, ended_by)
                VALUES (1, 'users', 7, 41, 'c-old', 'c-new', 'next_token_absent')
                """)
            // Some of the same moment, and some of another run.
            try await fixture.sql(
                """
                INSERT INTO lockstep.api_log (at, integration_id, service, method, endpoint, status_code, duration_ms, bytes,
                    request_id, error, sync_id)
                SELECT now() - interval '1 hour' + (n / 4) * interval '1 ms', 1, 'slack', 'GET', '/api/users.list',
                    CASE WHEN n % 9 = 0 THEN NULL ELSE 200 END, n, 1000 + n, 'req_' || n,
                    CASE WHEN n % 9 = 0 THEN 'transient' END, CASE WHEN n > 120 THEN 2 ELSE 1 END
                FROM generate_series(1, 130) n
                """)
            var (path, seen): (String?, [Int]) = ("/runs/1", [])
            while let place = path {
                let page = try await browser.get(fixture.url(place))
                #expect(page.status == 200 && page.body.count < 100_000)
                #expect(page.text.contains("c-old") && page.text.contains("c-new"))
                #expect(
                    page.text.contains("next_token_absent") && page.text.contains("of 120 in the request log")
                )
                seen += page.text.matches(of: /req_(\d+)</).compactMap { Int($0.1) }
                path = Browser.link("Next page", in: page)
            }
            #expect(seen.count == 120 && Set(seen) == Set(1...120))
            // Rows of one moment may stand in any order, but all stand in it.
            #expect(seen.map { $0 / 4 } == seen.map { $0 / 4 }.sorted())

            var (ids, cursor): ([String], String?) = ([], "")
            while let place = cursor {
                let answer = try await fixture.call(
                    "GET", "/runs/{id}/requests", id: "1", query: "?limit=50\(place)")
                ids += try ApiFixture.items(answer).map { "\($0["request_id"] ?? "")" }
                let next = try ApiFixture.member("next_cursor", answer)
                cursor = next == "<null>" ? nil : "&cursor=\(next)"
            }
            #expect(ids == seen.map { "req_\($0)" })

            let other = try await browser.get(fixture.url("/runs/2"))
            #expect(other.text.contains("1 to 10 of 10"))
            try await fixture.sql("DELETE FROM lockstep.api_log")
            #expect(
                try await browser.get(fixture.url("/runs/1")).text.contains("The request log has none"))
        }
    }

    @Test func `shows what was put aside as text, with counts`() async throws {
        try await Self.run { fixture, browser in
            let raws: [(id: [UInt8]?, raw: [UInt8], reason: String, run: Int64)] = [
                (Array("x<b>".utf8), Array(#"{"a":"<script>alert(1)</script>"}"#.utf8), "nul_character", 1),
                ([0xFF, 0x41], [0x7B, 0xFF, 0x00, 0x22, 0x0A, 0x7D], "invalid_utf8", 1),
                (nil, Array(repeating: UInt8(ascii: "z"), count: 5_000), "missing_id", 2),
            ]
            for (index, record) in raws.enumerated() {
                _ = try await fixture.pool.query(
                    """
                    INSERT INTO lockstep.quarantine (integration_id, stream, external_id, reason, raw, sync_id, raw_hash)
                    VALUES (1, 'users', $1, $2, $3, $4, $5)
                    """,
                    [
                        record.id.map { .bytea($0) } ?? .null, .text(record.reason), .bytea(record.raw),
                        .int(record.run), .bytea([UInt8(index)]),
                    ])
            }
            let page = try await browser.get(fixture.url("/integrations/1/quarantine"))
            #expect(page.status == 200 && MarkupCheck.strange(in: page.text).isEmpty)
            #expect(page.text.contains("&lt;script&gt;") && page.text.contains("x&lt;b&gt;"))
            #expect(page.text.contains("5000") && !page.text.contains(String(repeating: "z", count: 301)))
            let first = try await browser.get(fixture.url("/integrations/1/quarantine?run=1"))
            #expect(first.text.contains("invalid_utf8") && !first.text.contains("missing_id"))

            let account = try await browser.get(fixture.url("/integrations/1"))
            #expect(account.text.contains("/integrations/1/quarantine\">3 records</a>"))
            #expect(!(try await browser.get(fixture.url("/integrations/2"))).text.contains("Put aside"))
            let run = try await browser.get(fixture.url("/runs/1"))
            #expect(run.text.contains("3 records could not be stored"))
            #expect(run.text.contains("/integrations/1/quarantine?run=1"))

            let answer = try await fixture.call("GET", "/quarantine", query: "?integration_id=1&limit=2")
            let items = try ApiFixture.items(answer)
            #expect(items.map { $0["reason"] as? String } == ["missing_id", "invalid_utf8"])
            #expect(items[0]["external_id"] is NSNull && items[0]["bytes"] as? Int == 5_000)
            #expect((items[0]["excerpt"] as? String)?.count == 1_000)
            #expect(items[1]["external_id"] as? String == "\u{FFFD}A")
            let cursor = try ApiFixture.member("next_cursor", answer)
            let rest = try await fixture.call(
                "GET", "/quarantine", query: "?integration_id=1&limit=2&cursor=\(cursor)")
            #expect(try ApiFixture.items(rest).map { $0["reason"] as? String } == ["nul_character"])
            for filter in ["?run_id=2", "?stream=users&run_id=2"] {
                let found = try await fixture.call("GET", "/quarantine", query: filter)
                #expect(try ApiFixture.items(found).count == 1)
            }
            #expect(try await fixture.call("GET", "/quarantine", query: "?stream=none").text.contains("[]"))
            #expect(try await fixture.call("GET", "/quarantine", query: "?run_id=x").status == 400)
        }
    }

    @Test func `stays small and complete whatever is in it`() async throws {
        try await Self.run { fixture, browser in
            // What grows most when it is escaped.
            let long = String(repeating: "\"", count: 400)
            let text: PostgresParameter = .text(long)
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.sync_log_streams (sync_id, stream, cursor_before, cursor_after, ended_by)
                SELECT 1, n || $1, $1, $1, $1 FROM generate_series(1, 300) n
                """, [text])
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.api_log (integration_id, service, method, endpoint, status_code, duration_ms, bytes, request_id,
                    error, sync_id)
                SELECT 1, 'slack', 'GET', $1, 200, 1, n, 'req_' || n || '_' || left($1, 100), 'transient', 1
                FROM generate_series(1, 200) n
                """, [text])
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.quarantine (integration_id, stream, external_id, reason, raw, sync_id, raw_hash)
                SELECT 1, n || $1, convert_to($1, 'UTF8'), 'r' || n || '_' || $1, convert_to($1 || $1, 'UTF8'), 1, n::text::bytea
                FROM generate_series(1, 200) n
                """, [text])
            _ = try await fixture.pool.query(
                "UPDATE lockstep.sync_log SET error_code = $1, error_message = $1, error_detail = $1", [text])
            for (start, pattern) in [
                ("/runs/1", #/req_(\d+)_/#),
                ("/integrations/1/quarantine", #/<td[^>]*>r(\d+)_[^<]*<\/td><td[^>]*><a/#),
            ] {
                var (path, seen): (String?, [Int]) = (start, [])
                while let place = path {
                    let page = try await browser.get(fixture.url(place))
                    #expect(page.status == 200 && page.body.count < 100_000, "\(place): \(page.body.count)")
                    #expect(MarkupCheck.strange(in: page.text).isEmpty)
                    seen += page.text.matches(of: pattern).compactMap { Int($0.1) }
                    path = Browser.link("Next page", in: page)
                }
                #expect(Set(seen) == Set(1...200) && seen.count == 200, "\(start): \(seen.count)")
            }
            #expect(
                try await browser.get(fixture.url("/runs/1")).text.contains("more: the API gives all"))
            let account = try await browser.get(fixture.url("/integrations/1"))
            #expect(account.status == 200 && account.body.count < 100_000)
        }
    }
}

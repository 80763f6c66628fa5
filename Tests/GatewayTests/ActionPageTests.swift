// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Model
import PostgresClient
import Testing

@testable import Gateway

@Suite struct `The pages of actions` {
    private static func run(
        _ body: @Sendable @escaping (ApiFixture, Browser) async throws -> Void
    ) async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                """
                INSERT INTO lockstep.integrations (user_id, service, account)
                VALUES ('u_1', 'slack', 'default'), ('u_1', 'stripe', 'second'), ('u_2', 'slack', 'default')
                """)
            try await body(fixture, try await fixture.signedIn())
        }
    }

    /// The numbers of the actions that a page lists.
    private static func listed(_ page: HTTPResponse) -> [Int] {
        page.text.matches(of: /<a href="\/actions\/(\d+)">/).compactMap { Int($0.1) }
    }

    /// The numbers of all pages of a list, each page small.
    private static func all(
        _ path: String, _ fixture: ApiFixture, _ browser: Browser
    ) async throws -> [Int] {
        var (place, seen): (String?, [Int]) = (path, [])
        while let path = place {
            let page = try await browser.get(fixture.url(path.replacingOccurrences(of: "&amp;", with: "&")))
            #expect(page.status == 200 && page.body.count < 100_000, "\(path): \(page.body.count)")
            #expect(MarkupCheck.strange(in: page.text).isEmpty)
            seen += listed(page)
            place = Browser.link("Next page", in: page)
        }
        return seen
    }

    @Test func `list them in small pages, by user, service, state and account`() async throws {
        try await Self.run { fixture, browser in
            let empty = try await browser.get(fixture.url("/actions"))
            #expect(empty.status == 200 && empty.text.contains("There is no such action."))
            #expect(empty.text.contains("<a href=\"/actions\" aria-current=\"page\">Actions</a>"))

            // What grows most when it is escaped.
            try await fixture.sql(
                """
                INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status, error_code, error_message)
                SELECT 1 + n % 3, repeat('"', 400), '{"text": "canary"}', 'k' || n,
                    CASE WHEN n % 100 = 0 THEN 'unknown' ELSE 'succeeded' END, 'code',
                    repeat('"', 400)
                FROM generate_series(1, 3000) n
                """)
            #expect(try await Self.all("/actions", fixture, browser) == Array((1...3_000).reversed()))
            for (query, isListed) in [
                ("status=unknown", { $0 % 100 == 0 }), ("integration_id=2", { $0 % 3 == 1 }),
                ("service=stripe", { $0 % 3 == 1 }), ("user_id=u_2&service=&status=", { $0 % 3 == 2 }),
                ("user_id=u_1&service=slack&status=unknown", { $0 % 300 == 0 }),
                ("user_id=u_9", { _ in false }),
            ] as [(String, (Int) -> Bool)] {
                let found = try await Self.all("/actions?\(query)", fixture, browser)
                #expect(found == (1...3_000).reversed().filter(isListed), "\(query)")
            }
            let page = try await browser.get(fixture.url("/actions?status=unknown&user_id=u_1"))
            #expect(page.text.contains("<option selected>unknown</option>"))
            #expect(page.text.contains("value=\"u_1\""))
            #expect(!page.text.contains("canary"), "a list shows what an action takes")
        }
    }

    @Test func `tell what became of one, and show what it takes and gave to who asks`() async throws {
        try await Self.run { fixture, browser in
            try await fixture.sql(
                """
                INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status, result, attempts, job_id,
                    created_at, completed_at)
                VALUES (2, 'create_subscription', '{"customer": "cus_9", "amount": 12345678901234567890.10}', 'order-17', 'succeeded',
                    '{"client_secret": "pi_secret_4711"}', 2, 'mine', now() - interval '185 seconds', now() - interval '65 seconds')
                """)
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
                    completed_at, api_calls, error_message)
                VALUES ('action:1', 1, 2, 'u_1', 'stripe', 'second', 'action', 'failed', 'w-1', 1, now(), 7, 'Stripe is busy.'),
                    ('mine', 1, 2, 'u_1', 'stripe', 'second', 'action', 'succeeded', 'w-2', 1, now(), 1, NULL),
                    ('action:1', 1, 1, 'u_1', 'slack', 'default', 'action', 'succeeded', 'w-3', 1, now(), 1, NULL),
                    ('action:12', 1, 2, 'u_1', 'stripe', 'second', 'action', 'succeeded', 'w-4', 1, now(), 1, NULL),
                    ('action:1', 1, 2, 'u_1', 'stripe', 'second', 'full', 'succeeded', 'w-5', 1, now(), 1, NULL)
                """)
            let page = try await browser.get(fixture.url("/actions/1"))
            #expect(page.status == 200)
            for words in [
                "create_subscription", "It is done.", "3 minutes ago", "1 minute ago", "order-17",
                "Attempts: 2",
                "<a href=\"/runs/1\">", "<a href=\"/runs/2\">", "Stripe is busy.", "w-1", "w-2",
                "<a href=\"/integrations/2\">", "(<bdi>second</bdi>)", "/actions/1?content=1",
            ] {
                #expect(page.text.contains(words), "'\(words)' is not in \(page.text)")
            }
            for words in ["cus_9", "pi_secret_4711", "w-3", "w-4", "w-5", "data-live"] {
                #expect(!page.text.contains(words), "'\(words)' is in the page")
            }
            let content = try await browser.get(fixture.url("/actions/1?content=1"))
            for words in [
                "&quot;amount&quot;: 12345678901234567890.10", "cus_9", "pi_secret_4711", "Input, 56 bytes",
            ] {
                #expect(content.text.contains(words), "'\(words)' is not in \(content.text)")
            }
            let other = try await browser.get(fixture.url("/actions/1?content=yes"))
            #expect(other.status == 200 && !other.text.contains("cus_9"))
            let run = try await browser.get(fixture.url("/runs/1"))
            #expect(run.text.contains("<a href=\"/actions/1\">"))
            #expect(!(try await browser.get(fixture.url("/runs/5"))).text.contains("/actions/1\""))

            let account = try await browser.get(fixture.url("/integrations/2"))
            #expect(account.text.contains("<h2>Actions</h2>") && Self.listed(account) == [1])
            let idle = try await browser.get(fixture.url("/integrations/1"))
            #expect(idle.status == 200 && !idle.text.contains("<h2>Actions</h2>"))
        }
    }

    @Test func `stay small whatever an action takes and gave`() async throws {
        try await Self.run { fixture, browser in
            let long = String(repeating: "\"\n<", count: 60_000)
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status, result, error_code, error_message,
                    error_detail)
                SELECT 1, left($1, 5000), jsonb_build_object('a', $1::text), n || left($1, 200), 'unknown',
                    jsonb_build_object('b', $1::text), left($1, 5000), left($1, 5000), left($1, 5000) FROM generate_series(1, 6) n
                """, [.text(long)])
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
                    completed_at, error_message)
                SELECT 'action:1', n, 1, 'u_1', 'slack', 'default', 'action', 'failed', repeat('"', 500), 1, now(), repeat('"', 500)
                FROM generate_series(1, 100) n
                """)
            for path in ["/actions", "/actions/1", "/actions/1?content=1", "/integrations/1"] {
                let page = try await browser.get(fixture.url(path))
                #expect(page.status == 200 && page.body.count < 100_000, "\(path): \(page.body.count)")
                #expect(MarkupCheck.strange(in: page.text).isEmpty)
            }
            let content = try await browser.get(fixture.url("/actions/1?content=1"))
            #expect(content.text.contains("This is the beginning."))
            #expect(
                try await browser.get(fixture.url("/integrations/1")).text
                    .contains("/actions?integration_id=1\">All actions"))
        }
    }

    @Test(arguments: [
        ("/actions/2", 404), ("/actions/9223372036854775807", 404), ("/actions/0", 404),
        ("/actions/abc", 404),
        ("/actions/2?content=1", 404), ("/live/actions/2", 200), ("/actions/1?show=1", 400),
        ("/actions?status=done", 400), ("/actions?state=failed", 400), ("/actions?integration_id=x", 400),
        ("/actions?cursor=x", 400), ("/actions?cursor=\(PageCursor.make(.runs, [9]))", 400),
    ])
    func `refuse what there is not`(_ path: String, _ status: Int) async throws {
        try await Self.run { fixture, browser in
            try await fixture.sql(
                "INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key) VALUES (1, 'a', '{}', 'k')"
            )
            #expect(try await browser.get(fixture.url(path)).status == status)
        }
    }

    @Test func `stay fresh until it has ended`() async throws {
        try await Self.run { fixture, browser in
            try await fixture.sql(
                """
                INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key)
                VALUES (1, 'post_message', '{"text": "canary"}', 'k')
                """)
            let page = try await browser.get(fixture.url("/actions/1"))
            #expect(page.text.contains("data-live=\"/live/actions/1\""))
            #expect(page.text.contains("None has begun."))

            let feed = try await fixture.feed("/live/actions/1", of: browser)
            try await feed.wait(for: "It is accepted and will be done.")
            try await fixture.sql(
                """
                UPDATE lockstep.actions SET status = 'failed', error_code = 'channel_not_found',
                    error_message = 'There is no such channel.', completed_at = now()
                """)
            try await feed.wait(for: "There is no such channel.")
            #expect(!feed.text.contains("canary"))
        }
    }
}

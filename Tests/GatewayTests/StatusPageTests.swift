// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import JobQueue
import Model
import PostgresClient
import RedisClient
import Testing

@testable import Gateway

@Suite struct `The status pages` {
    @Test func `are for who signs in with the token, and only for a while`() async throws {
        try await ApiFixture.run { fixture in
            let stranger = Browser(fixture.served.http)
            for path in [
                "/", "/integrations", "/runs/1", "/actions", "/actions/1", "/actions/1?content=1",
                "/dead-letters", "/sweeps", "/schedules",
            ] {
                let answer = try await stranger.get(fixture.url(path))
                #expect(answer.status == 303 && answer.location == "/signin", "\(path)")
            }
            for path in ["/live/fleet", "/live/actions/1"] {
                #expect(try await stranger.get(fixture.url(path)).status == 401)
            }
            #expect(try await stranger.submit(fixture.url("/integrations/1/sync"), []).status == 303)
            let wrong = try await stranger.submit(fixture.url("/signin"), [("token", "wrong")])
            #expect(wrong.status == 401 && wrong.headers.first("set-cookie") == nil)

            let signed = try await fixture.served.send(
                "POST", "/signin", headers: [("Content-Type", "application/x-www-form-urlencoded")],
                body: Array("token=\(ApiFixture.token)".utf8), toPrivate: true)
            let cookie = try #require(signed.headers.first("set-cookie"))
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
            #expect(cookie.hasPrefix("lockstep_operator=") && !cookie.contains("Secure"))
            // On another host only over TLS.
            let remote = try await RawConnection.open(port: fixture.served.ports.privatePort)
            let body = "token=\(ApiFixture.token)"
            try await remote.send(
                "POST /signin HTTP/1.1\r\nHost: ops.example:8081\r\nContent-Length: \(body.utf8.count)\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n\(body)")
            let answer = try await remote.textAtEnd()
            #expect(answer.contains("Set-Cookie: __Host-lockstep_operator=") && answer.contains("; Secure"))

            let value = try #require(cookie.split(separator: ";").first.map(String.init))
            func status(_ cookie: String) async throws -> Int {
                try await fixture.served.send("GET", "/", headers: [("Cookie", cookie)], toPrivate: true)
                    .status
            }
            #expect(try await status(value) == 200)
            // A session that prolongs itself, or is made up.
            let parts = value.split(separator: ".").map(String.init)
            let name = value.prefix { $0 != "=" }
            #expect(try await status("\(name)=9999999999.\(parts[1]).\(parts[2])") == 303)
            #expect(try await status("\(value); \(value)") == 303)
            #expect(try await status("\(name)=1.a.b") == 303)
        }
    }

    @Test func `share what is counted over the fleet with the API`() async throws {
        try await ApiFixture.run { fixture in
            let browser = try await fixture.signedIn()
            // What is counted takes longer than a moment, so that it is remembered.
            let page = try await fixture.pool.transaction { holder in
                _ = try await holder.query("LOCK TABLE lockstep.sync_log IN ACCESS EXCLUSIVE MODE")
                let page = Task { try await browser.get(fixture.url("/")) }
                let limit = ContinuousClock.now.advanced(by: .seconds(60))
                while try await holder.query(
                    "SELECT count(*) FROM pg_locks WHERE relation = 'lockstep.sync_log'::regclass AND NOT granted AND waitstart < clock_timestamp() - interval '50 ms'"
                ).int(0, 0) == 0 {
                    try #require(ContinuousClock.now < limit)
                    try await ContinuousClock().sleep(for: .milliseconds(5))
                }
                return page
            }
            #expect(try await page.value.status == 200)

            try await fixture.pool.transaction { holder in
                _ = try await holder.query("LOCK TABLE lockstep.sync_log IN ACCESS EXCLUSIVE MODE")
                #expect(try await fixture.call("GET", "/health").status == 200)
            }
        }
    }

    @Test func `show the limits that are in use`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                "INSERT INTO lockstep.integrations (user_id, service, account) VALUES ('u_1', 'gmail', 'default')"
            )
            let browser = try await fixture.signedIn()
            let open = try await browser.get(fixture.url("/")).text
            #expect(
                open.contains("circuit breaker") && open.contains("project") && !open.contains("closed for"))
            let key = "\(fixture.prefix):limit:breaker:gmail"
            let until = Timestamp.now().microseconds + 90_000_000
            _ = try await fixture.redis.command([
                "SET", RedisArgument(key), RedisArgument("1 \(until) 0 0 0 1 0"),
            ])
            for path in ["/", "/integrations/1"] {
                let closed = try await browser.get(fixture.url(path)).text
                #expect(closed.contains("closed for 90 s") || closed.contains("closed for 89 s"), "\(path)")
            }
            _ = try await fixture.redis.command(["DEL", RedisArgument(key)])
            _ = try await fixture.redis.command(["LPUSH", RedisArgument(key), "x"])
            let answer = try await browser.get(fixture.url("/"))
            #expect(answer.status == 200 && answer.text.contains("The limits cannot be read"))
        }
    }

    @Test func `take forms of their own session alone`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                "INSERT INTO lockstep.integrations (user_id, service) VALUES ('u', 'stripe')")
            let browser = try await fixture.signedIn()
            let page = try await browser.get(fixture.url("/integrations/1"))
            let check = try #require(page.field("check"))
            let pause = fixture.url("/integrations/1/pause")

            #expect(try await browser.submit(pause, []).status == 403)
            #expect(
                try await browser.submit(pause, [("check", String(repeating: "0", count: 64))]).status == 403)
            let other = try await fixture.signedIn()
            #expect(try await other.submit(pause, [("check", check)]).status == 403)
            let foreign = try await fixture.served.send(
                "POST", "/signin",
                headers: [
                    ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", "https://evil.example"),
                ], body: Array("token=\(ApiFixture.token)".utf8), toPrivate: true)
            #expect(foreign.status == 403)
            let own = try await fixture.served.send(
                "POST", "/signin",
                headers: [
                    ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", fixture.url("")),
                ], body: Array("token=\(ApiFixture.token)".utf8), toPrivate: true)
            #expect(own.status == 303)

            let done = try await browser.submit(pause, [("check", check)])
            #expect(done.status == 303 && done.location == "/integrations/1")
            #expect(try await browser.get(fixture.url("/integrations/1")).text.contains("Paused"))
            let refused = try await browser.submit(fixture.url("/integrations/1/sync"), [("check", check)])
            #expect(
                refused.status == 409 && refused.headers.first("content-type")?.hasPrefix("text/html") == true
            )
            _ = try await browser.submit(fixture.url("/integrations/1/resume"), [("check", check)])
            #expect(
                try await browser.submit(fixture.url("/integrations/1/sync"), [("check", check)]).status
                    == 303)
            let link = try await browser.submit(fixture.url("/integrations/1/link"), [("check", check)])
            #expect(link.text.contains("https://sync.example/connect/stripe?link="))
            let gone = try await browser.submit(
                fixture.url("/integrations/1/disconnect"), [("check", check)])
            #expect(gone.status == 303)
            #expect(try await browser.get(fixture.url("/integrations/1")).text.contains("Disconnected"))
            try await fixture.watch(integration: 1)
            let notified = try await browser.submit(
                fixture.url("/integrations/1/disconnect"), [("check", check)])
            #expect(notified.status == 200)
            #expect(
                notified.text.contains(
                    "1 watch goes on (there is no credential): by itself the last one ends at 2100-01-02T03:04:05Z"
                ))
            _ = try await browser.submit(fixture.url("/signout"), [("check", check)])
            #expect(try await browser.get(fixture.url("/")).status == 303)
        }
    }

    @Test func `show every name as text, whatever it is, on small pages`() async throws {
        try await ApiFixture.run { fixture in
            for (index, name) in HostileNames.all.enumerated() {
                let text: PostgresParameter = .text(name)
                _ = try await fixture.pool.query(
                    "INSERT INTO lockstep.integrations (user_id, service, account) VALUES ($1, $1, $1)",
                    [text])
                _ = try await fixture.pool.query(
                    """
                    INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status,
                        worker, fence, completed_at, error_code, error_message, error_detail)
                    VALUES ($1, 1, $2, $1, $1, $1, $1, 'failed', $1, 1, now(), $1, $1, $1)
                    """, [text, .int(Int64(index + 1))])
                _ = try await fixture.pool.query(
                    "INSERT INTO lockstep.sync_log_streams (sync_id, stream, ended_by) SELECT max(id), $1, $1 FROM lockstep.sync_log",
                    [text])
                _ = try await fixture.pool.query(
                    "INSERT INTO lockstep.sync_state (integration_id, stream) VALUES ($2, $1)",
                    [text, .int(Int64(index + 1))])
                _ = try await fixture.pool.query(
                    """
                    INSERT INTO lockstep.sweeps (integration_id, stream, generation, sync_id, status, live, absent)
                    VALUES ($2, $1, 1, 1, 'held', 100, 60)
                    """, [text, .int(Int64(index + 1))])
                _ = try await fixture.pool.query(
                    """
                    INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
                    VALUES ($1, $1, $2, $1, $1)
                    """, [text, .int(Int64(index + 1))])
                _ = try await fixture.pool.query(
                    "INSERT INTO lockstep.schedules (name, cron, type, time_zone, service) VALUES ($1, $1, 'full', $1, $1)",
                    [text])
                _ = try await fixture.pool.query(
                    """
                    INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key, status, result, error_code,
                        error_message, error_detail)
                    VALUES ($2, $1, jsonb_build_object($1, $1), $1, 'failed', jsonb_build_object($1, $1), $1, $1, $1)
                    """, [text, .int(Int64(index + 1))])
                try await fixture.hostileLetter(name)
            }
            let browser = try await fixture.signedIn()
            var paths = ["/", "/integrations", "/actions", "/dead-letters", "/sweeps", "/schedules"]
            paths += (1...HostileNames.all.count).flatMap {
                [
                    "/integrations/\($0)", "/runs/\($0)", "/actions/\($0)", "/actions/\($0)?content=1",
                    "/actions?integration_id=\($0)",
                ]
            }
            paths += HostileNames.all.map { PercentEncoding.encoded($0) }.flatMap { name in
                ["integrations", "actions"].map { "/\($0)?service=\(name)&user_id=\(name)" }
            }
            for path in paths {
                let page = try await browser.get(fixture.url(path))
                #expect(page.status == 200, "\(path): \(page.text.prefix(300))")
                #expect(page.body.count < 100_000, "\(path) has \(page.body.count) bytes")
                #expect(
                    MarkupCheck.strange(in: page.text).isEmpty,
                    "\(path): \(MarkupCheck.strange(in: page.text))")
                #expect(page.headers.first("content-security-policy") == PageFrame.policy)
                #expect(page.headers.first("set-cookie") == nil)
            }
            // The check itself sees what it is for.
            #expect(!MarkupCheck.strange(in: "<p title=\"\"onload=x>").isEmpty)
            #expect(
                !MarkupCheck.strange(
                    in: "<p>\(HostileNames.all[0].replacingOccurrences(of: "script", with: "iframe"))"
                ).isEmpty)
        }
    }

    @Test func `say what an account's user sees, and keep it fresh`() async throws {
        try await ApiFixture.run { fixture in
            try await fixture.sql(
                "INSERT INTO lockstep.integrations (user_id, service) VALUES ('u_1', 'slack')")
            try await fixture.sql(
                "INSERT INTO lockstep.sync_state (integration_id, stream, last_success_at) VALUES (1, 'users', now() - interval '185 seconds')"
            )
            let browser = try await fixture.signedIn()
            let page = try await browser.get(fixture.url("/integrations/1"))
            #expect(page.text.contains("3 minutes ago") && page.text.contains("Reconnect"))
            #expect(page.text.contains("data-live=\"/live/integrations/1\""))

            let feed = try await fixture.feed("/live/integrations/1", of: browser)
            try await feed.wait(for: "3 minutes ago")
            try await fixture.sql(
                """
                INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence,
                    pages, records_read) VALUES ('j', 1, 1, 'u_1', 'slack', 'default', 'full', 'running', 'w', 1, 12, 3400)
                """)
            try await feed.wait(for: "Syncing now: 12 pages, 3400 records")
            #expect(feed.text.contains("Content-Type: text/event-stream"))
            // The gateway ends while the feed is open: the fixture would wait for ever if the feed did not end with it.
        }
    }

    @Test func `say how long ago something was`() {
        #expect(
            Ago.words(5) == "just now" && Ago.words(60) == "1 minute ago" && Ago.words(7_300) == "2 hours ago"
        )
        #expect(Ago.words(200_000) == "2 days ago" && Ago.words(-5) == "just now")
    }
}

extension RawConnection {
    /// Waits until a text has come.
    func wait(for expected: String, _ location: SourceLocation = #_sourceLocation) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !text.contains(expected) {
            guard ContinuousClock.now < deadline else {
                Issue.record("'\(expected)' did not come; there was \(text)", sourceLocation: location)
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension ApiFixture {
    /// A dead letter that has a name wherever it can have one.
    func hostileLetter(_ name: String) async throws {
        let text = String(decoding: JSON.string(name).bytes, as: UTF8.self)
        let letter =
            #"{"payload":{"user_id":\#(text)},"code":\#(text),"reason":\#(text),"detail":\#(text),"id":\#(text),"queue":"low","attempts":0,"failed_at":"2026-01-01T00:00:00Z"}"#
        _ = try await redis.command(["LPUSH", RedisArgument("\(prefix):dead"), RedisArgument(letter)])
    }
}

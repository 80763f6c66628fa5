// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import JobQueue
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing
import Webhooks

@testable import WebhookIntake

@Suite struct `A notification` {
    @Test func `is kept once, and its job is ready`() async throws {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            let delivery = try fixture.slack(IntakeFixture.event("Ev1"))

            for _ in 0..<3 { #expect(await fixture.status(delivery) == 200) }

            #expect(try await fixture.rows() == ["slack T1 Ev1 user_change received \(id)"])
            try await until { try await fixture.queue.statistics().ready[.high] == 1 }
            let job = try #require(try await fixture.queue.claim(limit: 5).jobs.first)
            #expect(job.payload.type == .webhook)
            #expect(job.payload.integration == .id(id))
            #expect(job.id == "webhook:\(job.payload.ref ?? 0)")
        }
    }

    @Test func `of a thousand that come at once is kept with all others`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))

            let accepted = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<1_000 {
                    // Each is sent twice.
                    let delivery = try fixture.slack(IntakeFixture.event("Ev\(number / 2)"))
                    group.addTask { await fixture.status(delivery) }
                }
                return try await group.reduce(0) { $0 + ($1 == 200 ? 1 : 0) }
            }

            #expect(accepted == 1_000)
            #expect(try await fixture.rows().count == 500)
        }
    }

    @Test func `goes to each integration of its account, by name or by configuration`() async throws {
        try await IntakeFixture.run { fixture in
            let first = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            let second = try await fixture.add(IntegrationKey(userID: "u_2", service: "slack", account: "T1"))
            let third = try await fixture.add(
                IntegrationKey(userID: "u_3", service: "slack"), config: #"{"webhook_account":"T1"}"#)
            _ = try await fixture.add(IntegrationKey(userID: "u_4", service: "slack", account: "T2"))
            _ = try await fixture.add(IntegrationKey(userID: "u_5", service: "stripe", account: "T1"))

            #expect(try await fixture.status(fixture.slack(IntakeFixture.event("Ev1"))) == 200)

            #expect(
                Set(try await fixture.rows()) == [
                    "slack T1 Ev1 user_change received \(first)",
                    "slack T1 Ev1 user_change received \(second)",
                    "slack default Ev1 user_change received \(third)",
                ])
        }
    }

    @Test func `of an account that nobody has connected is kept as ignored`() async throws {
        try await IntakeFixture.run { fixture in
            let delivery = try fixture.slack(IntakeFixture.event("Ev1", team: "T9"))

            #expect(await fixture.status(delivery) == 200)

            #expect(try await fixture.rows() == ["slack T9 Ev1 user_change ignored 0"])
            #expect(try await fixture.queue.statistics().ready[.high] == 0)
        }
    }

    @Test func `is checked with the secrets of the integration that its address names`() async throws {
        try await IntakeFixture.run { fixture in
            let own = try await fixture.add(
                IntegrationKey(userID: "u_1", service: "slack"), secret: "first second")
            let bare = try await fixture.add(IntegrationKey(userID: "u_2", service: "slack"))

            for (secret, name, status) in [
                ("first", "\(own)", 200), ("second", "\(own)", 200),
                (IntakeFixture.slackSecret, "\(own)", 401),
                (IntakeFixture.slackSecret, "\(bare)", 200), ("first", "\(bare)", 401),
            ] {
                let delivery = try fixture.slack(
                    IntakeFixture.event("\(secret) \(name)"), secret: secret, integration: name)
                #expect(await fixture.status(delivery) == status, "\(secret) \(name)")
            }
        }
    }

    @Test func `that failed is taken up again when it is sent again`() async throws {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            let delivery = try fixture.slack(IntakeFixture.event("Ev1"))
            #expect(await fixture.status(delivery) == 200)
            for status in ["done", "ignored", "processing", "failed"] {
                _ = try await fixture.pool.query(
                    "UPDATE lockstep.webhook_events SET status = $1", [.text(status)])

                #expect(await fixture.status(delivery) == 200)

                let expected = status == "failed" ? "received" : status
                #expect(try await fixture.rows() == ["slack T1 Ev1 user_change \(expected) \(id)"])
            }
        }
    }

    @Test func `is told apart from one that was there before, and from one of nobody`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            let delivery = try fixture.slack(IntakeFixture.event("Ev1"))
            #expect(try await fixture.intake.receive(delivery).outcome == .accepted)
            #expect(try await fixture.intake.receive(delivery).outcome == .duplicate)
            let foreign = try fixture.slack(IntakeFixture.event("Ev1", team: "T9"))
            #expect(try await fixture.intake.receive(foreign).outcome == .ignored)

            // Also of many at once, which are kept together: one of them is first.
            let many = try fixture.slack(IntakeFixture.event("Ev2"))
            let outcomes = try await withThrowingTaskGroup(of: WebhookAnswer.Outcome.self) { group in
                for _ in 0..<50 { group.addTask { try await fixture.intake.receive(many).outcome } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .accepted } == 1)
            #expect(outcomes.count { $0 == .duplicate } == 49)
        }
    }

    @Test func `without a name is named by its content`() async throws {
        try await IntakeFixture.run { fixture in
            let body = #"{"type":"app_rate_limited","team_id":"T1"}"#
            for _ in 0..<2 { #expect(try await fixture.status(fixture.slack(body)) == 200) }
            let row = try #require(try await fixture.rows().first)
            #expect(try await fixture.rows().count == 1)
            #expect(row.hasPrefix("slack T1 sha256:"))
        }
    }

    @Test func `whose name Postgres cannot hold takes no other down with it`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            let bodies =
                (0..<50).map { IntakeFixture.event("Ev\($0)") }
                + [#"{"event_id":"a\u0000b","team_id":"T1"}"#, #"{"event_id":"x","team_id":"T\u0000"}"#]
            let answers = try await withThrowingTaskGroup(of: Int.self) { group in
                for body in bodies {
                    let delivery = try fixture.slack(body)
                    group.addTask { await fixture.status(delivery) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0 == 200 })
            #expect(try await fixture.rows().count == 52)
        }
    }
}

@Suite struct `A request that is none of a provider's` {
    @Test func `is refused before anything is kept`() async throws {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(
                IntegrationKey(userID: "u_1", service: "slack", account: "T1"), secret: "own")
            let body = IntakeFixture.event("Ev1")
            var forms: [(Int, WebhookDelivery)] = [
                (401, try fixture.slack(body, secret: "wrong")),
                (401, try fixture.slack(body, at: Timestamp(seconds: IntakeFixture.now.seconds - 301))),
                (401, try fixture.slack(body, secret: "own")), (400, try fixture.slack("a=b")),
                (400, try fixture.slack("{\"a\":1,\"a\":2}")), (400, try fixture.slack("")),
                (413, try fixture.slack(#"{"a":""# + String(repeating: "a", count: 1 << 20) + #""}"#)),
            ]
            // An integration that is there with another secret, and names of none, look alike.
            for name in [
                "\(id)", "999999", "0", "-1", "0\(id)", "+\(id)", "x", "", "1 OR 1=1", "9223372036854775808",
            ] {
                forms.append((401, try fixture.slack(body, integration: name)))
            }
            var get = try fixture.slack(body)
            get.method = "GET"
            var unknown = try fixture.slack(body)
            unknown.service = "nowhere"
            var silent = try fixture.slack(body)
            silent.service = "asana"
            forms += [(405, get), (404, unknown), (404, silent)]

            for (status, form) in forms { #expect(await fixture.status(form) == status) }

            #expect(try await fixture.rows().isEmpty)
        }
    }

    @Test func `learns nothing of the integration`() async throws {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack"), secret: "own")
            let other = try await fixture.add(IntegrationKey(userID: "u_1", service: "stripe"), secret: "own")
            var answers: Set<String> = []
            for name in ["\(id)", "\(other)", "999999"] {
                let error = await #expect(throws: WebhookProblem.self) {
                    try await fixture.intake.receive(
                        try fixture.slack(IntakeFixture.event("Ev1"), integration: name))
                }
                answers.insert("\(error?.status ?? 0) \(error?.code ?? "") \(error?.message ?? "")")
            }
            #expect(answers.count == 1)
        }
    }

    @Test func `of Slack's challenge is answered only after it is proved`() async throws {
        try await IntakeFixture.run { fixture in
            let body = #"{"token":"x","challenge":"c4a11enge","type":"url_verification"}"#

            let answer = try await fixture.intake.receive(try fixture.slack(body))

            #expect(
                answer
                    == WebhookAnswer(
                        contentType: "text/plain", body: Array("c4a11enge".utf8), outcome: .challenge))
            #expect(try await fixture.status(fixture.slack(body, secret: "wrong")) == 401)
            #expect(try await fixture.rows().isEmpty)
        }
    }
}

@Suite struct `An intake in trouble` {
    @Test func `says that it cannot keep an event, and never that it has`() async throws {
        try await IntakeFixture.run { fixture in
            let delivery = try fixture.slack(IntakeFixture.event("Ev1"))
            _ = try await fixture.pool.query("ALTER TABLE lockstep.webhook_events RENAME TO gone")

            let error = await #expect(throws: WebhookProblem.self) {
                try await fixture.intake.receive(delivery)
            }

            #expect(error?.status == 503)
            #expect(error?.retryAfter == .seconds(5))
            _ = try await fixture.pool.query("ALTER TABLE lockstep.gone RENAME TO webhook_events")
            #expect(await fixture.status(delivery) == 200)
        }
    }

    @Test func `does not wait for a locked table for longer than a provider waits`() async throws {
        try await IntakeFixture.run { fixture in
            let delivery = try fixture.slack(IntakeFixture.event("Ev1"))
            try await fixture.pool.transaction { connection in
                _ = try await connection.query("LOCK TABLE lockstep.webhook_events")
                let started = ContinuousClock.now
                #expect(await fixture.status(delivery) == 503)
                // Slack waits for three; a busy machine takes its own time besides. Other statements wait for ten.
                #expect(ContinuousClock.now - started < .seconds(8))
            }
        }
    }
}

@Suite struct `A channel's notification` {
    private static func delivery(
        _ channel: String = "ch-1", token: String = "t0k3n", number: Int = 2, resource: String = "r-1",
        integration: String? = nil
    ) -> WebhookDelivery {
        WebhookDelivery(
            service: "google-calendar", integration: integration,
            url: "https://example.com/webhooks/google-calendar",
            headers: HTTPHeaders([
                ("X-Goog-Channel-ID", channel), ("X-Goog-Channel-Token", token),
                ("X-Goog-Message-Number", "\(number)"), ("X-Goog-Resource-ID", resource),
                ("X-Goog-Resource-State", "exists"),
            ]), body: [])
    }

    @Test func `is of the integration and slice that the channel was made for`() async throws {
        try await IntakeFixture.run { fixture in
            let id = try await fixture.add(IntegrationKey(userID: "u_1", service: "google-calendar"))
            _ = try await fixture.pool.query(
                """
                INSERT INTO lockstep.webhook_channels (integration_id, stream, partition, channel_id, token_hash,
                    resource_id, status, renew_at)
                VALUES ($1, 'events', 'cal-1', 'ch-1', $2, 'r-1', 'active', now() + interval '1 day')
                """, [.int(id), .bytea(ChannelNotice.hash(ofToken: "t0k3n"))])

            for form in [
                Self.delivery(token: "t0k3"), Self.delivery("ch-2"), Self.delivery(resource: "r-2"),
                Self.delivery(integration: "\(id + 1)"),
            ] {
                #expect(await fixture.status(form) == 401)
            }
            for _ in 0..<2 { #expect(await fixture.status(Self.delivery(integration: "\(id)")) == 200) }

            #expect(try await fixture.rows() == ["google-calendar default ch-1/2 exists received \(id)"])
            let rows = try await fixture.pool.query("SELECT stream, partition FROM lockstep.webhook_events")
            #expect(rows.text(0, 0) == "events")
            #expect(rows.text(0, 1) == "cal-1")
        }
    }
}

/// Polls a condition; fails after a minute.
func until(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now.advanced(by: .seconds(60))
    while try await !condition() {
        try #require(ContinuousClock.now < deadline, "the condition did not come true")
        try await ContinuousClock().sleep(for: .milliseconds(10))
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Foundation
import Model
import OAuth
import PostgresClient
import SyncStore
import TestSupport
import Testing
import Vault

@Suite struct `Disconnecting` {
    private func disconnect(
        _ fixture: Fixture, profile: OAuthProfile?, force: Bool = false
    ) async throws -> Disconnection.Revocation {
        try await Disconnection(
            vault: fixture.vault, credentials: fixture.store, integrations: fixture.integrations,
            http: fixture.http
        ).run(fixture.id, profile: profile, client: fixture.client, force: force)
    }

    @Test func `gives the refresh token back and deletes the credential`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(60))

        #expect(try await disconnect(fixture, profile: fixture.profile) == .revoked)

        #expect(fixture.provider.revokedTokens == ["rt-1"])
        #expect(fixture.provider.requests.last?.header("Authorization") != nil)
        #expect(try await fixture.count("credentials") == 0)
        #expect(try await fixture.count("integrations WHERE status = 'disconnected' AND fence = 1") == 1)
        #expect(try await disconnect(fixture, profile: fixture.profile) == .nothingStored)
        let error = try await failure { try await fixture.source(fixture.keeper()).current() }
        #expect(error.code == "credential_missing")
    }

    @Test func `gives a pasted token back without a client, at the host of the account`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil, secrets: ["access_token": "ya29.pasted"])
        _ = try await fixture.pool.query("UPDATE lockstep.integrations SET config = '{\"path\":\"revoke\"}'")
        var profile = fixture.profile
        profile.revocation = .init(
            url: "http://\(fixture.provider.origin)/${config.path}", style: .token)

        let outcome = try await Disconnection(
            vault: fixture.vault, credentials: fixture.store, integrations: fixture.integrations,
            http: fixture.http
        ).run(fixture.id, profile: profile, client: nil, force: false)

        #expect(outcome == .revoked)
        #expect(fixture.provider.revokedTokens == ["ya29.pasted"])
    }

    @Test func `says when the provider has no way`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil)

        #expect(try await disconnect(fixture, profile: nil) == .unsupported)
        #expect(try await fixture.count("credentials") == 0)
    }

    @Test func `keeps the credential when the provider did not answer, unless forced`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil)
        fixture.provider.change {
            $0.answers = [("503 Service Unavailable", ""), ("503 Service Unavailable", "")]
        }

        guard case .failed(let reason) = try await disconnect(fixture, profile: fixture.profile) else {
            Issue.record("the revocation did not fail")
            return
        }
        #expect(reason.contains("http_503") && !reason.contains("rt-1"))
        #expect(try await fixture.count("credentials") == 1)
        guard case .givenUp = try await disconnect(fixture, profile: fixture.profile, force: true) else {
            Issue.record("the revocation was not given up")
            return
        }
        #expect(try await fixture.count("credentials") == 0)
    }

    @Test func `waits for a refresh under way, and gives back what it brought`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: .seconds(60))
        try await fixture.expire()
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let hold = DispatchSemaphore(value: 0)
        fixture.provider.change { behaviour in
            behaviour.beforeAnswer = {
                arrived.yield()
                hold.wait()
            }
        }
        let source = try await fixture.source(fixture.keeper())
        let caller = Task { try await source.current() }
        var iterator = arrivals.makeAsyncIterator()
        await iterator.next()
        let end = Task { try await disconnect(fixture, profile: fixture.profile) }
        let deadline = ContinuousClock.now + .seconds(60)
        while try await fixture.count("integrations WHERE status = 'disconnected'") == 0, .now < deadline {
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
        hold.signal()

        _ = try await caller.value
        #expect(try await end.value == .revoked)
        #expect(fixture.provider.revokedTokens == ["rt-2"])
        #expect(try await fixture.count("credentials") == 0)
    }
}

@Suite struct `Erasing` {
    /// Puts a row of the integration into every table that can hold one, without a look at what the table means.
    private func fill(_ fixture: Fixture, id: Int64, secret: String) async throws {
        let statements = [
            "INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence, error_detail, completed_at) VALUES ('j', 1, \(id), '\(secret)', 'demo', 'default', 'full', 'failed', 'w', 1, '\(secret)', now())",
            "INSERT INTO lockstep.sync_log_streams (sync_id, stream, cursor_after) SELECT id, 's', '\(secret)' FROM lockstep.sync_log WHERE integration_id = \(id)",
            "INSERT INTO lockstep.kept_responses (sync_id, integration_id, size, body) SELECT id, \(id), 9, '\(secret)' FROM lockstep.sync_log WHERE integration_id = \(id)",
            "INSERT INTO lockstep.sync_state (integration_id, stream, cursor) VALUES (\(id), 's', '\(secret)')",
            "INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id) SELECT \(id), 's', 'r' || n, '{\"a\":\"\(secret)\"}', 1 FROM generate_series(1, 12000) n",
            "INSERT INTO lockstep.sync_seen (integration_id, stream, generation, partition, page, seqs) VALUES (\(id), 's', 1, '\(secret)', 1, '{1}')",
            "INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id) VALUES (\(id), 's', '\(secret)', 'gone', 1)",
            "INSERT INTO lockstep.quarantine (integration_id, stream, reason, raw, sync_id, raw_hash) VALUES (\(id), 's', 'x', '\(secret)', 1, 'h')",
            "INSERT INTO lockstep.sweeps (integration_id, stream, generation, sync_id) VALUES (\(id), 's', 1, 1)",
            "INSERT INTO lockstep.sweep_items (sweep_id, external_id) SELECT id, '\(secret)' FROM lockstep.sweeps WHERE integration_id = \(id)",
            "INSERT INTO lockstep.actions (integration_id, name, input, idempotency_key) VALUES (\(id), 'n', '{\"a\":\"\(secret)\"}', '\(secret)')",
            "INSERT INTO lockstep.api_log (integration_id, service, method, endpoint, duration_ms, bytes, error) VALUES (\(id), 'demo', 'GET', '/\(secret)', 1, 1, '\(secret)')",
            "INSERT INTO lockstep.alerts (kind, integration_id, title, detail) VALUES ('k', \(id), 't', '\(secret)')",
            "INSERT INTO lockstep.schedules (name, cron, type, integration_id) VALUES ('\(secret)', '@daily', 'full', \(id))",
            "INSERT INTO lockstep.subscriptions (url, key_id, ciphertext, cursor_xid, cursor_row, base_xid, base_row) VALUES ('https://receiver.example', 'k', '', 0, 0, 0, 0)",
            "INSERT INTO lockstep.subscription_events (subscription_id, change_xid, change_row, integration_id, stream, external_id, event, status) SELECT max(id), 1, 1, \(id), 's', '\(secret)', 'record.added', 'dead' FROM lockstep.subscriptions",
            "INSERT INTO lockstep.subscription_marks (subscription_id, seq, integration_id, live_xid, is_told) SELECT max(id), 1, \(id), 1, true FROM lockstep.subscriptions",
        ]
        for statement in statements { _ = try await fixture.pool.query(statement) }
    }

    /// The tables with a row that holds the text.
    private func tables(_ fixture: Fixture, holding text: String) async throws -> [String] {
        let names = try await fixture.pool.query(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'lockstep' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"
        )
        var found: [String] = []
        for row in 0..<names.count {
            guard let name = names.text(row, 0) else { continue }
            let rows = try await fixture.pool.query(
                "SELECT count(*) FROM lockstep.\(name) t WHERE t::text LIKE '%\(text)%' OR t::text LIKE '%' || encode('\(text)'::bytea, 'hex') || '%'"
            )
            if rows.int(0, 0) != 0 { found.append(name) }
        }
        return found
    }

    @Test func `leaves nothing in any table but a row that says how much there was`() async throws {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil)
        let other = try await fixture.integrations.add(
            IntegrationKey(userID: "other", service: "demo"), configuration: Array("{}".utf8)
        ).id
        _ = try await fixture.pool.query(
            "UPDATE lockstep.integrations SET user_id = 'canary' WHERE id = \(fixture.id)")
        try await fill(fixture, id: fixture.id, secret: "canary")
        try await fill(fixture, id: other, secret: "bystander")
        let before = try await tables(fixture, holding: "canary")
        let whole = try await tables(fixture, holding: "bystander")
        #expect(before.count == whole.count + 1, "the integration itself has the name too")
        let erasure = Erasure(integrations: fixture.integrations)

        #expect(try await erasure.begin(fixture.id))
        let deleted = try await erasure.deleteRows(of: fixture.id)

        #expect(try await tables(fixture, holding: "canary").isEmpty)
        #expect(try await tables(fixture, holding: "bystander") == whole)
        #expect(deleted.first { $0.table == "records" }?.count == 12_000)
        let audit = try await fixture.pool.query(
            "SELECT service, completed_at IS NOT NULL, deleted::text FROM lockstep.erasures WHERE integration_id = $1",
            [.int(fixture.id)])
        #expect(audit.text(0, 0) == "demo" && audit.bool(0, 1) == true)
        #expect(try await fixture.integrations.find(.id(fixture.id)) == nil)
        #expect(try await erasure.begin(fixture.id) == false)
    }

    @Test func `resolves the alerts that somebody was told of, and tells that with nothing else`()
        async throws
    {
        let fixture = try await Fixture()
        try await fixture.connect(expiresIn: nil)
        let outbox = AlertOutbox(pool: fixture.pool)
        try await outbox.announce([.webhook, .slack])
        let kinds = ["told", "told once", "untold", "resolved", "settled", "on its way"]
        for kind in kinds {
            _ = try await fixture.pool.query(
                "INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail) VALUES ($1, 'demo', $2, 'canary', 'canary')",
                [.text(kind), .int(fixture.id)])
        }
        func settle(_ condition: String, _ change: String) async throws {
            _ = try await fixture.pool.query(
                "UPDATE lockstep.alert_deliveries d SET \(change) FROM lockstep.alerts a WHERE a.id = d.alert_id AND \(condition)"
            )
        }
        try await settle(
            "a.kind IN ('told', 'resolved', 'settled')", "status = 'sent', attempts = 1, error = 'canary'")
        try await settle("a.kind = 'told once' AND d.channel = 'webhook'", "status = 'sent', attempts = 1")
        try await settle("a.kind = 'on its way'", "attempts = 1, due_at = now() + interval '1 minute'")
        _ = try await fixture.pool.query(
            "UPDATE lockstep.alerts SET resolved_at = now() WHERE kind IN ('resolved', 'settled')")
        try await settle("a.kind = 'settled'", "status = 'sent', attempts = 1")
        let erasure = Erasure(integrations: fixture.integrations)

        #expect(try await erasure.begin(fixture.id))
        _ = try await erasure.deleteRows(of: fixture.id)

        let told = try await outbox.claim([.webhook, .slack], lease: .seconds(60), limit: 100)
        #expect(told.allSatisfy { $0.event == .resolved && $0.alert.resolvedAt != nil })
        #expect(
            Set(told.map { "\($0.alert.kind) \($0.channel.rawValue)" }) == [
                "told webhook", "told slack", "told once webhook", "resolved webhook", "resolved slack",
                "on its way webhook", "on its way slack",
            ])
        #expect(told.allSatisfy { $0.alert.integrationID == nil && $0.alert.service == "demo" })
        #expect(
            told.allSatisfy {
                $0.alert.title == "Integration \(fixture.id) was erased" && $0.alert.detail == ""
            })
        #expect(try await tables(fixture, holding: "canary").isEmpty)
        #expect(try await fixture.count("alerts") == 4)
        #expect(try await fixture.count("alerts WHERE resolved_at IS NULL") == 0)
    }

    @Test func `goes on where it stopped, and lets nobody connect in between`() async throws {
        let fixture = try await Fixture()
        try await fill(fixture, id: fixture.id, secret: "canary")
        let erasure = Erasure(integrations: fixture.integrations)
        _ = try await erasure.begin(fixture.id)
        _ = try await fixture.integrations.eraseBatch(of: fixture.id, from: "", limit: 1)

        await #expect(throws: StoreError.self) {
            try await fixture.integrations.add(fixture.key, configuration: Array("{}".utf8))
        }
        #expect(
            try await fixture.integrations.setStatus(of: fixture.id, to: "active", from: ["disconnected"])
                == false)
        _ = try await erasure.begin(fixture.id)
        _ = try await erasure.deleteRows(of: fixture.id)
        #expect(try await tables(fixture, holding: "canary").isEmpty)
        #expect(try await fixture.integrations.add(fixture.key, configuration: Array("{}".utf8)).isNew)
    }

    @Test func `cannot be undone by a run that comes late`() async throws {
        let fixture = try await Fixture()
        let store = SyncStore(pool: fixture.pool)
        let request = RunRequest(
            jobID: "j", attempt: 1, worker: "w", type: .full, enqueuedAt: nil, integration: .id(fixture.id))
        guard case .opened(let run) = try await store.begin(request) else {
            Issue.record("the run did not open")
            return
        }
        let erasure = Erasure(integrations: fixture.integrations)
        _ = try await erasure.begin(fixture.id)

        for isGone in [false, true] {
            if isGone { _ = try await erasure.deleteRows(of: fixture.id) }
            let writer = CheckpointWriter(store: store, run: run)
            let error = await #expect(throws: StoreError.self) {
                try await writer.write(Checkpoint(batch: nil, updates: [], end: RunEnd(.succeeded)))
            }
            #expect(error?.code == .staleFence)
            guard case .opened = try await store.begin(request) else { continue }
            Issue.record("a run opened")
        }
        #expect(try await fixture.count("sync_log") == 0)
    }
}

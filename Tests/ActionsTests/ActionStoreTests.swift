// SPDX-License-Identifier: Apache-2.0

import Actions
import ConnectorKit
import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `The row of an action` {
    private static func requested(_ fixture: ActionFixture) async throws -> (id: Int64, integration: Int64) {
        let integration = try await fixture.integration("slack")
        let accepted = try await fixture.store.request(
            "post_message", input: Array(#"{"channel":"C1"}"#.utf8), key: "k", for: integration)
        guard case .accepted(let id, true, "requested") = accepted else {
            throw StoreError(.unexpectedReply, "\(accepted)")
        }
        return (id, integration)
    }

    private static func finish(
        _ fixture: ActionFixture, _ action: OpenAction, _ status: ActionEnd.Status,
        log: RunEnd.Status = .failed, isInDoubt: Bool = false
    ) async throws -> Bool {
        var end = ActionEnd(status, log: log)
        end.isInDoubt = isInDoubt
        if status == .succeeded { end.result = Array(#"{"ok":true}"#.utf8) }
        return try await fixture.store.finish(action, end, apiCalls: 1, bytes: 2, throttled: .zero)
    }

    private static func status(_ fixture: ActionFixture) async throws -> String? {
        try await fixture.text("SELECT status FROM lockstep.actions")
    }

    private static func log(_ fixture: ActionFixture) async throws -> String? {
        try await fixture.text("SELECT string_agg(status, ',' ORDER BY id) FROM lockstep.sync_log")
    }

    @Test func `has one attempt that may send, and one terminal row for each`() async throws {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            let fence = try await fixture.text("SELECT fence::text FROM lockstep.integrations")
            let first = try await fixture.begin(id, of: integration)
            #expect(first.doubt == nil && first.attempt == 1)
            // Its worker died; the next attempt takes over before anything was sent.
            let second = try await fixture.begin(id, of: integration)
            #expect(second.doubt == nil && second.attempt == 2)
            #expect(try await !fixture.store.confirm(first, isNoted: false, restartsDoubt: false))
            #expect(try await fixture.store.confirm(second, isNoted: false, restartsDoubt: false))
            #expect(try await fixture.store.confirm(second, isNoted: true, restartsDoubt: false))
            #expect(try await !Self.finish(fixture, first, .failed))
            #expect(try await Self.status(fixture) == "running")
            // And now one finds that a request went out.
            let third = try await fixture.begin(id, of: integration, attempt: 2)
            #expect(third.doubt.map { $0 >= .zero && $0 < .seconds(30) } == true)
            #expect(try await Self.finish(fixture, third, .unknown, isInDoubt: true))
            #expect(try await Self.log(fixture) == "superseded,superseded,failed")
            // No sync has to stop for it.
            #expect(try await fixture.text("SELECT fence::text FROM lockstep.integrations") == fence)
        }
    }

    @Test func `believes whoever knows that it took effect`() async throws {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            let slow = try await fixture.begin(id, of: integration)
            #expect(try await fixture.store.confirm(slow, isNoted: false, restartsDoubt: false))
            let next = try await fixture.begin(id, of: integration)
            #expect(try await Self.finish(fixture, next, .unknown, isInDoubt: true))
            #expect(try await Self.finish(fixture, slow, .succeeded, log: .succeeded))
            #expect(try await Self.status(fixture) == "succeeded")
            #expect(try await !Self.finish(fixture, next, .failed))
            #expect(try await Self.status(fixture) == "succeeded")
            // The answer was lost, and the same end is written again.
            #expect(try await !Self.finish(fixture, slow, .succeeded, log: .succeeded))
            guard
                case .done = try await fixture.store.begin(
                    id, of: integration, jobID: "x", attempt: 1, worker: "w", enqueuedAt: nil)
            else {
                Issue.record("an action that has ended began again")
                return
            }
        }
    }

    @Test func `of an integration that is out of service ends, and nothing is sent`() async throws {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            let action = try await fixture.begin(id, of: integration)
            _ = try await fixture.pool.query("UPDATE lockstep.integrations SET status = 'disconnected'")
            #expect(try await !fixture.store.confirm(action, isNoted: false, restartsDoubt: false))
            let start = try await fixture.store.begin(
                id, of: integration, jobID: "action:\(id)", attempt: 1, worker: "w", enqueuedAt: nil)
            guard case .inactive(status: "disconnected") = start else {
                Issue.record("\(start)")
                return
            }
            #expect(try await Self.status(fixture) == "failed")
        }
    }

    @Test func `of another integration is none`() async throws {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            let start = try await fixture.store.begin(
                id, of: integration + 1, jobID: "j", attempt: 1, worker: "w", enqueuedAt: nil)
            guard case .unknown = start else {
                Issue.record("\(start)")
                return
            }
            #expect(try await Self.status(fixture) == "requested")
        }
    }

    @Test(arguments: [false, true])
    func `ends with its job: as unknown when it may have taken effect`(isSent: Bool) async throws {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            let action = try await fixture.begin(id, of: integration)
            if isSent {
                #expect(try await fixture.store.confirm(action, isNoted: false, restartsDoubt: false))
            }
            try await fixture.store.end(ofJob: "action:\(id)", as: .workerDied)
            #expect(try await Self.status(fixture) == (isSent ? "unknown" : "failed"))
        }
    }

    /// The ledger's clock.
    private static func now(_ fixture: ActionFixture) async throws -> Timestamp {
        let rows = try await fixture.pool.query("SELECT clock_timestamp()")
        return try #require(rows.timestamp(0, 0))
    }

    @Test func `is swept when its job may be lost, in growing intervals, and given up after a day`()
        async throws
    {
        try await ActionFixture.run { fixture in
            let (id, integration) = try await Self.requested(fixture)
            #expect(try await fixture.store.sweep(limit: 10).isEmpty)
            let later = "UPDATE lockstep.actions SET sweep_at = now() - interval '1 ms'"
            for seconds in [40, 160, 640, 2_560, 3_600, 3_600] {
                _ = try await fixture.pool.query(later)
                let before = try await Self.now(fixture)
                let swept = try await fixture.store.sweep(limit: 10)
                #expect(swept.map(\.id) == [id] && swept.map(\.integrationID) == [integration])
                #expect(try await fixture.store.sweep(limit: 10).isEmpty)
                // From the sweep on, which was between these two questions.
                let due = try await fixture.pool.query(
                    "SELECT sweep_at - \(seconds) * interval '1 s' FROM lockstep.actions"
                ).timestamp(0, 0)
                let after = try await Self.now(fixture)
                #expect(due.map { before <= $0 && $0 <= after } == true, "\(seconds)")
            }
            _ = try await fixture.pool.query(
                "UPDATE lockstep.actions SET sweep_at = now() - interval '1 ms', created_at = now() - interval '25 h'"
            )
            #expect(try await fixture.store.sweep(limit: 10).isEmpty)
            #expect(try await fixture.text("SELECT error_code FROM lockstep.actions") == "expired")
        }
    }

    @Test func `is enqueued again when Redis lost its content`() async throws {
        try await ActionFixture.run { fixture in
            let (id, _) = try await Self.requested(fixture)
            let dispatch = DispatchStore(pool: fixture.pool)
            try await dispatch.start("e1")
            try await dispatch.confirm("e1", beat: 1)
            _ = try await dispatch.lose("e1", next: "e2")
            #expect(try await fixture.store.sweep(limit: 10).map(\.id) == [id])
        }
    }

    @Test func `says nothing about the health of its integration`() async throws {
        try await ActionFixture.run { fixture in
            let integration = try await fixture.integration("stripe")
            for number in 0..<5 {
                let accepted = try await fixture.store.request(
                    "create_subscription", input: Array("{}".utf8), key: "k\(number)", for: integration)
                guard case .accepted(let id, _, _) = accepted else { continue }
                let action = try await fixture.begin(id, of: integration)
                #expect(try await Self.finish(fixture, action, .failed))
            }
            #expect(
                try await fixture.text(
                    "SELECT status FROM lockstep.integration_health WHERE scope = 'integration'") == "idle")
        }
    }
}

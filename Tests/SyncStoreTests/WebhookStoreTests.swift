// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `Accepted webhooks` {
    private static func event(_ id: String, of ledger: Ledger, size: Int = 2) -> IncomingWebhook {
        IncomingWebhook(
            service: "stripe", integrationID: ledger.integrationID, account: "default", eventID: id,
            eventType: "t", raw: [UInt8](repeating: 0x20, count: size))
    }

    private static func statuses(_ ledger: Ledger) async throws -> [String] {
        let rows = try await ledger.pool.query(
            "SELECT event_id || ' ' || status || ' ' || attempts FROM lockstep.webhook_events ORDER BY id")
        return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    }

    @Test func `are given to the newest run, oldest first, and to no other`() async throws {
        let ledger = try await Ledger()
        let store = WebhookStore(pool: ledger.pool)
        let due = try await store.accept((1...5).map { Self.event("e\($0)", of: ledger) }).compactMap(\.due)
        let old = try await ledger.open("j1")
        let run = try await ledger.open("j2")

        let error = await #expect(throws: StoreError.self) {
            try await store.take(for: old, ref: due[0].id, onlyRef: false, limit: 10)
        }
        #expect(error?.code == .staleFence)
        let taken = try await store.take(for: run, ref: due[0].id, onlyRef: false, limit: 3)
        #expect(taken.map(\.id) == due.prefix(3).map(\.id))
        try await store.settle([due[0].id, due[1].id], of: ledger.integrationID, as: .done)
        try await store.settle([due[2].id], of: ledger.integrationID + 1, as: .done)
        #expect(
            try await Self.statuses(ledger) == [
                "e1 done 1", "e2 done 1", "e3 processing 1", "e4 received 0", "e5 received 0",
            ])
        // What a dead worker had is taken again.
        let again = try await store.take(for: run, ref: due[4].id, onlyRef: false, limit: 10)
        #expect(again.map(\.id) == due.suffix(3).map(\.id))
    }

    @Test func `that were in a batch that failed are given alone`() async throws {
        let ledger = try await Ledger()
        let store = WebhookStore(pool: ledger.pool)
        let due = try await store.accept((1...4).map { Self.event("e\($0)", of: ledger) }).compactMap(\.due)
        let run = try await ledger.open()
        _ = try await store.take(for: run, ref: due[0].id, onlyRef: false, limit: 2)
        try await store.settle(
            [due[0].id, due[1].id], of: ledger.integrationID, as: .received, error: "one of them is bad")

        #expect(
            try await store.take(for: run, ref: due[3].id, onlyRef: false, limit: 10).map(\.id) == [due[0].id]
        )
        try await store.settle([due[0].id], of: ledger.integrationID, as: .failed, error: "bad")
        #expect(
            try await store.take(for: run, ref: due[3].id, onlyRef: false, limit: 10).map(\.id) == [due[1].id]
        )
        try await store.settle([due[1].id], of: ledger.integrationID, as: .done)
        #expect(
            try await store.take(for: run, ref: due[3].id, onlyRef: false, limit: 10).map(\.id)
                == due.suffix(2).map(\.id))
        #expect(
            try await store.take(for: run, ref: due[3].id, onlyRef: true, limit: 10).map(\.id) == [due[3].id])
        // One that failed is given to the job that names it.
        #expect(
            try await store.take(for: run, ref: due[0].id, onlyRef: true, limit: 10).map(\.id) == [due[0].id])
        #expect(try await store.hasPending(of: ledger.integrationID, ref: 0))
    }

    @Test func `are given in batches that fit into memory`() async throws {
        let ledger = try await Ledger()
        let store = WebhookStore(pool: ledger.pool)
        let due = try await store.accept((1...6).map { Self.event("e\($0)", of: ledger, size: 1 << 20) })
            .compactMap(\.due)
        let run = try await ledger.open()
        #expect(try await store.take(for: run, ref: due[0].id, onlyRef: false, limit: 100).count == 4)
    }

    @Test func `are swept when no job can be counted on`() async throws {
        let ledger = try await Ledger()
        let store = WebhookStore(pool: ledger.pool)
        let due = try await store.accept((1...3).map { Self.event("e\($0)", of: ledger) }).compactMap(\.due)
        #expect(try await store.sweep(limit: 10) == [])
        func age(_ interval: String) async throws {
            _ = try await ledger.pool.query(
                "UPDATE lockstep.webhook_events SET dispatched_at = now() - $1::text::interval",
                [.text(interval)])
        }

        try await age("21 s")
        #expect(try await store.sweep(limit: 10) == [due[0]])
        #expect(try await store.sweep(limit: 10) == [])

        // A Redis that lost its content: at once, whatever the age.
        try await age("1 s")
        _ = try await ledger.pool.query("INSERT INTO lockstep.dispatch (epoch) VALUES ('a')")
        #expect(try await store.sweep(limit: 10) == [due[0]])

        try await age("1 h")
        for status in ["paused", "disconnected", "reauth_required"] {
            _ = try await ledger.pool.query("UPDATE lockstep.integrations SET status = $1", [.text(status)])
            #expect(try await store.sweep(limit: 10) == [])
        }
        _ = try await ledger.pool.query("UPDATE lockstep.integrations SET status = 'active'")
        _ = try await ledger.pool.query("UPDATE lockstep.webhook_events SET status = 'done'")
        #expect(try await store.sweep(limit: 10) == [])
    }
}

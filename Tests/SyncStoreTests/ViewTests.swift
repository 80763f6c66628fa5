// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import SyncStore
import Testing

@Suite struct `A view of typed fields` {
    private static func columns(_ pairs: [(String, String)]) -> [ViewStore.Column] {
        pairs.map { ViewStore.Column(name: $0.0, path: [$0.0], type: $0.1) }
    }

    @Test func `shows the values of live records, and null where a value has another form`() async throws {
        let ledger = try await Ledger()
        let run = try await ledger.open()
        try await ledger.write(
            [
                #"{"id":"a","t":"x","i":7,"n":1.50,"b":true,"s":1700000000,"ms":1700000000500,"at":"2026-02-03T04:05:06+01:00","o":{"p\"q":[1]}}"#,
                #"{"id":"b","t":null,"i":"12","n":"many","b":"true","s":1e300,"ms":"x","at":"2026-02-31T00:00:00Z"}"#,
            ], in: run, writer: CheckpointWriter(store: ledger.store, run: run))
        let views = ViewStore(pool: ledger.pool)
        let columns =
            Self.columns([
                ("t", "text"), ("i", "integer"), ("n", "number"), ("b", "boolean"), ("s", "epoch_seconds"),
                ("ms", "epoch_milliseconds"), ("at", "rfc3339"),
            ]) + [ViewStore.Column(name: "q", path: ["o", "p\"q"], type: "json")]

        #expect(try await views.put(service: "stripe", stream: "s", columns: columns) == "created")

        let rows = try await ledger.pool.query(
            """
            SELECT id, user_id, t, i::text, n::text, b::text, extract(epoch FROM s)::bigint::text,
                   extract(epoch FROM ms)::numeric(20,1)::text, extract(epoch FROM at)::bigint::text, q::text
            FROM stripe.s ORDER BY id
            """)
        #expect(
            (0..<10).map { rows.text(0, $0) } == [
                "a", "u_1", "x", "7", "1.50", "true", "1700000000", "1700000000.5", "1770087906", "[1]",
            ])
        #expect((0..<10).map { rows.text(1, $0) } == ["b", "u_1", nil, "12", nil, nil, nil, nil, nil, nil])
    }

    @Test func `follows its manifest, keeps its grants, and goes with it`() async throws {
        let ledger = try await Ledger()
        let views = ViewStore(pool: ledger.pool)
        let first = Self.columns([("t", "text")])
        #expect(
            try await views.put(service: "google-calendar", stream: "events", columns: first) == "created")
        #expect(
            try await views.put(service: "google-calendar", stream: "events", columns: first) == "unchanged")
        _ = try await ledger.pool.query("GRANT SELECT ON google_calendar.events TO lockstep_dashboard")

        let second = Self.columns([("n", "number"), ("t", "integer")])
        #expect(
            try await views.put(service: "google-calendar", stream: "events", columns: second) == "changed")

        let granted = try await ledger.pool.query(
            "SELECT has_table_privilege('lockstep_dashboard', 'google_calendar.events', 'SELECT')::text")
        #expect(granted.text(0, 0) == "true")
        #expect(try await views.dropOthers(than: [("google-calendar", "events")]) == [])
        #expect(try await views.dropOthers(than: []) == ["google_calendar.events"])
    }

    @Test func `takes the place of nothing that is not one`() async throws {
        let ledger = try await Ledger()
        let views = ViewStore(pool: ledger.pool)
        _ = try await ledger.pool.query("CREATE SCHEMA stripe")
        _ = try await ledger.pool.query("CREATE VIEW stripe.mine AS SELECT 1 AS x")
        let columns = Self.columns([("t", "text")])
        await #expect(throws: StoreError.self) {
            try await views.put(service: "stripe", stream: "mine", columns: columns)
        }
        await #expect(throws: StoreError.self) {
            try await views.put(service: "public", stream: "t", columns: columns)
        }
        #expect(try await views.dropOthers(than: []) == [])
    }
}

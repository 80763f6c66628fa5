// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PostgresClient
import SyncEngine
import SyncStore
import Testing

@Suite struct `A record that cannot be stored` {
    private static let items = """
          items:
            path: /items
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
        """

    /// A copy of the items `a`, `x` and `y`.
    private func filled(_ streams: String = items) async throws -> ScriptedProvider {
        let provider = try await ScriptedProvider(streams: streams)
        provider.list("/items", ["a", "x", "y"].map { #"{"id":"\#($0)"}"# })
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["a", "x", "y"])
        return provider
    }

    @Test(arguments: [
        #""t":"\u0000""#, #""t":"\ud800""#, #""t":1e400000"#,
        #""t":"\#(String(repeating: "z", count: 1 << 20))""#,
    ])
    func `was shown, so that its stored row is not absent`(member: String) async throws {
        let provider = try await filled()
        provider.list("/items", [#"{"id":"a"}"#, #"{"id":"x",\#(member)}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live() == ["a", "x"])
        #expect(try await provider.count("quarantine WHERE external_id = 'x'") == 1)
        #expect(try await provider.count("deletions WHERE external_id = 'y'") == 1)
        #expect(try await provider.count("deletions") == 1)
        #expect(try await provider.count("sync_seen") == 0)
    }

    @Test(arguments: [#"{"t":1}"#, "null", #"{"id":"\ud800"}"#])
    func `and has no id that can be read may be any: what is absent then waits for a decision`(
        record: String
    ) async throws {
        let provider = try await filled()
        provider.list("/items", [#"{"id":"a"}"#, record])

        // However often it comes: each such list leaves open which of two records it does not show.
        for _ in 0..<3 { #expect(try await provider.sync(.full) == .succeeded) }

        #expect(try await provider.live() == ["a", "x", "y"])
        #expect(try await provider.count("sweeps WHERE status = 'held' AND absent = 2") == 1)
        #expect(
            try await provider.count(
                "alerts WHERE kind = 'sweep_held' AND resolved_at IS NULL AND detail LIKE '%no id that can be read%'"
            ) == 1)

        // The next list without such a record decides.
        provider.list("/items", [#"{"id":"a"}"#, #"{"id":"x"}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["a", "x"])
        #expect(try await provider.count("alerts WHERE resolved_at IS NULL") == 0)
    }

    @Test func `and has no id leaves what it may be to an operator`() async throws {
        let provider = try await filled()
        provider.list("/items", [#"{"id":"a"}"#, #"{"t":1}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        let decisions = SweepDecisions(pool: provider.pool)
        let held = try #require(try await decisions.held(after: 0, limit: 1).first)

        #expect(try await decisions.decide(held.id, approve: true) == .decided(deleted: 2))

        #expect(try await provider.live() == ["a"])
    }

    @Test func `and has no id does no harm where nothing is absent`() async throws {
        let provider = try await filled()
        provider.list("/items", ["a", "x", "y"].map { #"{"id":"\#($0)"}"# } + [#"{"t":1}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.count("sweeps WHERE status = 'held'") == 0)
        #expect(try await provider.count("quarantine") == 1)
    }

    @Test func `and has no id counts for its generation after an interruption too`() async throws {
        let provider = try await filled(Self.items.replacing("kind: none", with: Self.token))
        provider.answers.withLock {
            $0["/items"] = #"{"data":[{"t":1}],"next":"n"}"#
            $0["/items?after=n"] = #"{"data":[{"id":"a"}]}"#
        }
        let asked = Counter()
        let first = try await provider.sync(.full) { _ in asked.next() > 1 ? .drain : nil }
        #expect(first == .yielded(.drain))

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live() == ["a", "x", "y"])
        #expect(try await provider.count("sweeps WHERE status = 'held'") == 1)
    }

    private static let token = "kind: token, token: /next, parameter: after, end: absent"

    @Test func `is fetched where the list names it, and one that the list does not name may be any`()
        async throws
    {
        let provider = try await ScriptedProvider(
            streams: Self.items + "\n" + #"    hydrate: { path: "/items/${id}", gone: [404] }"#)
        for id in ["a", "x", "y"] { provider.answers.withLock { $0["/items/\(id)"] = #"{"id":"\#(id)"}"# } }
        provider.list("/items", ["a", "x", "y"].map { #"{"id":"\#($0)"}"# })
        #expect(try await provider.sync(.full) == .succeeded)

        provider.list("/items", [#"{"id":"a"}"#, #"{"id":"x","t":"\u0000"}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["a", "x"])

        provider.list("/items", [#"{"id":"a"}"#, #"{"t":1}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["a", "x"])
        #expect(try await provider.count("sweeps WHERE status = 'held'") == 1)
        #expect(try await provider.count("quarantine WHERE reason = 'missing_id'") == 1)
    }

    @Test func `is an event of a feed that names nothing, and is kept beside what the others name`()
        async throws
    {
        let provider = try await ScriptedProvider(
            streams: Self.items + "\n" + """
                    incremental:
                      kind: change_feed
                      path: /events
                      records: /data
                      entry_id: /id
                      page: { kind: none }
                      ids: /object
                      cursor: /state
                      pin: { path: /state, value: /state }
                      resync_on: [404]
                      parameter: since
                      hydrate: { path: "/items/${id}", gone: [404] }
                """)
        provider.answers.withLock {
            $0["/state"] = #"{"state":"1"}"#
            $0["/items/a"] = #"{"id":"a"}"#
            $0["/items/x"] = #"{"id":"x"}"#
            $0["/events?since=1"] =
                #"{"data":[{"id":"e1","object":"x","old":"\u0000"},{"id":"e2","old":"\u0000"}],"state":"2"}"#
        }
        provider.list("/items", [#"{"id":"a"}"#])
        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.sync(.incremental) == .succeeded)

        #expect(try await provider.live() == ["a", "x"])
        #expect(
            try await provider.count("quarantine WHERE reason = 'nul_character' AND external_id IS NULL") == 1
        )
        #expect(try await provider.count("sync_state WHERE cursor = '2'") == 1)
    }

    @Test func `was shown by the list of a stretch of time too`() async throws {
        let provider = try await ScriptedProvider(
            streams: """
                  items:
                    path: /items
                    records: /data
                    id: /id
                    page: { kind: none }
                    incremental: { kind: time_param, parameter: since, until_parameter: until, cursor: /at, format: epoch_seconds, compare: inclusive }
                    window_absence: { pointer: /at, format: epoch_seconds, since: inclusive, until: inclusive, mutable: false }
                """)
        provider.list("/items", ["a", "x", "y"].map { #"{"id":"\#($0)","at":1500}"# })
        #expect(try await provider.sync(.full) == .succeeded)
        let stretch = SyncJob.Kind.backfill(
            since: Timestamp(seconds: 1_000), until: Timestamp(seconds: 2_000))

        provider.list(
            "/items?since=1000&until=2000", [#"{"id":"a","at":1500}"#, #"{"id":"x","at":1500,"t":"\u0000"}"#])
        #expect(try await provider.sync(stretch) == .succeeded)
        #expect(try await provider.live() == ["a", "x"])

        provider.list("/items?since=1000&until=2000", [#"{"id":"a","at":1500}"#, #"{"at":1500}"#])
        for _ in 0..<2 { #expect(try await provider.sync(stretch) == .succeeded) }
        #expect(try await provider.live() == ["a", "x"])
        #expect(try await provider.count("sweeps WHERE status = 'held'") == 1)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import SyncEngine
import SyncStore
import Testing

@Suite struct `What belongs to a record` {
    private static let streams = """
          lists:
            path: /lists
            records: /data
            id: /id
            tombstone: { pointer: /gone, equals: true }
            page: { kind: none }
            absence: full_run
          items:
            parent: { stream: lists, values: { list: /id } }
            path: /lists/${parent.list}/items
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
          notes:
            parent: { stream: items, values: { item: /id } }
            path: /lists/${parent.list}/items/${parent.item}/notes
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
        """

    /// Three lists with so many items, of which the first of each has so many notes.
    private func filled(items: [Int], notes: Int = 0) async throws -> ScriptedProvider {
        let provider = try await ScriptedProvider(streams: Self.streams)
        provider.list("/lists", items.indices.map { #"{"id":"l\#($0)"}"# })
        for (list, count) in items.enumerated() {
            provider.list("/lists/l\(list)/items", (0..<count).map { #"{"id":"i\#($0)"}"# })
            for item in 0..<count {
                let found = item == 0 ? notes : 0
                provider.list(
                    "/lists/l\(list)/items/i\(item)/notes", (0..<found).map { #"{"id":"n\#($0)"}"# })
            }
        }
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live("items").count == items.reduce(0, +))
        return provider
    }

    @Test
    func `counts when that record is absent: so many deletions wait, and a second list that agrees deletes`()
        async throws
    {
        let provider = try await filled(items: [60, 10, 10])
        provider.list("/lists", [#"{"id":"l1"}"#, #"{"id":"l2"}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("lists").count == 3)
        #expect(try await provider.live("items").count == 80)
        #expect(try await provider.count("sync_state WHERE stream = 'items' AND partition = 'l0'") == 1)
        let held = try #require(
            try await SweepDecisions(pool: provider.pool).held(after: 0, limit: 1).first)
        #expect(held.reason == "children" && held.absent == 1 && held.children == 60)
        #expect(
            try await provider.count(
                "alerts WHERE kind = 'sweep_held' AND resolved_at IS NULL AND detail LIKE '1 of 3 records of stream lists are absent%60 of 80 records of stream items%'"
            ) == 1)

        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live("lists").count == 2)
        #expect(try await provider.live("items").count == 20)
        #expect(try await provider.count("deletions WHERE reason = 'gone'") == 60)
        #expect(try await provider.count("alerts WHERE resolved_at IS NULL") == 0)
        #expect(try await provider.count("sync_state WHERE partition = 'l0'") == 0)
    }

    @Test func `stays when the absent record comes back before anyone has decided`() async throws {
        let provider = try await filled(items: [60, 10, 10])
        let shown = provider.answers.withLock { $0["/lists"] }
        provider.list("/lists", [#"{"id":"l1"}"#, #"{"id":"l2"}"#])
        #expect(try await provider.sync(.full) == .succeeded)

        provider.answers.withLock { $0["/lists"] = shown }
        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("items").count == 80)
        #expect(try await provider.count("deletions") == 0)
        #expect(try await provider.count("alerts WHERE resolved_at IS NULL") == 0)
    }

    @Test func `goes with the next sync when an operator approves`() async throws {
        let provider = try await filled(items: [60, 10, 10])
        provider.list("/lists", [#"{"id":"l1"}"#, #"{"id":"l2"}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        let decisions = SweepDecisions(pool: provider.pool)
        let held = try #require(try await decisions.held(after: 0, limit: 1).first)

        #expect(try await decisions.decide(held.id, approve: true) == .decided(deleted: 1))
        #expect(try await provider.sync(.incremental) == .succeeded)

        #expect(try await provider.live("items").count == 20)
    }

    @Test func `counts over more than one step`() async throws {
        let provider = try await filled(items: [2, 2, 2], notes: 60)
        provider.list("/lists", ["l1", "l2"].map { #"{"id":"\#($0)"}"# })

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("notes").count == 180)
        #expect(
            try await provider.count("sweeps WHERE status = 'held' AND reason = 'children' AND orphans = 62")
                == 1)
    }

    @Test func `counts within the slice of a record that is a child itself`() async throws {
        let provider = try await filled(items: [2, 2, 2], notes: 60)
        provider.list("/lists/l0/items", [#"{"id":"i1"}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        // A third of all notes, and all of this list.
        #expect(try await provider.live("items").count == 6)
        #expect(try await provider.live("notes").count == 180)
        #expect(
            try await provider.count("sweeps WHERE status = 'held' AND partition = 'l0' AND orphans = 60")
                == 1)
    }

    @Test func `counts when that record is absent from a stretch of time`() async throws {
        let provider = try await ScriptedProvider(
            streams: """
                  lists:
                    path: /lists
                    records: /data
                    id: /id
                    page: { kind: none }
                    incremental: { kind: time_param, parameter: since, until_parameter: until, cursor: /at, format: epoch_seconds, compare: inclusive }
                    window_absence: { pointer: /at, format: epoch_seconds, since: inclusive, until: inclusive, mutable: false }
                  items:
                    parent: { stream: lists, values: { list: /id } }
                    path: /lists/${parent.list}/items
                    records: /data
                    id: /id
                    page: { kind: none }
                """)
        // The last list is outside the stretch: all that is in it would go, though that is few of all.
        provider.list("/lists", [(1, 1_500), (2, 5_000)].map { #"{"id":"l\#($0)","at":\#($1)}"# })
        provider.list("/lists/l1/items", (0..<60).map { #"{"id":"i\#($0)"}"# })
        provider.list("/lists/l2/items", (0..<400).map { #"{"id":"i\#($0)"}"# })
        #expect(try await provider.sync(.full) == .succeeded)
        provider.list("/lists?since=1000&until=2000", [])
        let stretch = SyncJob.Kind.backfill(
            since: Timestamp(seconds: 1_000), until: Timestamp(seconds: 2_000))

        #expect(try await provider.sync(stretch) == .succeeded)
        #expect(try await provider.live("items").count == 460)
        #expect(
            try await provider.count("sweeps WHERE status = 'held' AND reason = 'children' AND orphans = 60")
                == 1)

        #expect(try await provider.sync(stretch) == .succeeded)
        #expect(try await provider.sync(.incremental, streams: ["items"]) == .succeeded)
        #expect(try await provider.live("items").count == 400)
    }

    @Test func `goes at once when it is little`() async throws {
        let provider = try await filled(items: [50, 10, 10])
        provider.list("/lists", ["l1", "l2"].map { #"{"id":"\#($0)"}"# })

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("items").count == 20)
        #expect(try await provider.count("sweeps WHERE status = 'held'") == 0)
    }

    @Test func `goes at once when the provider says that the record is deleted`() async throws {
        let provider = try await filled(items: [60, 10, 10])
        provider.list("/lists", [#"{"id":"l0","gone":true}"#, #"{"id":"l1"}"#, #"{"id":"l2"}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("items").count == 20)
        #expect(try await provider.count("deletions WHERE reason = 'gone'") == 60)
    }

    @Test func `begins anew with a record that comes back`() async throws {
        let provider = try await filled(items: [5, 5])
        provider.list("/lists/l0/items", (0..<4).map { #"{"id":"i\#($0)"}"# })
        #expect(try await provider.sync(.full) == .succeeded)
        provider.list("/lists", [#"{"id":"l1"}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.count("sweeps WHERE stream = 'items' AND partition = 'l0'") == 0)

        provider.list("/lists", [#"{"id":"l0"}"#, #"{"id":"l1"}"#])
        for count in [4, 3] {
            provider.list("/lists/l0/items", (0..<count).map { #"{"id":"i\#($0)"}"# })
            #expect(try await provider.sync(.full) == .succeeded)
        }

        #expect(try await provider.live("items").count == 8)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PostgresClient
import SyncEngine
import Testing

@Suite struct `The slices of a child stream` {
    private static func streams(reread: String = "always") -> String {
        """
          lists:
            path: /lists
            records: /data
            id: /id
            page: { kind: none }
            absence: full_run
          items:
            parent: { stream: lists, values: { list: /id }, reread: \(reread) }
            path: /lists/${parent.list}/items
            records: /data
            id: /id
            fetch: { path: "/lists/${parent.list}/items/${id}", gone: [404] }
            page: { kind: none }
            absence: full_run
        """
    }

    /// "é" in its two Unicode forms: two ids that Swift takes for one string.
    private static let (composed, decomposed) = ("\u{e9}", "e\u{301}")

    @Test func `belong to parents whose ids are told apart by their bytes`() async throws {
        let provider = try await ScriptedProvider(streams: Self.streams())
        provider.list("/lists", [Self.composed, Self.decomposed].map { #"{"id":"\#($0)"}"# })
        provider.list("/lists/%C3%A9/items", [#"{"id":"a"}"#])
        provider.list("/lists/e%CC%81/items", [#"{"id":"b"}"#, #"{"id":"c"}"#])
        let expected = ["\(Self.decomposed)/b", "\(Self.decomposed)/c", "\(Self.composed)/a"]

        for kind in [SyncJob.Kind.full, .incremental, .full] {
            #expect(try await provider.sync(kind) == .succeeded)
            #expect(
                try await provider.live("items").map { Array($0.utf8) } == expected.map { Array($0.utf8) })
        }

        #expect(try await provider.count("sync_state WHERE stream = 'items' AND partition <> ''") == 2)
        #expect(
            try await provider.count(
                "sync_state WHERE stream = 'items' AND partition <> '' AND generation <> 3") == 0)
        #expect(try await provider.count("deletions") == 0)
        #expect(
            try await provider.count(
                "records WHERE stream = 'items' AND external_id NOT LIKE partition || '/%'")
                == 0)
    }

    @Test func `are read for notifications by the bytes of their parents' ids`() async throws {
        let provider = try await ScriptedProvider(streams: Self.streams())
        provider.list("/lists", [Self.composed, Self.decomposed].map { #"{"id":"\#($0)"}"# })
        provider.list("/lists/%C3%A9/items", [#"{"id":"x","n":1}"#])
        provider.list("/lists/e%CC%81/items", [#"{"id":"x","n":1}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        provider.answers.withLock {
            $0["/lists/%C3%A9/items/x"] = #"{"id":"x","n":2}"#
            $0["/lists/e%CC%81/items/x"] = #"{"id":"x","n":3}"#
        }

        let changes = ChangeSet(
            [Self.composed, Self.decomposed].map { .object(stream: "items", partition: $0, id: "x") })
        #expect(try await provider.sync(.changes(changes)) == .succeeded)

        let rows = try await provider.pool.query(
            "SELECT data ->> 'n' FROM lockstep.records WHERE stream = 'items' ORDER BY partition")
        #expect(rows.text(0, 0) == "3" && rows.text(1, 0) == "2")

        let list = provider.asked().count
        #expect(
            try await provider.sync(.changes(ChangeSet([.stream("items", partition: Self.decomposed)])))
                == .succeeded)
        #expect(provider.asked(since: list) == ["/lists/e%CC%81/items"])
    }

    @Test func `are asked for by notifications that differ in bytes alone`() {
        let changes: [WebhookChange] = [Self.composed, Self.decomposed].flatMap {
            [
                .object(stream: "items", partition: $0, id: $0), .stream("items", partition: $0),
                .object(stream: "items", partition: $0, id: $0),
            ]
        }
        #expect(Set(changes).count == 4)
    }

    @Test(arguments: ["always", "changed"])
    func `of parents that change while a walk through them is interrupted are read by the next one`(
        reread: String
    ) async throws {
        let provider = try await ScriptedProvider(streams: Self.streams(reread: reread))
        func show(_ round: Int, _ items: [String]) {
            provider.list("/lists", (0..<3).map { #"{"id":"l\#($0)","n":\#(round)}"# })
            for list in 0..<3 {
                provider.list("/lists/l\(list)/items", items.map { #"{"id":"\#($0)"}"# })
            }
        }
        show(1, ["a"])
        #expect(try await provider.sync(.full) == .succeeded)

        // The lists and the slice of the first one, and no more.
        show(2, ["a", "b"])
        let asked = Counter()
        let walk = try await provider.sync(.incremental) { _ in asked.next() > 2 ? .drain : nil }
        #expect(walk == .yielded(.drain))
        #expect(try await provider.live("items") == ["l0/a", "l0/b", "l1/a", "l2/a"])

        // Behind its back the first list changes once more.
        show(3, ["a", "b"])
        provider.list("/lists/l0/items", ["a", "b", "c"].map { #"{"id":"\#($0)"}"# })
        var before = provider.asked().count
        #expect(try await provider.sync(.incremental) == .succeeded)
        #expect(provider.asked(since: before) == ["/lists", "/lists/l1/items", "/lists/l2/items"])

        before = provider.asked().count
        #expect(try await provider.sync(.incremental) == .succeeded)
        #expect(try await provider.live("items") == ["l0/a", "l0/b", "l0/c", "l1/a", "l1/b", "l2/a", "l2/b"])
        #expect(
            provider.asked(since: before).dropFirst()
                == (reread == "changed" ? ["/lists/l0/items"] : (0..<3).map { "/lists/l\($0)/items" })[...])
    }
}

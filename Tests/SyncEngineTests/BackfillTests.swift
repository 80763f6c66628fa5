// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import SyncEngine
import Testing

@Suite struct `A backfill before the first full sync` {
    private static let streams = """
          lists:
            path: /lists
            records: /data
            id: /id
            page: { kind: none }
            backfill: { since_parameter: since, format: epoch_seconds }
            absence: full_run
          items:
            parent: { stream: lists, values: { list: /id } }
            path: /lists/${parent.list}/items
            records: /data
            id: /id
            page: { kind: none }
            backfill: { since_parameter: since, format: epoch_seconds }
            absence: full_run
        """

    @Test func `is not taken for absent by it`() async throws {
        let provider = try await ScriptedProvider(streams: Self.streams)
        provider.list("/lists", [#"{"id":"l1"}"#, #"{"id":"l2"}"#])
        provider.list("/lists?since=1000", [#"{"id":"l1"}"#])
        provider.list("/lists/l1/items", [#"{"id":"a"}"#, #"{"id":"b"}"#])
        provider.list("/lists/l1/items?since=1000", [#"{"id":"a"}"#])
        provider.list("/lists/l2/items", [#"{"id":"c"}"#])
        #expect(
            try await provider.sync(.backfill(since: Timestamp(seconds: 1_000), until: nil)) == .succeeded)
        #expect(try await provider.live("lists") == ["l1"])
        #expect(try await provider.live("items") == ["l1/a"])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("lists") == ["l1", "l2"])
        #expect(try await provider.live("items") == ["l1/a", "l1/b", "l2/c"])
        #expect(try await provider.count("deletions") == 0)
        #expect(try await provider.count("sync_seen") == 0)
    }

    @Test func `leaves it to it to find what is gone meanwhile`() async throws {
        let provider = try await ScriptedProvider(streams: Self.streams)
        provider.list("/lists?since=1000", [#"{"id":"l1"}"#, #"{"id":"l2"}"#])
        provider.list("/lists/l1/items?since=1000", [#"{"id":"a"}"#, #"{"id":"b"}"#])
        provider.list("/lists/l2/items?since=1000", [])
        #expect(
            try await provider.sync(.backfill(since: Timestamp(seconds: 1_000), until: nil)) == .succeeded)
        provider.list("/lists", [#"{"id":"l1"}"#])
        provider.list("/lists/l1/items", [#"{"id":"a"}"#])

        #expect(try await provider.sync(.full) == .succeeded)

        #expect(try await provider.live("lists") == ["l1"])
        #expect(try await provider.live("items") == ["l1/a"])
        #expect(try await provider.count("deletions WHERE reason = 'absence'") == 2)
    }
}

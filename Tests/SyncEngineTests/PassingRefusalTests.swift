// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PostgresClient
import SyncEngine
import Testing

@Suite struct `An object that was not found once` {
    private static let streams = """
          items:
            path: /items
            records: /data
            id: /id
            version: { pointer: /v, format: integer }
            fetch: { path: "/items/${id}", gone: [404] }
            page: { kind: none }
            absence: full_run
        """

    @Test func `comes back with a later full sync, though its version is the old one`() async throws {
        let provider = try await ScriptedProvider(streams: Self.streams)
        provider.list("/items", [#"{"id":"a","v":1}"#, #"{"id":"b","v":1}"#])
        #expect(try await provider.sync(.full) == .succeeded)

        // The provider does not find it, for a moment.
        let changes = ChangeSet([.object(stream: "items", partition: "", id: "a")])
        #expect(try await provider.sync(.changes(changes)) == .succeeded)
        #expect(try await provider.live() == ["b"])
        #expect(try await provider.count("deletions WHERE reason = 'webhook'") == 1)

        // So shortly after, its list may be older than the deletion.
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["b"])

        for relation in ["records", "deletions"] {
            _ = try await provider.pool.query(
                "UPDATE lockstep.\(relation) SET deleted_at = deleted_at - interval '11 minutes' WHERE deleted_at IS NOT NULL"
            )
        }
        #expect(try await provider.sync(.full) == .succeeded)
        #expect(try await provider.live() == ["a", "b"])
    }
}

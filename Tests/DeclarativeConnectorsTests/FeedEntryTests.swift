// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `A feed` {
    private static func provider(_ history: String) throws -> Provider {
        try Provider(
            manifest(
                """
                    path: /messages
                    page: { kind: none }
                    hydrate: { path: "/messages/${id}", gone: [404] }
                    incremental:
                      kind: change_feed
                      path: /history
                      records: /history
                      entry_id: /id
                      page: { kind: none }
                      ids: [/added/*/message/id, /labels/*/message/id]
                      deleted_ids: [/removed/*/message/id]
                      parameter: startHistoryId
                      cursor: /historyId
                      pin: { path: /profile, value: /historyId }
                      resync_on: [404]
                """)
        ) { request in
            guard let id = request.target.split(separator: "/").last, request.target.contains("/messages/")
            else { return json(history) }
            return json("{\"id\":\"\(id)\"}")
        }
    }

    private static let deep = String(repeating: "[", count: 1_100) + String(repeating: "]", count: 1_100)

    /// An event is not stored itself: what makes a record unfit does not matter.
    @Test(arguments: [
        #""old":"\u0000""#, #""old":"\ud800""#, #""old":1e400000"#, #""old":\#(deep)"#,
        #""old":"\#(String(repeating: "z", count: 1 << 20))""#,
    ])
    func `names objects by events that could not be stored`(member: String) async throws {
        let history = """
            {"history":[{"id":"1",\(member),"added":[{"message":{"id":"a",\(member)}}]},
            {\(member),"removed":[{"message":{"id":"b"}}]},{"id":"3","labels":[{"message":{"id":"c"}}]}],
            "historyId":"99"}
            """
        let provider = try Self.provider(history)
        let reader = try provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: "77", order: nil), resumingAt: nil)

        let page = try await reader.nextPage()

        let scanned = page.scanned
        let ids = scanned.records.map {
            String(decoding: scanned.identifiers[$0.identifierRange], as: UTF8.self)
        }
        #expect(Set(ids) == ["a", "b", "c"])
        #expect(scanned.records.count { $0.isTombstone } == 1)
        #expect(page.unnamed.isEmpty)
        #expect(page.cursor?.text == "99")
    }

    /// No request can name it, and no record can have it.
    @Test func `does not ask for an object by an id that is too long`() async throws {
        let long = String(repeating: "i", count: 2_001)
        let provider = try Self.provider(
            #"{"history":[{"id":"1","added":[{"message":{"id":"\#(long)"}},{"message":{"id":"a"}}]}],"historyId":"99"}"#
        )
        let page = try await provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: "77", order: nil), resumingAt: nil
        ).nextPage()
        #expect(page.scanned.records.count == 1)
        #expect(page.cursor?.text == "99")
    }

    @Test(arguments: [
        #"{"id":"1","old":"\u0000"}"#, #"{"added":[{"message":{"id":"\ud800"}}]}"#, "null", "7",
    ])
    func `shows what an event is of which nobody can tell what it names`(event: String) async throws {
        let provider = try Self.provider(
            #"{"history":[{"id":"0","added":[{"message":{"id":"a"}}]},\#(event)],"historyId":"99"}"#)
        let reader = try provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: "77", order: nil), resumingAt: nil)

        let page = try await reader.nextPage()

        #expect(page.scanned.records.count == 1)
        #expect(page.unnamed.map(\.externalID) == [nil])
        let listed = try #require(page.listed)
        #expect(page.unnamed.map { String(decoding: listed.body[$0.range], as: UTF8.self) } == [event])
    }
}

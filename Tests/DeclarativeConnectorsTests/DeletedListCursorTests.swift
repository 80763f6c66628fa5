// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import TestSupport
import Testing

@testable import DeclarativeConnectors

/// A list whose cursor is told with the last page of what was deleted.
@Suite struct `A list before one of the deleted` {
    private static let noon = "Date: Thu, 01 Jan 2026 12:00:00 GMT\r\n"
    private static let deleted = """
            absence: full_run
            deleted_list: { path: /deleted, records: /gone, page: { kind: none }, parameter: start, format: rfc3339, horizon: 15d }
        """

    @Test func `shows with each stretch of time how far it has come`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental:
                      { kind: time_param_window, parameter: from, until_parameter: to, format: epoch_seconds, step: 30d, start: 2025-01-01T00:00:00Z, compare: inclusive }
                \(Self.deleted)
                """)
        ) { request in
            json(request.target.contains("deleted") ? #"{"gone":[]}"# : #"{"data":[]}"#, headers: Self.noon)
        }
        let order = try #require(Timestamp(rfc3339: "2025-01-01T00:00:00Z")).microseconds
        let since = Cursor(text: "1735689600 deleted=2026-01-01T00:00:00Z", order: order)
        let reader = try provider.strategy().incrementalSync(of: .whole, since: since, resumingAt: nil)
        var reached: [Int64?] = []
        while true {
            let page = try await reader.nextPage()
            guard case .next = page.continuation else {
                #expect(page.cursor?.text.hasPrefix("17672") == true)
                break
            }
            #expect(page.cursor == nil)
            reached.append(page.reached)
        }

        let orders = reached.compactMap(\.self)
        #expect(orders.count == 13 && reached.count == 13)
        #expect(orders == Array(Set(orders)).sorted())
    }

    /// What changed between two looks at a page may stand among those that were fetched before.
    @Test func `takes no cursor of a later look at a page whose objects are fetched`() async throws {
        let looks = LockedBox(0)
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    hydrate: { path: "/items/${id}", gone: [404] }
                    incremental:
                      kind: change_feed
                      path: /events
                      records: /data
                      entry_id: /id
                      page: { kind: none }
                      ids: /id
                      parameter: since
                      cursor: /u
                      format: rfc3339
                      compare: inclusive
                      horizon: 30d
                \(Self.deleted)
                """)
        ) { request in
            if request.target.contains("deleted") { return json(#"{"gone":[]}"#, headers: Self.noon) }
            let id = request.target.split(separator: "/").last ?? ""
            guard id.hasPrefix("events") else { return json("{\"id\":\"\(id)\"}") }
            let look = looks.withLock { looks in
                looks += 1
                return looks
            }
            let records = (1...25).map { "{\"id\":\"\($0)\",\"u\":\"2026-01-01T0\(look):00:00Z\"}" }
            return json("{\"data\":[\(records.joined(separator: ","))]}", headers: Self.noon)
        }
        let order = try #require(Timestamp(rfc3339: "2025-12-31T00:00:00Z")).microseconds
        let since = Cursor(text: "2025-12-31T00:00:00Z deleted=2026-01-01T00:00:00Z", order: order)
        let strategy = try provider.strategy()
        let page = try await strategy.incrementalSync(of: .whole, since: since, resumingAt: nil).nextPage()
        guard case .next(let position) = page.continuation else {
            Issue.record("the objects of a page come in several pages")
            return
        }

        // By another worker.
        let rest = try await Enumeration(
            strategy.incrementalSync(of: .whole, since: since, resumingAt: position))

        #expect(looks.withLock { $0 } == 2)
        #expect(rest.pages.first == ["21", "22", "23", "24", "25"])
        #expect(rest.cursors == ["2026-01-01T01:00:00Z deleted=2026-01-01T12:00:00Z"])
    }
}

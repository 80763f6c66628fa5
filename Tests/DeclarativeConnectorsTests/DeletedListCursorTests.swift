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
}

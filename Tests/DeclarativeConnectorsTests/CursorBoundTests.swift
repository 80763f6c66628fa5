// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `A cursor of the records' times` {
    private static let stream = """
            path: /items
            page: { kind: none }
            incremental: { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive, lag: 5m }
        """

    private static let date = "Date: Sat, 28 Nov 2026 12:00:00 GMT\r\n"
    private static let hostile = #"{"id":"x","u":"9999-12-31T23:59:59Z"}"#

    @Test func `does not move for a record from the future, and moves for the others of its page`()
        async throws
    {
        let provider = try Provider(manifest(Self.stream)) { _ in
            json(
                #"{"data":[{"id":"a","u":"2026-11-28T11:00:00Z"},\#(Self.hostile),{"id":"b","u":"2026-11-28T11:30:00Z"}]}"#,
                headers: Self.date)
        }

        let read = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))

        // The record itself is kept like any other.
        #expect(read.pages == [["a", "x", "b"]])
        #expect(read.cursors == ["2026-11-28T11:30:00Z"])
    }

    @Test(
        arguments: [
            ("2026-11-29T12:00:00Z", true), ("2026-11-29T12:00:00.000001Z", false),
            ("2026-11-28T23:00:00+14:00", true),
        ])
    func `may lie a day ahead of the provider's clock where the list comes oldest first`(
        time: String, isTaken: Bool
    ) async throws {
        let ascending = Self.stream.replacing("lag: 5m", with: "lag: 5m, order: ascending, sort: documented")
        let provider = try Provider(manifest(ascending)) { _ in
            json(#"{"data":[{"id":"a","u":"\#(time)"}]}"#, headers: Self.date)
        }

        let read = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))

        #expect(read.cursors == (isTaken ? [time] : []))
    }

    /// What was on the first page may have been changed since, before the time of what the last page shows.
    @Test(arguments: [true, false])
    func `does not pass the beginning of its enumeration, unless the list comes oldest first`(
        isAscending: Bool
    ) async throws {
        let stream = """
                path: /items
                page: { kind: token, token: /next, parameter: p, end: missing }
                incremental:
                  { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive, lag: 5m\(isAscending ? ", order: ascending, sort: documented" : "") }
            """
        let provider = try Provider(manifest(stream)) { request in
            request.target.contains("p=2")
                ? json(
                    #"{"data":[{"id":"b","u":"2026-11-28T12:20:00Z"}]}"#,
                    headers: "Date: Sat, 28 Nov 2026 12:30:00 GMT\r\n")
                : json(#"{"data":[{"id":"a","u":"2026-11-28T11:00:00Z"}],"next":2}"#, headers: Self.date)
        }

        let strategy = try provider.strategy()
        let first = strategy.fullSync(of: .whole, resumingAt: nil)
        let page = try await first.nextPage()
        guard case .next(let token) = page.continuation else {
            Issue.record("one page is not all")
            return
        }
        // By another worker: the beginning is not forgotten.
        let last = try await strategy.fullSync(of: .whole, resumingAt: token).nextPage()

        #expect(page.cursor?.text == "2026-11-28T11:00:00Z")
        #expect(last.cursor?.text == (isAscending ? "2026-11-28T12:20:00Z" : "2026-11-28T12:00:00Z"))
    }

    @Test func `is not bounded where the provider tells no time, or the cursor is a number`() async throws {
        let dateless = try Provider(manifest(Self.stream)) { _ in json("{\"data\":[\(Self.hostile)]}") }
        #expect(
            try await Enumeration(dateless.strategy().fullSync(of: .whole, resumingAt: nil)).cursors.count
                == 1)

        let numbered = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental: { kind: sequence_id, parameter: after, cursor: /n, compare: exclusive }
                """)
        ) { _ in json(#"{"data":[{"id":"a","n":9223372036854775807}]}"#, headers: Self.date) }
        #expect(
            try await Enumeration(numbered.strategy().fullSync(of: .whole, resumingAt: nil)).cursors
                == ["9223372036854775807"])
    }

    /// The first page's object gets the number 7 after it was read; the last page shows an 8.
    @Test(arguments: [true, false])
    func
        `that is a number does not pass the first page of its enumeration, unless the list comes oldest first`(
            isAscending: Bool
        ) async throws
    {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: p, end: missing }
                    incremental: { kind: sequence_id, parameter: after, cursor: /n, compare: inclusive\(isAscending ? ", order: ascending, sort: documented" : "") }
                """)
        ) { request in
            request.target.contains("p=2")
                ? json(#"{"data":[{"id":"z","n":8}]}"#)
                : json(#"{"data":[{"id":"b","n":4},{"id":"a","n":5},{"id":"c","n":3}],"next":2}"#)
        }

        let strategy = try provider.strategy()
        let page = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
        guard case .next(let token) = page.continuation else {
            Issue.record("one page is not all")
            return
        }
        // By another worker: the first page is not forgotten.
        let last = try await strategy.fullSync(of: .whole, resumingAt: token).nextPage()

        #expect(page.cursor?.text == "5")
        #expect(last.cursor?.text == (isAscending ? "8" : "5"))
        let whole = try await Enumeration(
            strategy.incrementalSync(of: .whole, since: Cursor(text: "4", order: 4), resumingAt: nil))
        #expect(whole.cursors.last == (isAscending ? "8" : "5"))
    }

    @Test func `is not bounded newest first either where it is a number`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: p, end: "null" }
                    incremental: { kind: sorted_desc_until, cursor: /n, format: integer }
                """)
        ) { request in
            let page = request.target.contains("p=2") ? 2 : request.target.contains("p=3") ? 3 : 1
            // Ids that have the time in them, as Discord's.
            return json(
                #"{"data":[{"id":"\#(page)","n":124000000000000000\#(4 - page)}],"next":\#(page + 1)}"#,
                headers: Self.date)
        }
        let cursor = Cursor(text: "1240000000000000002", order: 1_240_000_000_000_000_002)

        let read = try await Enumeration(
            provider.strategy().incrementalSync(of: .whole, since: cursor, resumingAt: nil))

        #expect(read.pages == [["1"], ["2"], ["3"]])
        #expect(read.end == .reachedCursor)
        #expect(read.cursors.first == "1240000000000000003")
    }

    @Test func `that lies in the future already is dropped, and all is read again`() async throws {
        let provider = try Provider(manifest(Self.stream)) { _ in json(#"{"data":[]}"#, headers: Self.date) }
        let cursor = Cursor(text: "9999-12-31T23:59:59Z", order: 253_402_300_799_000_000)

        let error = await #expect(throws: ConnectorError.self) {
            _ = try await provider.strategy().incrementalSync(of: .whole, since: cursor, resumingAt: nil)
                .nextPage()
        }

        #expect(error?.errorClass == .resyncRequired)
        #expect(error?.code == "cursor_in_future")
    }

    @Test(arguments: [Int64.min, .min + 1, .max - 1, .max])
    func `may be any number`(order: Int64) async throws {
        for format in ["rfc3339", "epoch_seconds", "epoch_milliseconds", "\"%Y-%m-%dT%H:%M:%S%z\""] {
            let provider = try Provider(
                manifest(
                    """
                        path: /items
                        page: { kind: none }
                        incremental: { kind: time_param, parameter: since, cursor: /u, format: \(format), compare: inclusive, lag: 1d }
                    """)
            ) { _ in json(#"{"data":[]}"#) }
            let cursor = Cursor(text: "c", order: order)
            let reader = try provider.strategy().incrementalSync(of: .whole, since: cursor, resumingAt: nil)
            #expect(try await reader.nextPage().scanned.records.isEmpty)
            #expect(provider.targets.count == 1)
        }
        let numbers = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental: { kind: sequence_id, parameter: after, cursor: /n, compare: exclusive }
                """)
        ) { _ in json(#"{"data":[]}"#) }
        let reader = try numbers.strategy().incrementalSync(
            of: .whole, since: Cursor(text: String(order), order: order), resumingAt: nil)
        #expect(try await reader.nextPage().scanned.records.isEmpty)
    }

    @Test func `newest first is read down to the lag below it`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: p, end: "null" }
                    incremental: { kind: sorted_desc_until, cursor: /u, format: rfc3339, lag: 10m }
                """)
        ) { request in
            let page = request.target.contains("p=2") ? 2 : request.target.contains("p=3") ? 3 : 1
            let time = ["12:01:00", "11:52:00", "11:49:00"][page - 1]
            return json(#"{"data":[{"id":"\#(page)","u":"2026-11-28T\#(time)Z"}],"next":\#(page + 1)}"#)
        }
        let cursor = Cursor(text: "2026-11-28T12:00:00Z", order: 1_795_867_200_000_000)

        let read = try await Enumeration(
            provider.strategy().incrementalSync(of: .whole, since: cursor, resumingAt: nil))

        #expect(read.pages == [["1"], ["2"], ["3"]])
        #expect(read.end == .reachedCursor)
    }

    /// What is committed late has an earlier time than what was seen, at any provider.
    @Test func `has a lag in each manifest that ships`() throws {
        var count = 0
        for (file, text) in BuiltinManifests.all {
            let connector = try ManifestLoader.load(text, file: file)
            for stream in connector.manifest.streams {
                let lag: Duration? =
                    switch stream.incremental {
                    case .time(let rule) where rule.request.format != .integer: rule.request.lag
                    case .sortedDescending(_, let lag, _): lag
                    case .feed(let rule) where rule.request.format != .integer: rule.request.lag
                    default: nil
                    }
                guard let lag else { continue }
                count += 1
                #expect(lag > .zero, "\(connector.service).\(stream.name)")
            }
        }
        #expect(count > 10)
    }
}

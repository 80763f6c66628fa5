// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

/// A time of the provider's clock.
private let noon = "Date: Thu, 01 Jan 2026 12:00:00 GMT\r\n"

@Suite struct `An incremental read` {
    private static func changes(
        _ provider: Provider, since text: String, order: Int64? = nil, at position: PagePosition? = nil
    ) throws -> any PageReader {
        try provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: text, order: order), resumingAt: position)
    }

    @Test func `by an exclusive cursor asks from the step below it, so that ties come again`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental: { kind: sequence_id, parameter: since_id, cursor: /seq, compare: exclusive }
                """)
        ) { _ in json(#"{"data":[{"id":"a","seq":12}]}"#) }
        #expect(try await Enumeration(Self.changes(provider, since: "11", order: 11)).cursors == ["12"])
        #expect(provider.targets == ["/api/items?since_id=10"])
    }

    @Test func `with a lag, in a date format of the provider's own, may stand inside a text`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /query
                    query: { q: "SELECT * FROM t" }
                    page: { kind: none }
                    incremental:
                      kind: time_param
                      query: { q: "SELECT * FROM t WHERE m >= '${cursor}'" }
                      cursor: /m
                      format: "%Y-%m-%d %H:%M"
                      timezone: UTC
                      compare: exclusive
                      granularity: 60s
                      lag: 1h
                """)
        ) { _ in json(#"{"data":[{"id":"a","m":"2026-01-01 12:30"}]}"#) }
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.cursors == ["2026-01-01 12:30"])
        let order = try #require(Timestamp(rfc3339: "2026-01-01T12:30:00Z")).microseconds
        _ = try await Enumeration(Self.changes(provider, since: "2026-01-01 12:30", order: order))
        #expect(
            provider.targets == [
                "/api/query?q=SELECT%20%2A%20FROM%20t",
                "/api/query?q=SELECT%20%2A%20FROM%20t%20WHERE%20m%20%3E%3D%20%272026-01-01%2011%3A29%27",
            ])
    }

    @Test func `oldest first asks for a stored page with the cursor that it began with`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    query: { sort: updated }
                    page: { kind: token, token: /next, parameter: page, end: missing }
                    incremental:
                      { kind: time_param, parameter: since, cursor: /u, format: epoch_seconds, compare: inclusive, order: ascending, sort: sort }
                """)
        ) { request in
            request.target.contains("page=2")
                ? json(#"{"data":[]}"#) : json(#"{"data":[{"id":"a","u":200}],"next":2}"#)
        }
        let first = try await Self.changes(provider, since: "100", order: 100_000_000).nextPage()
        guard case .next(let position) = first.continuation else {
            Issue.record("the list ends with its first page")
            return
        }
        // The engine has stored 200 with the first page; the second page of "since 200" would skip one.
        _ = try await Enumeration(Self.changes(provider, since: "200", order: 200_000_000, at: position))
        #expect(
            provider.targets == [
                "/api/items?sort=updated&since=100", "/api/items?sort=updated&since=100&page=2",
            ])
    }

    @Test func `by stretches of time reads them one after the other up to the provider's now`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: after, end: missing }
                    incremental:
                      { kind: time_param_window, parameter: from, until_parameter: to, format: epoch_seconds, step: 6h, start: 2026-01-01T00:00:00Z, compare: inclusive, lag: 10m }
                """)
        ) { request in
            request.target.contains("from=1767225600") && !request.target.contains("after")
                ? json(#"{"data":[{"id":"a"}],"next":"p"}"#, headers: noon)
                : json(#"{"data":[]}"#, headers: noon)
        }
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.pages == [["a"], [], []])
        #expect(full.cursors == ["1767247200", "1767268800"])
        let days = "/api/items?from=1767225600&to=1767247200"
        #expect(provider.targets == [days, days + "&after=p", "/api/items?from=1767247200&to=1767268800"])

        let again = try await Enumeration(
            Self.changes(provider, since: "1767268800", order: 1_767_268_800_000_000))
        #expect(again.cursors == ["1767268800"])
        #expect(provider.targets.last?.hasPrefix("/api/items?from=1767268200&to=") == true)
    }

    @Test(arguments: [("", "t2"), (", take: first", "t1")])
    func `by a token keeps that of the last page, or of the first`(take: String, expected: String)
        async throws
    {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: page, end: absent }
                    incremental: { kind: sync_token, token: /state, parameter: since\(take) }
                """)
        ) { request in
            request.target.contains("page=2")
                ? json(#"{"data":[{"id":"b"}],"state":"t2"}"#)
                : json(#"{"data":[{"id":"a"}],"state":"t1","next":"2"}"#)
        }
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.cursors == [expected])
        let changes = try await Enumeration(Self.changes(provider, since: "t0"))
        #expect(changes.cursors == [expected])

        let feed = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental:
                      kind: change_feed
                      path: /feed
                      records: /data
                      entry_id: /id
                      ids: /id
                      page: { kind: token, token: /next, parameter: page, end: absent }
                      parameter: since
                      cursor: /state
                      take: \(expected == "t1" ? "first" : "last")
                      pin: { path: /pin, value: /state }
                      horizon: 1d
                      hydrate: { path: "/items/${id}", gone: [404] }
                """)
        ) { request in
            if request.target.contains("/feed") {
                return request.target.contains("page=2")
                    ? json(#"{"data":[{"id":"b"}],"state":"t2"}"#, headers: noon)
                    : json(#"{"data":[{"id":"a"}],"state":"t1","next":"2"}"#, headers: noon)
            }
            return json(#"{"id":"x"}"#)
        }
        let told = try await Enumeration(Self.changes(feed, since: "t0"))
        #expect(told.cursors.last == expected)
    }

    @Test func `on condition of a change ends when nothing changed`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental: { kind: etag }
                """)
        ) { request in
            request.header("If-None-Match") == #"W/"1""#
                ? [.send("HTTP/1.1 304 Not Modified\r\nETag: W/\"1\"\r\n\r\n")]
                : json(#"{"data":[{"id":"a"}]}"#, headers: "ETag: W/\"1\"\r\n")
        }
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.cursors == [#"W/"1""#])
        let second = try await Enumeration(Self.changes(provider, since: #"W/"1""#))
        #expect(second.end == .notModified)
        #expect(second.pages == [[]])
        #expect(try await Enumeration(Self.changes(provider, since: "other")).pages == [["a"]])
    }

    @Test func `whose cursor is refused has to start over`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental: { kind: sync_token, token: header:X-Sync, parameter: X-Sync, in: header, resync_on: [404] }
                """)
        ) { request in
            request.header("X-Sync") == nil
                ? json(#"{"data":[]}"#, headers: "X-Sync: s1\r\n") : [.reply("404 Not Found")]
        }
        let strategy = try provider.strategy()
        #expect(try await Enumeration(strategy.fullSync(of: .whole, resumingAt: nil)).cursors == ["s1"])
        let reader = try Self.changes(provider, since: "s1")
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.errorClass == .resyncRequired)
    }

    @Test func `goes on with what was deleted since the cursor`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    absence: full_run
                    incremental: { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive }
                    deleted_list:
                      path: /deleted
                      records: /gone
                      page: { kind: none }
                      parameter: start
                      until_parameter: end
                      format: rfc3339
                      horizon: 15d
                """)
        ) { request in
            request.target.contains("deleted")
                ? json(#"{"gone":[{"id":"x"}]}"#)
                : json(#"{"data":[{"id":"a","u":"2026-01-01T11:00:00Z"}]}"#, headers: noon)
        }
        let since = "2025-12-31T00:00:00Z"
        let order = try #require(Timestamp(rfc3339: since)).microseconds
        let read = try await Enumeration(Self.changes(provider, since: since, order: order))
        #expect(read.pages == [["a"], ["x"]])
        #expect(read.tombstones == ["x"])
        #expect(read.cursors == ["2026-01-01T11:00:00Z deleted=2026-01-01T12:00:00Z"])
        #expect(
            provider.targets.last
                == "/api/deleted?start=2025-12-31T00%3A00%3A00Z&end=2026-01-01T12%3A00%3A00Z")
        let connector = try ManifestLoader.load(provider.manifest, file: "demo.yaml")
        #expect(connector.streams.first?.cursorOrder == .atEnd)

        let old = try Self.changes(
            provider, since: "2025-12-01T00:00:00Z", order: order - 30 * 86_400_000_000)
        let error = await #expect(throws: ConnectorError.self) { try await old.nextPage() }
        #expect(error?.code == "cursor_too_old")
        #expect(error?.errorClass == .resyncRequired)
        // A full sync has no cursor to ask from, and its absences say what is gone.
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.pages == [["a"]])
        #expect(full.cursors == ["2026-01-01T11:00:00Z deleted=2026-01-01T12:00:00Z"])
    }

    @Test
    func `keeps the time of the deletions apart, so that what is not edited for long stays incremental`()
        async throws
    {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: /next, parameter: page, end: absent }
                    absence: full_run
                    incremental: { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive }
                    deleted_list:
                      path: /deleted
                      records: /gone
                      page: { kind: none }
                      parameter: start
                      until_parameter: end
                      format: rfc3339
                      covered: { pointer: /until, format: rfc3339 }
                      lag: 5m
                      horizon: 14d
                """)
        ) { request in
            if request.target.contains("deleted") {
                return json(#"{"gone":[],"until":"2026-01-01T11:58:00Z"}"#)
            }
            // The newest one is on the first of two pages.
            return request.target.contains("page=2")
                ? json(#"{"data":[{"id":"a","u":"2024-05-01T00:00:00Z"}]}"#, headers: noon)
                : json(#"{"data":[{"id":"b","u":"2024-06-01T00:00:00Z"}],"next":"2"}"#, headers: noon)
        }
        let order = try #require(Timestamp(rfc3339: "2024-06-01T00:00:00Z")).microseconds
        // As a full sync of last week left it.
        let stored = "2024-06-01T00:00:00Z deleted=2025-12-25T00:00:00Z"

        let first = try Self.changes(provider, since: stored, order: order)
        guard case .next(let position) = try await first.nextPage().continuation else {
            Issue.record("the list has two pages")
            return
        }
        // Another process goes on.
        let read = try await Enumeration(
            Self.changes(provider, since: stored, order: order, at: position))

        #expect(read.cursors == ["2024-06-01T00:00:00Z deleted=2026-01-01T11:58:00Z"])
        #expect(
            provider.targets == [
                "/api/items?since=2024-06-01T00%3A00%3A00Z",
                "/api/items?since=2024-06-01T00%3A00%3A00Z&page=2",
                "/api/deleted?start=2025-12-24T23%3A55%3A00Z&end=2026-01-01T12%3A00%3A00Z",
            ])
        let old = try Self.changes(
            provider, since: "2024-06-01T00:00:00Z deleted=2025-12-17T00:00:00Z", order: order)
        let error = await #expect(throws: ConnectorError.self) { try await old.nextPage() }
        #expect(error?.code == "cursor_too_old")
    }
}

@Suite struct `A list of the archived` {
    @Test func `deletes only what says that it is archived`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    query: { archived: "false" }
                    page: { kind: none }
                    deleted_list:
                      path: /items
                      query: { archived: "true" }
                      records: /data
                      tombstone: { pointer: /archived, equals: true }
                      page: { kind: none }
                """)
        ) { request in
            // The provider ignores the parameter for one of the records.
            request.target.hasSuffix("true")
                ? json(#"{"data":[{"id":"a","archived":false},{"id":"b","archived":true}]}"#)
                : json(#"{"data":[{"id":"a","archived":false}]}"#)
        }
        let read = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(read.pages == [["a"], ["a", "b"]])
        #expect(read.tombstones == ["b"])
    }
}

@Suite struct `A change feed` {
    private static let gmail = manifest(
        """
            path: /messages
            records_optional: true
            page: { kind: token, token: /next, parameter: pageToken, end: missing }
            hydrate: { path: "/messages/${id}", gone: [404] }
            incremental:
              kind: change_feed
              path: /history
              records: /history
              records_optional: true
              entry_id: /id
              page: { kind: token, token: /next, parameter: pageToken, end: missing }
              ids: [/added/*/message/id, /labels/*/message/id]
              deleted_ids: [/removed/*/message/id]
              parameter: startHistoryId
              cursor: /historyId
              pin: { path: /profile, value: /historyId }
              resync_on: [404]
        """)

    private static func provider(_ history: String = "{}", failing: Set<String> = []) throws -> Provider {
        let failures = LockedBox(failing)
        return try Provider(gmail) { request in
            let target = request.target.dropFirst("/api".count)
            if target == "/profile" { return json(#"{"historyId":"77"}"#) }
            if target.hasPrefix("/history") { return json(history) }
            if target.hasPrefix("/messages/") {
                let id = String(target.dropFirst("/messages/".count))
                if failures.withLock({ $0.remove(id) }) != nil { return [.reply("503 Unavailable")] }
                return id.hasPrefix("gone")
                    ? [.reply("404 Not Found")] : json(#"{"id":"\#(id)","body":"full \#(id)"}"#)
            }
            return target.contains("pageToken")
                ? json(#"{"n":0}"#) : json(#"{"data":[{"id":"a"},{"id":"gone1"},{"id":"b"}],"next":"2"}"#)
        }
    }

    @Test func `is pinned before the full list, whose objects are fetched one by one`() async throws {
        let provider = try Self.provider()
        let read = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(read.pages == [["a", "gone1", "b"], []])
        #expect(read.tombstones == ["gone1"])
        #expect(read.cursors == ["77"])
        #expect(read.apiCalls == 6)
        #expect(provider.targets.first == "/api/profile")
        #expect(provider.targets.count == 6)
    }

    @Test func `names what is fetched anew, and each object once`() async throws {
        let history = """
            {"history":[{"id":"1","added":[{"message":{"id":"a"}},{"message":{"id":"b"}}]},
            {"id":"2","labels":[{"message":{"id":"a"}}],"removed":[{"message":{"id":"c"}}]},
            {"id":"3","added":[{"message":{"id":"c"}}]},{"id":"4","removed":[{"message":{"id":"d"}}]}],
            "historyId":"99"}
            """
        let provider = try Self.provider(history)
        let read = try await Enumeration(
            provider.strategy().incrementalSync(
                of: .whole, since: Cursor(text: "77", order: nil), resumingAt: nil))
        #expect(read.pages == [["a", "b", "c", "d"]])
        #expect(read.tombstones == ["d"])
        #expect(read.cursors == ["99"])
        #expect(provider.targets.first == "/api/history?startHistoryId=77")
        // c was deleted and added in one page: only the provider knows which came last.
        #expect(
            provider.targets.dropFirst().sorted() == [
                "/api/messages/a", "/api/messages/b", "/api/messages/c",
            ])
    }

    @Test func `gives out what it fetched before a failure, and goes on behind it`() async throws {
        let provider = try Self.provider(failing: ["b"])
        let reader = try provider.strategy().fullSync(of: .whole, resumingAt: nil)
        let first = try await reader.nextPage()
        #expect(first.scanned.records.count == 2)
        #expect(first.cursor?.text == "77")
        guard case .next(let position) = first.continuation else {
            Issue.record("the page is whole although an object failed")
            return
        }
        // Here, or in another worker that takes over: neither fetches again what is done.
        let rest = try await Enumeration(reader)
        #expect(rest.pages == [["b"], []])
        let other = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: position))
        #expect(other.pages == [["b"], []])
        #expect(other.cursors.isEmpty)
        #expect(provider.targets.filter { $0 == "/api/messages/a" }.count == 1)
    }

    @Test func `of events reads from its cursor with a lag, and refuses one that is too old`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    tombstone: { pointer: /deleted, equals: true }
                    page: { kind: last_id, parameter: after, end: { has_more: /more } }
                    incremental:
                      kind: change_feed
                      path: /events
                      query: { "types[]": [item.updated, item.deleted] }
                      records: /data
                      entry_id: /id
                      page: { kind: last_id, parameter: after, end: { has_more: /more } }
                      ids: /object/id
                      deleted: { pointer: /type, equals: item.deleted }
                      parameter: "created[gte]"
                      cursor: response_date
                      format: epoch_seconds
                      compare: inclusive
                      lag: 2m
                      horizon: 30d
                      hydrate: { path: "/items/${id}", record: /item, gone: [404] }
                """)
        ) { request in
            if request.target.contains("/events") {
                return json(
                    """
                    {"more":false,"data":[{"id":"e3","type":"item.deleted","object":{"id":"x"}},
                    {"id":"e2","type":"item.updated","object":{"id":"y"}},{"id":"e1","type":"item.updated","object":{"id":"z"}}]}
                    """, headers: noon)
            }
            if request.target.hasSuffix("/y") { return json(#"{"item":{"id":"y","deleted":true}}"#) }
            return request.target.hasSuffix("/z")
                ? json(#"{"item":{"id":"z"}}"#) : json(#"{"more":false,"data":[{"id":"z"}]}"#, headers: noon)
        }
        let strategy = try provider.strategy()
        let full = try await Enumeration(strategy.fullSync(of: .whole, resumingAt: nil))
        #expect(full.cursors == ["1767268800"])
        let cursor = Cursor(text: "1767268800", order: 1_767_268_800_000_000)
        let read = try await Enumeration(strategy.incrementalSync(of: .whole, since: cursor, resumingAt: nil))
        #expect(read.pages == [["x", "y", "z"]])
        #expect(read.tombstones == ["x", "y"])
        #expect(read.cursors == ["1767268800"])
        #expect(
            provider.targets[1]
                == "/api/events?types%5B%5D=item.updated&types%5B%5D=item.deleted&created%5Bgte%5D=1767268680"
        )

        let old = Cursor(text: "1", order: 1_000_000)
        let reader = strategy.incrementalSync(of: .whole, since: old, resumingAt: nil)
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.errorClass == .resyncRequired)
    }
}

// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Foundation
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

/// A search that ends at ten results, read by the manifest of HubSpot that ships.
@Suite struct `Changes that a search lists` {
    /// A portal and its copy after a full sync; 35 of its 40 contacts have changed since, at these times.
    private static func portal(
        _ changed: (Int) -> Int64
    ) async throws -> (portal: SearchPortal, copy: PortalCopy) {
        let portal = try SearchPortal()
        portal.state.withLock { state in
            for id in 95..<135 { state.edit(id, "old") }
        }
        var copy = PortalCopy()
        try await copy.sync(portal.strategy(), full: true)
        #expect(copy.records == portal.state.withLock(\.live))
        portal.state.withLock { state in
            state.now += 86_400
            for id in 100..<135 {
                state.contacts[id] = SearchPortal.Contact(
                    text: "new", changed: state.now * 1_000 + changed(id))
            }
        }
        return (portal, copy)
    }

    @Test(arguments: [PortalCopy.Crash.never, .afterPages, .beforePages])
    func `are read once and completely past its end, also by one reader after the other`(
        crash: PortalCopy.Crash
    ) async throws {
        // The ids and the times have different orders.
        var (portal, copy) = try await Self.portal { id in Int64(id * 7 % 35) }

        try await copy.sync(portal.strategy(), crash: crash)

        #expect(copy.records == portal.state.withLock(\.live))
        // Those that did not change are not shown again.
        #expect(copy.shown.count == 35)
        #expect(Set(copy.shown.values) == [1])
        #expect(portal.state.withLock(\.refused) == 0)
    }

    @Test(arguments: [PortalCopy.Crash.never, .afterPages, .beforePages])
    func `are read where more of them than it shows have one and the same time`(crash: PortalCopy.Crash)
        async throws
    {
        var (portal, copy) = try await Self.portal { _ in 0 }

        try await copy.sync(portal.strategy(), crash: crash)

        #expect(copy.records == portal.state.withLock(\.live))
        #expect(portal.state.withLock(\.refused) == 0)
        // Not again, though nothing changed after that very time.
        let searches = portal.state.withLock(\.searches)
        try await copy.sync(portal.strategy(), crash: crash)
        #expect(copy.records == portal.state.withLock(\.live))
        #expect(copy.shown.isEmpty)
        #expect(portal.state.withLock(\.searches) > searches)
    }

    /// With each page somebody edits what was read and what was not, adds a contact and archives one.
    @Test(arguments: [PortalCopy.Crash.never, .afterPages])
    func `are not skipped when others are edited while they are read`(crash: PortalCopy.Crash) async throws {
        var (portal, copy) = try await Self.portal { id in Int64(id) }
        portal.state.withLock { state in
            state.afterSearch = { state, number, shown in
                guard let first = shown.first, let last = shown.last, number < 40 else { return }
                state.edit(first, "read before \(number)")
                state.edit(95 + number % 5, "small id \(number)")
                if state.contacts[last + 2] != nil { state.edit(last + 2, "read after \(number)") }
                if number % 4 == 0 { state.contacts[last + 1]?.isArchived = true }
                if number % 5 == 0 { state.edit(1_000 + number, "added \(number)") }
            }
        }

        try await copy.sync(portal.strategy(), crash: crash)

        // What was not changed while the list was read is there already.
        let quiet = portal.state.withLock { $0.live.filter { $0.value == "new" } }
        #expect(quiet.count > 5)
        #expect(copy.records.filter { quiet[$0.key] != nil } == quiet)
        // The rest is what the next one finds: no edit is before the cursor.
        portal.state.withLock { $0.afterSearch = { _, _, _ in } }
        try await copy.sync(portal.strategy())
        #expect(copy.records == portal.state.withLock(\.live))
        #expect(portal.state.withLock(\.refused) == 0)
    }

    @Test func `are asked for with the properties that the list is asked for`() async throws {
        var (portal, copy) = try await Self.portal { _ in 0 }
        func body() throws -> [String: Any] {
            let request = try #require(portal.provider.server.log.requests.last { $0.method == "POST" })
            return try #require(
                try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any])
        }

        try await copy.sync(portal.strategy(["contact_properties": "email, my_field"]))
        #expect(try body()["properties"] as? [String] == ["email", "my_field"])
        // The same names: a space is not one of them where they stand in a query.
        try await copy.sync(portal.strategy(["contact_properties": "email, my_field"]), full: true)
        #expect(portal.provider.targets.contains { $0.contains("properties=email%2Cmy_field") })
        #expect(!portal.provider.targets.contains { $0.contains("%20my_field") })

        try await copy.sync(portal.strategy())
        #expect(try Set(body().keys) == ["filterGroups", "sorts", "limit"])
    }

    @Test func `belong to a limit of the search alone`() throws {
        let text = try #require(BuiltinManifests.all.first { $0.file == "hubspot.yaml" }?.text)
        let manifest = try ManifestLoader.load(text, file: "hubspot.yaml").manifest
        func limits(_ stream: String, _ part: String) -> [String] {
            manifest.limits.compactMap { $0.use(by: stream, part: part)?.rule.name }
        }
        for stream in manifest.streams {
            #expect(limits(stream.name, "changes") == ["requests", "day", "search"])
            for part in ["list", "deleted", "hydrate"] {
                #expect(limits(stream.name, part) == ["requests", "day"])
            }
        }
    }

    /// What the token of the search is, and what a reader that believes it comes to.
    @Test func `by a token that counts end with an error at the end of the search`() async throws {
        let shipped = try #require(BuiltinManifests.all.first { $0.file == "hubspot.yaml" }?.text)
        let counted = shipped.replacing(
            """
                    kind: last_id
                    parameter: /filterGroups/0/filters/1/value
                    in: body
                    end: { equals: { value: /total, is: 0 } }
            """,
            with: """
                        kind: token
                        token: /paging/next/after
                        parameter: after
                        in: body
                        end: missing
                """
        ).replacing("      sort: sorts\n", with: "")
        #expect(counted != shipped)
        let portal = try SearchPortal(counted)
        portal.state.withLock { state in for id in 1..<30 { state.edit(id, "a") } }
        let cursor = Cursor(text: "2020-01-01T00:00:00Z", order: 1_577_836_800_000_000)

        let reader = try portal.strategy().incrementalSync(of: .whole, since: cursor, resumingAt: nil)
        let error = await #expect(throws: ConnectorError.self) {
            while case .next = try await reader.nextPage().continuation {}
        }

        #expect(error?.errorClass == .rejected)
    }

    /// The list was begun by a version that knew no cursor of the stream: what was read then may have changed since.
    @Test func `begin with a full list that is begun again where nobody knows when it was begun`()
        async throws
    {
        let portal = try SearchPortal()
        portal.state.withLock { state in for id in 1..<9 { state.edit(id, "a") } }
        var position = ListPosition()
        position.place = "4"

        let resumed = try await Enumeration(
            portal.strategy().fullSync(of: .whole, resumingAt: position.page))
        let whole = try await Enumeration(portal.strategy().fullSync(of: .whole, resumingAt: nil))

        #expect(resumed.pages == whole.pages)
        #expect(resumed.pages == [["1", "2", "3"], ["4", "5", "6"], ["7", "8"], []])
        #expect(Set(resumed.cursors).count == 1)
        #expect(!whole.cursors.isEmpty)
    }
}

@Suite struct `A list of the changes alone` {
    private static func stream(_ incremental: String) -> String {
        """
        page: { kind: none }
        incremental:
          kind: time_param
          cursor: /u
          format: rfc3339
          compare: inclusive
        \(incremental)
        """
    }

    private static let search = [
        "path: /search", "method: POST", "body: { since: \"${cursor}\", after: \"0\", sorts: [id] }",
        "records: /found", "page: { kind: last_id, parameter: after, in: body, end: empty_page }",
        "sort: sorts",
    ].map { "  \($0)\n" }.joined()

    @Test func `is accepted`() {
        #expect(`A manifest that would lose data`.problems(Self.stream(Self.search)) == [])
    }

    @Test(
        arguments: [
            ("  sort: sorts\n", "", "sort: is missing; 'last_id' loses records in any order but that of ids"),
            (
                "sort: sorts", "sort: order_by",
                "sort: 'order_by' is not a parameter of query or a member of body"
            ),
            ("  sort: sorts", "  sort: sorts\n  order: ascending", "order: means nothing beside 'path'"),
            (
                "page: { kind: last_id, parameter: after, in: body, end: empty_page }",
                "page: { kind: token, token: /t, parameter: after, in: body, end: missing }",
                "sort: means nothing for a list that does not go on by 'last_id'"
            ),
            (
                "page: { kind: last_id, parameter: after, in: body, end: empty_page }",
                "page: { kind: page_number, parameter: after, in: body, end: empty_page }",
                "page: is counted: what is edited while the list is read moves"
            ),
            (
                "  page: { kind: last_id, parameter: after, in: body, end: empty_page }\n", "",
                "page: is missing"
            ),
            ("  records: /found\n", "", "records: is missing"),
            (
                "since: \"${cursor}\"", "since: \"0\"",
                "parameter: is missing; the parameter that gets the cursor"
            ),
            ("\"${cursor}\"", "\"${id}\"", "body: ${id} has no value in this request"),
            ("  path: /search\n", "", "records: means nothing without 'path', a list of the changes alone"),
            ("  path: /search\n", "", "method: means nothing without 'path', a list of the changes alone"),
        ] as [(String, String, String)])
    func `is refused in a form that loses changes or cannot be meant`(
        text: String, replacement: String, expected: String
    ) {
        let changed = Self.search.replacing(text, with: replacement)
        #expect(changed != Self.search)
        let problems = `A manifest that would lose data`.problems(Self.stream(changed))
        #expect(problems.contains { $0.contains("streams.items.incremental.\(expected)") }, "\(problems)")
    }

    @Test func `has no layout without anything beside the records`() {
        let problems = `A manifest that would lose data`.problems(
            "layout: ndjson\n" + Self.stream(Self.search)
        )
        #expect(
            problems.contains { $0.contains("streams.items.incremental.path: is not allowed for a layout") },
            "\(problems)")
    }

    @Test func `has parameters of its own`() {
        let query = Self.search.replacing("  method: POST\n", with: "").replacing("body:", with: "query:")
            .replacing(", in: body", with: "").replacing("sorts: [id]", with: "sorts: id")
        #expect(`A manifest that would lose data`.problems(Self.stream(query)) == [])
        let told = Self.stream(query + "  parameters: [since, sorts]")
        #expect(
            `A manifest that would lose data`.problems(told).contains {
                $0.contains("streams.items.incremental.parameters: 'after' is sent and is not among them")
            })
        let known = "parameters: []\n" + Self.stream(query + "  parameters: [since, sorts, after]")
        #expect(`A manifest that would lose data`.problems(known) == [])
    }

    @Test func `is asked for nothing before all that its request needs is known`() throws {
        let provider = try Provider(
            manifest(
                Self.stream(
                    Self.search.replacing("path: /search", with: "path: \"/${config.region}/search\"")
                )
                .replacing("page: { kind: none }", with: "path: /items\npage: { kind: none }")
                .split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
        ) { _ in json(#"{"data":[]}"#) }

        let error = #expect(throws: ConnectorError.self) { try provider.strategy() }
        #expect(error?.code == "missing_value")
        _ = try provider.strategy(configuration: ["region": "eu"])
    }

    /// The parameter is that of another list than a backfill reads.
    @Test func `narrows no backfill`() throws {
        let stream =
            Self.search.replacing("since: \"${cursor}\", ", with: "") + "  parameter: since\n  in: body\n"
        let provider = try Provider(
            manifest(
                ("path: /items\n" + Self.stream(stream)).split(separator: "\n").map { "    \($0)" }
                    .joined(separator: "\n"))
        ) { _ in json(#"{"data":[]}"#) }
        let reader = try provider.strategy().backfill(
            of: .whole, since: Timestamp(seconds: 0), until: nil, resumingAt: nil)
        #expect(reader == nil)
    }

    @Test func `gives the cursor of a number too`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    incremental:
                      kind: sequence_id
                      path: /changes
                      query: { order: id }
                      records: /found
                      page: { kind: last_id, parameter: id, end: empty_page }
                      sort: order
                      parameter: above
                      cursor: /n
                      compare: inclusive
                """)
        ) { request in
            switch request.target {
            case "/api/items": json(#"{"data":[{"id":"a","n":4},{"id":"b","n":3}]}"#)
            case "/api/changes?order=id&above=4": json(#"{"found":[{"id":"b","n":6},{"id":"c","n":5}]}"#)
            default: json(#"{"found":[]}"#)
            }
        }
        let full = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: nil))
        #expect(full.cursors == ["4"])

        let changes = try await Enumeration(
            provider.strategy().incrementalSync(
                of: .whole, since: Cursor(text: "4", order: 4), resumingAt: nil))

        #expect(changes.pages == [["b", "c"], []])
        #expect(changes.cursors == ["6"])
        #expect(provider.targets.last == "/api/changes?order=id&above=4&id=c")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DeclarativeConnectors

@Suite struct `A manifest that would lose data` {
    static func problems(_ stream: String) -> [String] {
        let text = """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            streams:
              items:
                path: /items
                records: /data
                id: /id
            \(stream.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
            """
        do throws(ManifestError) {
            _ = try ManifestLoader.load(text, file: "demo.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private static let single = "page: { kind: none }\n"
    private static let time = "kind: time_param, parameter: since, cursor: /u, format: rfc3339"

    private static let windowed =
        single + "incremental: { \(time), until_parameter: until, compare: inclusive }\n"

    private static let links = "page: { kind: link_header, numbered: true, end: no_next_link }\n"
    private static let counted = "'full_run' is not allowed for pages that are counted"

    @Test(
        arguments: [
            (links + "absence: full_run", "streams.items.absence: \(counted)"),
            (
                "page: { kind: next_url, url: /next, numbered: true, end: absent }\nabsence: full_run",
                "streams.items.absence: \(counted)"
            ),
            (
                links + "incremental: { \(time), compare: inclusive, order: ascending, sort: documented }",
                "streams.items.incremental.order: 'ascending' is not allowed for pages that are counted"
            ),
            (
                "page: { kind: token, token: /t, parameter: p, end: absent, numbered: true }",
                "streams.items.page.numbered: "
            ),
        ] as [(String, String)])
    func `by counted links is refused`(stream: String, expected: String) {
        let problems = Self.problems(stream)
        #expect(problems.contains { $0.contains(expected) }, "\(problems)")
    }

    @Test func `by counted links is none where an object has to be absent twice`() {
        #expect(Self.problems(Self.links + "absence: two_runs").isEmpty)
        #expect(Self.problems(Self.links + "incremental: { \(Self.time), compare: inclusive }").isEmpty)
    }

    @Test(arguments: [
        (
            single + "layout: csv\nversion: { pointer: /a/b, format: integer }",
            "streams.items.layout: 'csv' has columns alone: /a/b has to be /NAME"
        ),
        (single + "layout: csv", "streams.items.records: means nothing for layout 'csv'"),
        (single + "delimiter: \";\"", "streams.items.delimiter: means nothing without layout 'csv'"),
        (single + "layout: csv\ndelimiter: ab", "streams.items.delimiter: 'ab' is not allowed; one of"),
        (
            single + "layout: csv\ntombstone: { pointer: /gone, equals: true }",
            "streams.items.tombstone: has to be equal to quoted text"
        ),
        (
            "page: { kind: token, token: /t, parameter: p, end: absent }\nlayout: csv",
            "streams.items.layout: 'csv' has nothing beside its records, so that there is no /t"
        ),
        (
            single + "window_absence: { pointer: /c, format: rfc3339, mutable: false }",
            "demo.yaml:10: streams.items.window_absence: means nothing for a list without stretches of time"
        ),
        (
            single + "incremental: { \(time), compare: inclusive }\n"
                + "window_absence: { pointer: /c, format: rfc3339, mutable: false }",
            "demo.yaml:11: streams.items.window_absence: means nothing for a list without stretches of time"
        ),
        (
            windowed + "window_absence: { pointer: /c, format: rfc3339 }",
            "demo.yaml:11: streams.items.window_absence.mutable: is missing; 'false' says that the time"
        ),
        (
            windowed + "window_absence: { pointer: /c, format: rfc3339, mutable: true }",
            "streams.items.window_absence.mutable: 'true' is not allowed: a record whose time is edited"
        ),
        (
            windowed + "window_absence: { pointer: /c, format: integer, mutable: false }",
            "streams.items.window_absence.format: 'integer' is unknown; allowed: epoch_seconds"
        ),
        (
            windowed + "window_absence: { pointer: /u, format: epoch_seconds, mutable: false }",
            "streams.items.window_absence.format: 'epoch_seconds' is not how the stream reads /u elsewhere, which is 'rfc3339'"
        ),
        (
            windowed
                + "fields: { c: text }\nwindow_absence: { pointer: /c, format: rfc3339, mutable: false }",
            "streams.items.window_absence.format: 'rfc3339' is not how the stream reads /c elsewhere, which is 'text'"
        ),
        (
            windowed
                + "version: { pointer: /v, format: rfc3339 }\nwindow_absence: { pointer: /v, format: rfc3339, mutable: false }",
            "streams.items.window_absence.pointer: is what orders versions, and changes with every edit"
        ),
        (
            "page: { kind: offset, parameter: o, size: 10, end: empty_page }\n"
                + "incremental: { \(time), until_parameter: until, compare: inclusive }\n"
                + "window_absence: { pointer: /c, format: rfc3339, mutable: false }",
            "demo.yaml:11: streams.items.window_absence: is not allowed for pages that are counted"
        ),
        (
            single + "incremental: { \(time), compare: exclusive }",
            "demo.yaml:10: streams.items.incremental.granularity: is missing; compare 'exclusive' would lose"
        ),
        (single + "incremental: { \(time) }", "demo.yaml:10: streams.items.incremental.compare: is missing"),
        (
            "absence: full_run\npage: { kind: offset, parameter: o, size: 10, end: empty_page }",
            "demo.yaml:9: streams.items.absence: 'full_run' is not allowed for pages that are counted"
        ),
        (
            single + "incremental: { \(time), compare: inclusive, order: ascending }",
            "demo.yaml:10: streams.items.incremental.sort: is missing; 'order: ascending' needs"
        ),
        (
            single + "incremental: { \(time), compare: inclusive, order: ascending, sort: sort_by }",
            "demo.yaml:10: streams.items.incremental.sort: 'sort_by' is not a parameter"
        ),
        (
            "page: { kind: token, token: /t, parameter: p }",
            "demo.yaml:9: streams.items.page.end: is missing; what says that the list is over"
        ),
        (
            "page: { kind: page_number, parameter: p, size: 9, end: { short_page: true } }",
            "demo.yaml:9: streams.items.page.end: short_page proves nothing by itself"
        ),
        (
            "page: { kind: token, token: /t, parameter: p, end: total }",
            "demo.yaml:9: streams.items.page.end: 'total' is not allowed for kind 'token'"
        ),
        (
            single
                + "incremental: { kind: time_param, parameter: s, cursor: /u, format: '%Y-%m-%d', compare: inclusive }",
            "demo.yaml:10: streams.items.incremental.timezone: is missing; the pattern has no %z"
        ),
        (
            single
                + "incremental: { kind: time_param_window, parameter: s, format: rfc3339, compare: exclusive, "
                + "granularity: 1d, step: 1h, start: 2020-01-01T00:00:00Z }",
            "demo.yaml:10: streams.items.incremental.step: is shorter than granularity"
        ),
        (
            single
                + "incremental: { kind: change_feed, path: /e, records: /e, entry_id: /id, page: { kind: none }, "
                + "ids: /o, parameter: p, cursor: response_date, format: rfc3339, compare: inclusive, "
                + "hydrate: { path: '/items/${id}', gone: [404] } }",
            "demo.yaml:10: streams.items.incremental.horizon: is missing; a feed that forgets has to say so"
        ),
        (
            "query: { orderBy: x }\n" + single
                + "incremental: { kind: sync_token, token: /t, parameter: s, forbid_with: [orderBy] }",
            "demo.yaml:9: streams.items.query: 'orderBy' is not allowed together with the sync token"
        ),
        (
            single + "incremental: { \(time), compare: inclusive, eventually_consistent: true }",
            "demo.yaml:10: streams.items.incremental.lag: is missing; a list that shows changes late"
        ),
        (
            "query: { key: '${secret.k}' }\n" + single,
            "demo.yaml:9: streams.items.query: ${secret.k} is not allowed here: URLs and bodies get into logs"
        ),
        (
            "parameters: [maxResults, pageToken]\n"
                + "page: { kind: token, token: /t, parameter: pageToken, end: absent, size_parameter: maxResult, size: 5 }",
            "demo.yaml:9: streams.items.parameters: 'maxResult' is sent and is not among them; did you mean 'maxResults'?"
        ),
        (
            single + "incremental: { kind: time_param, cursor: /u, format: rfc3339, compare: inclusive }",
            "demo.yaml:10: streams.items.incremental.parameter: is missing; the parameter that gets the cursor"
        ),
        (
            single + "incremental: { \(time), compare: inclusive }\n"
                + "deleted_list: { path: /d, records: /d, page: { kind: none }, parameter: s, format: rfc3339, horizon: 9d }",
            "streams.items.absence: 'never' is not allowed beside a deleted_list by cursor"
        ),
        (
            single
                + "deleted_list: { path: /d, records: /d, page: { kind: none }, parameter: s, format: rfc3339 }",
            "demo.yaml:10: streams.items.deleted_list.parameter: needs a cursor that is a time"
        ),
        (
            single + "hydrate: { path: /items/one, gone: [404] }",
            "demo.yaml:10: streams.items.hydrate.path: has no ${id}"
        ),
        (
            single + "hydrate: { path: '/items/${id}' }",
            "demo.yaml:10: streams.items.hydrate.gone: is missing; a list of statuses"
        ),
        (
            single
                + "hydrate: { path: '/items/${id}', gone: [404] }\nincremental: { \(time), compare: inclusive }",
            "demo.yaml:10: streams.items.hydrate: needs a cursor that is not in the list's records"
        ),
        ("body: { a: 1 }\n" + single, "streams.items.method: has to be POST"),
        (
            "query: { q: '${cursor}' }\n" + single,
            "demo.yaml:9: streams.items.query: ${cursor} has no value in this request"
        ),
        (
            "layout: ndjson\npage: { kind: token, token: /t, parameter: p, end: absent }",
            "streams.items.layout: 'ndjson' has nothing beside its records"
        ),
    ])
    func `is refused, with file, line, key and what is allowed`(stream: String, expected: String) {
        let found = Self.problems(stream)
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test func `and one without these faults loads`() {
        #expect(Self.problems(Self.single + "incremental: { \(Self.time), compare: inclusive }") == [])
    }
}

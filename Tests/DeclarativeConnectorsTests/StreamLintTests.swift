// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DeclarativeConnectors

/// Further faults of a stream that would lose data; the first ones are in LintTests.
@Suite struct `A stream that would lose data` {
    typealias Case = (stream: String, expected: String)

    private static func check(_ fault: Case) {
        let found = `A manifest that would lose data`.problems(fault.stream)
        #expect(found.contains { $0.contains(fault.expected) }, "\(found)")
    }

    private static let marks: [Case] = [
        (
            """
            page: { kind: none }
            tombstone: { pointer: /s, equals: off, unless: /s }
            """, "streams.items.tombstone.unless: is the rule's own pointer: no record would be deleted"
        ),
        (
            """
            page: { kind: none }
            member_of: /series
            """, "streams.items.member_of: means nothing without 'tombstone'"
        ),
        (
            """
            page: { kind: none }
            member_of: ""
            tombstone: { pointer: /s, equals: off }
            """, "streams.items.member_of: has to lead to a value of the record"
        ),
        (
            """
            page: { kind: none }
            incremental: { kind: sorted_desc_until, cursor: /u, format: rfc3339, eventually_consistent: true }
            """, "streams.items.incremental.lag: is missing; a list that shows changes late"
        ),
        (
            """
            page: { kind: none }
            incremental: { kind: sorted_desc_until, cursor: /n, format: integer, lag: 5m }
            """, "streams.items.incremental.lag: means nothing for format 'integer'"
        ),
        (
            """
            page: { kind: none }
            incremental: { kind: sorted_desc_until, cursor: /n, format: integer, since_parameter: after }
            """, "streams.items.incremental.since_parameter: means nothing for format 'integer'"
        ),
        (
            """
            page: { kind: none }
            absence: full_run
            incremental: { kind: sorted_desc_until, cursor: /n, format: integer }
            deleted_list: { path: /gone, records: /data, page: { kind: none }, parameter: since, format: rfc3339, horizon: 15d }
            """, "streams.items.deleted_list.parameter: needs a cursor that is a time"
        ),
    ]

    @Test(arguments: marks.indices)
    func `by a mark or an order is refused`(index: Int) { Self.check(Self.marks[index]) }

    private static let stretches: [Case] = [
        (
            """
            page: { kind: none }
            incremental: { kind: time_param_window, parameter: s, format: rfc3339, compare: inclusive, granularity: 1d, step: 1h, start: 2020-01-01T00:00:00Z }
            """, "streams.items.incremental.step: is shorter than granularity"
        ),
        (
            """
            page: { kind: none }
            incremental: { kind: time_param_window, parameter: s, format: '%Y-%m-%d', timezone: UTC, compare: inclusive, step: 12h, start: 2020-01-01T00:00:00Z }
            """, "streams.items.incremental.step: is shorter than granularity"
        ),
    ]

    @Test(arguments: stretches.indices)
    func `by a stretch that has no value of its own is refused`(index: Int) {
        Self.check(Self.stretches[index])
    }

    private static let forbidden: [Case] = [
        (
            """
            method: POST
            body: { filter: { orderBy: x } }
            page: { kind: none }
            incremental: { kind: sync_token, token: /t, parameter: s, forbid_with: [orderBy] }
            """, "streams.items.body: 'orderBy' is not allowed together with the sync token"
        ),
        (
            """
            page: { kind: none, size_parameter: top, size: 5 }
            incremental: { kind: sync_token, token: /t, parameter: s, forbid_with: [top] }
            """, "streams.items.page: 'top' is not allowed together with the sync token"
        ),
    ]

    @Test(arguments: forbidden.indices)
    func `by what a sync token forbids is refused`(index: Int) { Self.check(Self.forbidden[index]) }

    private static let parameters: [Case] = [
        (
            """
            parameters: [since]
            initial_query: { sinse: '0' }
            page: { kind: none }
            """, "streams.items.parameters: 'sinse' is sent and is not among them; did you mean 'since'?"
        ),
        (
            """
            parameters: [since]
            page: { kind: none }
            incremental: { kind: time_param, parameter: since, until_parameter: until, cursor: /u, format: rfc3339, compare: inclusive }
            """, "streams.items.parameters: 'until' is sent and is not among them"
        ),
        (
            """
            parameters: [since]
            page: { kind: none }
            incremental: { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive, query: { sort: u } }
            """, "streams.items.parameters: 'sort' is sent and is not among them"
        ),
        (
            """
            parameters: [from]
            page: { kind: none }
            incremental: { kind: time_param_window, parameter: from, until_parameter: to, format: rfc3339, compare: inclusive, step: 1d, start: 2020-01-01T00:00:00Z }
            """, "streams.items.parameters: 'to' is sent and is not among them"
        ),
        (
            """
            parameters: [since]
            page: { kind: none }
            backfill: { since_parameter: since, until_parameter: untill, format: rfc3339 }
            """, "streams.items.parameters: 'untill' is sent and is not among them"
        ),
        (
            """
            page: { kind: none }
            incremental: { kind: change_feed, path: /e, query: { limt: '1' }, parameters: [limit, p], records: /e, entry_id: /id, page: { kind: none }, ids: /o, parameter: p, cursor: response_date, format: rfc3339, compare: inclusive, horizon: 1d, hydrate: { path: '/items/${id}', gone: [404] } }
            """,
            "streams.items.incremental.parameters: 'limt' is sent and is not among them; did you mean 'limit'?"
        ),
        (
            """
            page: { kind: none }
            absence: full_run
            incremental: { kind: time_param, parameter: since, cursor: /u, format: rfc3339, compare: inclusive }
            deleted_list: { path: /d, records: /d, page: { kind: none }, parameter: s, format: rfc3339, horizon: 9d, parameters: [start] }
            """, "streams.items.deleted_list.parameters: 's' is sent and is not among them"
        ),
    ]

    @Test(arguments: parameters.indices)
    func `by a parameter that the API does not have is refused`(index: Int) {
        Self.check(Self.parameters[index])
    }
}

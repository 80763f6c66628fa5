// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncEngine
import Testing

@Suite struct `An incremental sync` {
    @Test func `of a stream that was never read reads all of it`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("google-calendar")

            #expect(try await fixture.sync("google-calendar", .incremental) == .succeeded)

            #expect(try await fixture.differences("google-calendar", "events") == [])
        }
    }

    @Test func `by sync token reads changes, additions and deletions`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("google-calendar")
            try await fixture.sync("google-calendar")
            try await fixture.control("edit?user=u_1&stream=events&creates=70&updates=60&deletes=80")

            #expect(try await fixture.sync("google-calendar", .incremental) == .succeeded)

            #expect(try await fixture.differences("google-calendar", "events") == [])
            #expect(try await fixture.count("deletions WHERE reason = 'tombstone'") > 100)
            #expect(try await fixture.count("deletions WHERE reason = 'absence'") == 0)
        }
    }

    @Test func `whose token expired reads everything again and invents no deletion`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("google-calendar")
            try await fixture.sync("google-calendar")
            try await fixture.control("edit?user=u_1&stream=events&creates=5&updates=5&deletes=5")
            try await fixture.control("expire")

            #expect(try await fixture.sync("google-calendar", .incremental) == .succeeded)

            #expect(try await fixture.differences("google-calendar", "events") == [])
            #expect(try await fixture.count("deletions") == 10)
        }
    }

    private static let newestFirst = """
        lockstep: 1
        service: stripe
        base_url: https://api.stripe.com
        auth: { kind: bearer, token: "${secret.api_key}" }
        streams:
          customers:
            path: /v1/customers
            records: /data
            id: /id
            page: { kind: last_id, parameter: starting_after, end: { has_more: /has_more }, size_parameter: limit, size: 100 }
            incremental: { kind: sorted_desc_until, cursor: /created, format: epoch_seconds }
        """

    @Test func `of a newest-first list stops at what it knows`() async throws {
        try await EngineFixture.run(manifest: Self.newestFirst) { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.sync("stripe", streams: ["customers"])
            try await fixture.control("edit?user=u_1&stream=customers&creates=30")

            #expect(try await fixture.sync("stripe", .incremental, streams: ["customers"]) == .succeeded)

            #expect(try await fixture.differences("stripe", "customers") == [])
            let log = try await fixture.pool.query(
                "SELECT ended_by, pages, records_added FROM lockstep.sync_log_streams ORDER BY sync_id DESC LIMIT 1"
            )
            #expect(log.text(0, 0) == "reached_cursor")
            #expect(log.int(0, 1) == 1)
            #expect(log.int(0, 2) == 30)
        }
    }

    private static let elsewhere = """
          items:
            path: /items
            records: /data
            id: /id
            page: { kind: none }
            incremental:
              kind: time_param
              path: /changes
              query: { since: "${cursor}", order: id }
              records: /data
              page: { kind: last_id, parameter: above, end: empty_page }
              sort: order
              cursor: /u
              format: epoch_seconds
              compare: inclusive
              lag: 60s
        """

    @Test func `of a list of the changes alone goes on in it, and moves the cursor at its end`() async throws
    {
        let provider = try await ScriptedProvider(streams: Self.elsewhere)
        provider.list("/items", [#"{"id":"a","u":1000}"#, #"{"id":"b","u":1000}"#])
        #expect(try await provider.sync(.full) == .succeeded)
        provider.list("/changes?since=940&order=id", [#"{"id":"b","u":3000}"#, #"{"id":"c","u":2000}"#])
        provider.list("/changes?since=940&order=id&above=c", [#"{"id":"d","u":2500}"#])
        provider.list("/changes?since=940&order=id&above=d", [])
        provider.list("/changes?since=2940&order=id", [])
        let asked = LockedBox(0)

        let first = try await provider.sync(
            .incremental,
            stop: { _ in
                asked.withLock { count in
                    count += 1
                    return count > 1 ? .yield : nil
                }
            })
        #expect(first == .yielded(.yield))
        #expect(try await provider.live() == ["a", "b", "c"])
        let start = provider.asked().count
        #expect(try await provider.sync(.incremental) == .succeeded)
        #expect(
            provider.asked(since: start) == [
                "/changes?since=940&order=id&above=c", "/changes?since=940&order=id&above=d",
            ])
        #expect(try await provider.live() == ["a", "b", "c", "d"])
        #expect(try await provider.sync(.incremental) == .succeeded)
        #expect(provider.asked().last == "/changes?since=2940&order=id")
        #expect(try await provider.count("deletions") == 0)
    }

    @Test func `that finds nothing new costs one request a stream and one checkpoint`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.sync("stripe")

            #expect(try await fixture.sync("stripe", .incremental) == .succeeded)

            let log = try await fixture.pool.query(
                """
                SELECT pages, api_calls, records_added + records_updated, checkpoints::bigint
                FROM lockstep.sync_log ORDER BY id DESC LIMIT 1
                """)
            #expect(log.int(0, 0) == 7)
            #expect(log.int(0, 1) == 7)
            #expect(log.int(0, 2) == 0)
        }
    }

    @Test func `after a full sync that was interrupted completes that first`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("google-calendar")
            try await fixture.control("faults?kind=status&stream=events&skip=2&times=3")
            guard case .retry = try await fixture.sync("google-calendar") else {
                Issue.record("the full sync did not fail")
                return
            }

            #expect(try await fixture.sync("google-calendar", .incremental) == .succeeded)

            #expect(try await fixture.differences("google-calendar", "events") == [])
        }
    }

    @Test func `a backfill adds its range and touches no cursor`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.sync("stripe", streams: ["customers"])
            let before = try await fixture.pool.query("SELECT cursor FROM lockstep.sync_state").text(0, 0)
            _ = try await fixture.pool.query("DELETE FROM lockstep.records")

            let verdict = try await fixture.sync(
                "stripe", .backfill(since: Timestamp(seconds: 0), until: nil), streams: ["customers"])

            #expect(verdict == .succeeded)
            #expect(try await fixture.differences("stripe", "customers") == [])
            #expect(
                try await fixture.pool.query("SELECT cursor FROM lockstep.sync_state").text(0, 0) == before)
        }
    }
}

/// Counts calls from any task.
final class Counter: Sendable {
    private let value = LockedBox(0)

    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
}

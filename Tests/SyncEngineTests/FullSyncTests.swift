// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncEngine
import Testing

@Suite struct `A full sync` {
    @Test func `copies every object of both services, byte by byte`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            _ = try await fixture.integration("google-calendar")

            let streams = ["customers", "products", "invoices"]
            #expect(try await fixture.sync("stripe", streams: streams) == .succeeded)
            #expect(try await fixture.sync("google-calendar") == .succeeded)

            for stream in streams {
                #expect(try await fixture.differences("stripe", stream) == [])
            }
            for stream in ["calendars", "events"] {
                #expect(try await fixture.differences("google-calendar", stream) == [])
            }
            #expect(try await fixture.count("records") == 3 * 250 + 2 + 2 * 250)
            #expect(
                try await fixture.count("sync_log WHERE status = 'succeeded' AND completed_at IS NOT NULL")
                    == 2)
            #expect(try await fixture.count("sync_state WHERE phase <> 'idle'") == 0)
        }
    }

    @Test func `deletes exactly what is gone, and writes only what changed`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.sync("stripe", streams: ["customers"])
            try await fixture.control("edit?user=u_1&stream=customers&creates=7&updates=20&deletes=11")

            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)

            #expect(try await fixture.differences("stripe", "customers") == [])
            #expect(try await fixture.count("deletions WHERE reason = 'absence'") > 0)
            let log = try await fixture.pool.query(
                """
                SELECT records_added, records_deleted, records_unchanged, records_updated, records_read
                FROM lockstep.sync_log ORDER BY id DESC LIMIT 1
                """)
            let (unchanged, updated) = (log.int(0, 2) ?? 0, log.int(0, 3) ?? 0)
            #expect(updated > 0 && updated <= 20)
            #expect((log.int(0, 0) ?? 0) + unchanged + updated == log.int(0, 4))
        }
    }

    @Test(
        arguments: ["status", "html", "truncated", "reset", "repeated_token", "empty_next", "stale_page"],
        [0, 1, 3])
    func `that fails deletes nothing, and the next clean one repairs all`(fault: String, page: Int)
        async throws
    {
        var quick = EngineConfiguration()
        quick.triesPerPage = 1
        try await EngineFixture.run(objects: 200, engine: quick) { fixture in
            _ = try await fixture.integration("stripe")
            _ = try await fixture.integration("google-calendar")
            try await fixture.sync("stripe", streams: ["customers"])
            try await fixture.sync("google-calendar")
            try await fixture.control("edit?user=u_1&stream=customers&deletes=5&creates=3")
            try await fixture.control("edit?user=u_1&stream=events&deletes=5&updates=3")
            // Every request behind the position fails, for as long as the run tries.
            try await fixture.control("faults?kind=\(fault)&stream=customers&skip=\(page)&times=100000")
            try await fixture.control("faults?kind=\(fault)&stream=events&skip=\(page)&times=100000")

            let verdicts = [
                try await fixture.sync("stripe", streams: ["customers"]),
                try await fixture.sync("google-calendar"),
            ]

            // A stale first page of a list is a first page: nothing is wrong with it.
            for verdict in verdicts where !(page == 0 && ["stale_page", "repeated_token"].contains(fault)) {
                #expect(verdict != .succeeded)
                #expect(try await fixture.count("deletions WHERE stream = 'customers'") == 0)
            }
            try await fixture.control("faults", method: "DELETE")
            for _ in 0..<2 {
                try await fixture.sync("stripe", streams: ["customers"])
                try await fixture.sync("google-calendar")
            }
            #expect(try await fixture.differences("stripe", "customers") == [])
            #expect(try await fixture.differences("google-calendar", "events") == [])
        }
    }

    @Test func `goes on where it stopped, in the same generation`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.control("faults?kind=status&stream=customers&skip=3&times=3")

            let first = try await fixture.sync("stripe", streams: ["customers"])
            guard case .retry(let failure, let madeProgress) = first else {
                Issue.record("\(first)")
                return
            }
            #expect(failure.code == "http_500")
            #expect(madeProgress)
            #expect(try await fixture.count("records") == 150)
            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)

            #expect(try await fixture.differences("stripe", "customers") == [])
            let pages = try await fixture.pool.query(
                "SELECT sum(pages)::bigint, max(generation) FROM lockstep.sync_log, lockstep.sync_state")
            #expect(pages.int(0, 0) == 5)
            #expect(pages.int(0, 1) == 1)
        }
    }

    @Test(arguments: [true, false])
    func `writes its first page at once when a worker died with the job`(isRecovered: Bool) async throws {
        try await EngineFixture.run(objects: 250) { fixture in
            _ = try await fixture.integration("stripe")
            // Asked before each page: how many pages were begun when the first one was committed.
            let pages = LockedBox(0)
            let pagesAtProgress = LockedBox(0)
            let verdict = try await fixture.sync(
                "stripe", streams: ["customers"], isRecovered: isRecovered,
                stop: { _ in
                    pages.withLock { $0 += 1 }
                    return nil
                },
                progressed: { pagesAtProgress.withLock { $0 = pages.withLock { $0 } } })
            #expect(verdict == .succeeded)
            #expect(pagesAtProgress.withLock { $0 } == (isRecovered ? 1 : 5))
            #expect(try await fixture.differences("stripe", "customers") == [])
        }
    }

    @Test func `starts over when the place where it stopped is gone`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.control("faults?kind=status&stream=customers&skip=3&times=3")
            try await fixture.sync("stripe", streams: ["customers"])
            try await fixture.control("edit?user=u_1&stream=customers&deletes=240")

            // So many are gone that the guard wants to see it twice.
            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)
            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)

            #expect(try await fixture.differences("stripe", "customers") == [])
        }
    }

    @Test func `that would delete most of a stream is held, and a second one that agrees deletes`()
        async throws
    {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.sync("stripe", streams: ["customers"])
            try await fixture.control("edit?user=u_1&stream=customers&deletes=150")

            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)
            #expect(try await fixture.count("records WHERE deleted_at IS NULL") == 250)
            #expect(try await fixture.count("alerts WHERE kind = 'sweep_held' AND resolved_at IS NULL") == 1)

            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)
            #expect(try await fixture.differences("stripe", "customers") == [])
            #expect(try await fixture.count("alerts WHERE resolved_at IS NULL") == 0)
        }
    }

    @Test(arguments: [StopReason.drain, .yield])
    func `that has to stop keeps its pages and goes on later`(reason: StopReason) async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            let asked = Counter()

            let first = try await fixture.sync(
                "stripe", streams: ["customers"], stop: { _ in asked.next() > 3 ? reason : nil })
            #expect(first == .yielded(reason))
            #expect(try await fixture.count("records") == 150)
            #expect(try await fixture.count("sync_log WHERE status = 'yielded'") == 1)

            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)
            #expect(try await fixture.differences("stripe", "customers") == [])
        }
    }

    @Test func `that goes on reads no stream again that it has read, and the next job of that id reads all`()
        async throws
    {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            let total = 250 * 3
            for enqueued in [1_700_000_000, 1_700_000_900] {
                let (enqueuedAt, asked) = (Timestamp(seconds: Int64(enqueued)), Counter())
                // Five pages for each of three streams: it stops in the second one, then in the third.
                var verdict = RunVerdict.yielded(.yield)
                var runs = 0
                while verdict != .succeeded, runs < 5 {
                    runs += 1
                    verdict = try await fixture.sync(
                        "stripe", streams: ["customers", "products", "invoices"], enqueuedAt: enqueuedAt,
                        stop: { _ in asked.next() % 8 == 7 ? .yield : nil })
                }
                #expect(verdict == .succeeded)
                #expect(runs > 1)
                let read = try await fixture.pool.query(
                    "SELECT sum(records_read)::bigint FROM lockstep.sync_log WHERE enqueued_at = to_timestamp($1::bigint)",
                    [.int(Int64(enqueued))])
                #expect(read.int(0, 0) == Int64(total))
            }
        }
    }

    @Test func `waits as long as the provider asks, in place or with its slot given back`() async throws {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")
            try await fixture.control(
                "faults?kind=status&status=429&retry_after=1&stream=customers&skip=1&times=1")
            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .succeeded)
            #expect(try await fixture.count("sync_log WHERE throttled_ms = 1000") == 1)

            try await fixture.control(
                "faults?kind=status&status=503&retry_after=120&stream=customers&skip=1&times=1")
            #expect(try await fixture.sync("stripe", streams: ["customers"]) == .snooze(.seconds(120)))
            #expect(
                try await fixture.count("sync_log WHERE status = 'yielded' AND error_code = 'http_503'") == 1)
        }
    }

    @Test func `with a refused credential takes the integration out of service, with one alert`() async throws
    {
        try await EngineFixture.run { fixture in
            _ = try await fixture.integration("stripe")

            let verdict = try await fixture.sync("stripe", token: "sk_test_nobody")

            guard case .reauthRequired(let failure) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            #expect(failure.userMessage == "Stripe has to be connected again.")
            #expect(!failure.operatorDetail.contains("nobody"))
            #expect(try await fixture.count("integrations WHERE status = 'reauth_required'") == 1)
            #expect(try await fixture.count("alerts WHERE kind = 'reauth_required'") == 1)
        }
    }

    @Test func `that was overtaken by a newer run writes nothing more`() async throws {
        try await EngineFixture.run { fixture in
            let id = try await fixture.integration("stripe")
            var small = EngineConfiguration()
            small.batchRecords = 50
            let pool = fixture.pool
            let asked = Counter()

            let verdict = try await fixture.sync(
                "stripe", streams: ["customers"],
                stop: { _ in
                    if asked.next() == 3 {
                        Task {
                            _ = try await pool.query(
                                "UPDATE lockstep.integrations SET fence = fence + 1 WHERE id = $1", [.int(id)]
                            )
                        }
                    }
                    return nil
                })

            // The newer run may have come after the last page: then this one was simply done.
            if verdict != .succeeded {
                #expect(verdict == .superseded)
                #expect(try await fixture.count("sync_log WHERE status = 'running'") == 1)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import SyncEngine
import Testing

@Suite struct `A provider that ships` {
    /// The streams, and which of them an incremental sync finds all changes of.
    private static let providers: [(service: String, streams: [String], byFullAlone: Set<String>)] = [
        (
            "stripe",
            ["customers", "products", "prices", "invoices", "subscriptions", "payment_intents", "charges"], []
        ),
        ("google-calendar", ["calendars", "events"], []),
        ("gmail", ["labels", "messages"], []),
        // A message is found by its time; what happens to it later shows in the full sync.
        ("slack", ["channels", "users", "messages", "replies"], ["messages", "replies"]),
    ]

    @Test(arguments: providers.indices)
    func `is the same as its copy after a full sync, changes and an incremental one`(index: Int) async throws
    {
        let provider = Self.providers[index]
        try await EngineFixture.run(objects: 60) { fixture in
            let service = provider.service
            _ = try await fixture.integration(service)
            #expect(try await fixture.sync(service) == .succeeded)
            for stream in provider.streams {
                #expect(try await fixture.differences(service, stream) == [], "full: \(stream)")
            }

            // Twice, so that the second cursor is one that an incremental sync has set.
            for round in 1...2 {
                try await fixture.control("edit?user=u_1&service=\(service)&creates=12&updates=9&deletes=7")
                #expect(try await fixture.sync(service, .incremental) == .succeeded)
                for stream in provider.streams where !provider.byFullAlone.contains(stream) {
                    #expect(
                        try await fixture.differences(service, stream) == [],
                        "incremental \(round): \(stream)")
                }
            }
            if !provider.byFullAlone.isEmpty {
                #expect(try await fixture.sync(service) == .succeeded)
                for stream in provider.streams {
                    #expect(try await fixture.differences(service, stream) == [], "second full: \(stream)")
                }
            }
            #expect(try await fixture.count("quarantine") == 0)
        }
    }

    @Test func `of a series of meetings shows which one does not take place, until the series ends`()
        async throws
    {
        try await EngineFixture.run(objects: 20) { fixture in
            let service = "google-calendar"
            _ = try await fixture.integration(service)
            try await fixture.sync(service)
            let rows = try await fixture.pool.query(
                """
                SELECT data ->> 'id', data ->> 'recurringEventId' FROM lockstep.records
                WHERE stream = 'events' AND data ? 'recurringEventId' ORDER BY 1
                """)
            #expect(rows.count == 8)
            func cancel(_ id: String?) async throws {
                try await fixture.control("edit?user=u_1&stream=events&deletes=1&id=\(id ?? "")")
            }
            let cancelled = "records WHERE deleted_at IS NULL AND data ->> 'status' = 'cancelled'"

            // One is known before it is cancelled, one is not.
            try await cancel(rows.text(0, 0))
            try await fixture.sync(service, .incremental)
            #expect(try await fixture.count(cancelled) == 1)
            #expect(try await fixture.differences(service, "events") == [])
            _ = try await fixture.pool.query("DELETE FROM lockstep.records WHERE stream = 'events'")
            try await cancel(rows.text(1, 0))
            try await fixture.sync(service)
            #expect(try await fixture.count(cancelled) == 2)
            #expect(try await fixture.differences(service, "events") == [])

            // The provider tells of the series alone.
            for row in [0, 2] { try await cancel(rows.text(row, 1)) }
            try await fixture.sync(service, .incremental)
            #expect(try await fixture.count(cancelled) == 1)
            #expect(try await fixture.differences(service, "events") == [])
            #expect(try await fixture.count("deletions WHERE reason = 'gone'") == 2)
        }
    }

    @Test func `finds new messages of Slack by their time`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("slack")
            try await fixture.sync("slack")
            try await fixture.control("edit?user=u_1&service=slack&stream=messages&creates=30")
            #expect(try await fixture.sync("slack", .incremental) == .succeeded)
            #expect(try await fixture.differences("slack", "messages") == [])
        }
    }

    @Test func `gives the answers in a thread when its first message changed, and asks for no other thread`()
        async throws
    {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("slack")
            try await fixture.sync("slack")
            let threads = try await fixture.count(
                "records WHERE stream = 'messages' AND data ? 'reply_count'")
            #expect(threads > 3)
            #expect(try await fixture.asked("conversations.replies") >= threads)
            let before = try await fixture.asked("conversations.replies")

            // The newest message of a channel gets an answer: the list by time shows it once more.
            let newest = try await fixture.pool.query(
                """
                SELECT partition, max(data ->> 'ts') FROM lockstep.records
                WHERE stream = 'messages' GROUP BY 1 ORDER BY 1 LIMIT 1
                """)
            let channel = newest.text(0, 0) ?? ""
            let root = newest.text(0, 1) ?? ""
            try await fixture.post(channel: channel, text: "yes", thread: root)
            #expect(try await fixture.sync("slack", .incremental) == .succeeded)

            #expect(try await fixture.asked("conversations.replies") == before + 1)
            #expect(try await fixture.differences("slack", "replies") == [])
            #expect(
                try await fixture.count(
                    "records WHERE stream = 'replies' AND partition = '\(channel)/\(root)'") == 1)

            // Its first message goes, and the thread with it.
            try await fixture.control("edit?user=u_1&service=slack&stream=messages&id=\(root)&deletes=1")
            #expect(try await fixture.sync("slack") == .succeeded)
            #expect(try await fixture.differences("slack", "replies") == [])
            #expect(try await fixture.count("deletions WHERE stream = 'replies' AND reason = 'gone'") == 1)
        }
    }

    @Test func `whose thread loses its answers keeps none of them`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("slack")
            try await fixture.sync("slack")
            let found = try await fixture.pool.query(
                """
                SELECT partition, array_to_string(array_agg(data ->> 'ts'), ' ') FROM lockstep.records
                WHERE stream = 'replies' GROUP BY 1 ORDER BY 1 LIMIT 1
                """)
            for answer in (found.text(0, 1) ?? "").split(separator: " ") {
                try await fixture.control(
                    "edit?user=u_1&service=slack&stream=messages&id=\(answer)&deletes=1")
            }
            #expect(try await fixture.sync("slack") == .succeeded)

            #expect(try await fixture.differences("slack", "messages") == [])
            #expect(try await fixture.differences("slack", "replies") == [])
            let left =
                "records WHERE stream = 'replies' AND deleted_at IS NULL AND partition = '\(found.text(0, 0) ?? "")'"
            #expect(try await fixture.count(left) == 0)
        }
    }

    @Test func `whose history is forgotten is read again, and no deletion is invented`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            for service in ["gmail", "stripe"] {
                _ = try await fixture.integration(service)
                try await fixture.sync(service)
                try await fixture.control("edit?user=u_1&service=\(service)&creates=5&updates=5&deletes=5")
            }
            try await fixture.control("expire")
            #expect(try await fixture.sync("gmail", .incremental) == .succeeded)
            #expect(try await fixture.differences("gmail", "messages") == [])
            #expect(try await fixture.count("deletions WHERE stream = 'messages'") == 5)
        }
    }

    /// Its ids are all noted with the page that names them; the objects come twenty at a time.
    @Test func `whose list names hundreds of objects in a page is no list in circles`() async throws {
        try await EngineFixture.run(objects: 300) { fixture in
            _ = try await fixture.integration("gmail")

            #expect(try await fixture.sync("gmail", pageSize: 500) == .succeeded)

            #expect(try await fixture.differences("gmail", "messages") == [])
            #expect(
                try await fixture.count("records WHERE stream = 'messages' AND deleted_at IS NULL") == 300)
        }
    }

    @Test func `that fails while objects are fetched goes on behind what was fetched`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("gmail")
            try await fixture.control("faults?kind=status&service=gmail&stream=messages&skip=30&times=40")
            guard case .retry(_, let madeProgress) = try await fixture.sync("gmail") else {
                Issue.record("the sync did not fail")
                return
            }
            #expect(madeProgress)
            try await fixture.control("faults", method: "DELETE")
            #expect(try await fixture.sync("gmail") == .succeeded)
            #expect(try await fixture.differences("gmail", "messages") == [])
            let calls = try await fixture.pool.query("SELECT sum(api_calls)::bigint FROM lockstep.sync_log")
            // 60 messages, and what failed: nothing was fetched twice but for one page of objects.
            #expect(calls.int(0, 0) ?? 0 < 60 + 40 + 20)
        }
    }
}

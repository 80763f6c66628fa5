// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing

@testable import ChangeFeed

@Suite struct `The change feed` {
    @Test func `tells what is added, updated and deleted, signed, in the order of each record`() async throws
    {
        let fixture = try await FeedFixture()
        try await fixture.write(["before"])
        let (id, secret) = try await fixture.subscribe()
        try await fixture.write(["a", "b"], n: 1)
        try await fixture.deliver("two additions") { fixture.receiver.copy.count >= 2 }
        try await fixture.write(["a", "before"], n: 2)
        try await fixture.deliver("two updates") { fixture.receiver.copy["before"] == "2" }
        try await fixture.delete("b")
        try await fixture.deliver("a deletion") { fixture.receiver.copy["b"] == nil }
        try await fixture.write(["b"], n: 3)
        try await fixture.deliver("it comes back") { fixture.receiver.copy["b"] == "3" }

        func types(_ record: String) -> [String] {
            fixture.receiver.events.filter { $0.record == record }.map(\.type)
        }
        #expect(types("a") == ["record.added", "record.updated"])
        #expect(types("b") == ["record.added", "record.deleted", "record.added"])
        // What was there before the subscription is changed, not new; whether a write that was just committed is told too
        // depends on who else writes on this server.
        #expect(types("before").last == "record.updated")
        #expect(fixture.receiver.copy == ["a": "2", "b": "3", "before": "2"])
        #expect(fixture.receiver.verify(secret))
        #expect(!fixture.receiver.verify(try WebhookSecret.other()))
        #expect(try await fixture.summary(id).delivered == Int64(fixture.receiver.events.count))
        // Nothing is left behind, and nothing is told twice.
        try await fixture.passes()
        #expect(Set(fixture.receiver.events.map(\.id)).count == fixture.receiver.events.count)
        #expect(try await fixture.count("subscription_events") == 0)
    }

    @Test func `passes over no change of a transaction that commits late`() async throws {
        let fixture = try await FeedFixture()
        _ = try await fixture.subscribe()
        try await fixture.pool.transaction { connection in
            _ = try await connection.query(FeedFixture.writing, FeedFixture.parameters(["early"], 1))
            try await fixture.write(["later"], n: 1)
            // The later one is committed; it is not told before the early one can be.
            for _ in 0..<3 { try await fixture.passes() }
            #expect(fixture.receiver.events.isEmpty)
        }
        try await fixture.deliver("both") { fixture.receiver.copy.count == 2 }
        #expect(fixture.receiver.events.map(\.record).sorted() == ["early", "later"])
    }

    @Test func `reaches every record while many write, whatever the receiver does`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        // Each event is refused the first time, or its acknowledgement is lost.
        fixture.receiver.answer { event, attempt in
            if attempt > 1 { return [.reply("204 No Content")] }
            return event.cursor.utf8.last.map { $0 % 3 } == 0 ? [.reset] : [.reply("503 Service Unavailable")]
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<3 {
                group.addTask {
                    for round in 1...12 {
                        let ids = (0..<3).map { "w\(writer)-\($0)" }
                        try await fixture.pool.transaction { connection in
                            _ = try await connection.query(
                                FeedFixture.writing, FeedFixture.parameters(ids, round))
                            _ = try await connection.query("SELECT pg_sleep(random() * 0.01)")
                        }
                    }
                }
            }
            group.addTask { try await fixture.deliver("all records") { fixture.receiver.copy.count == 9 } }
            try await group.waitForAll()
        }
        try await fixture.deliver("the last versions") {
            fixture.receiver.copy.values.allSatisfy { $0 == "12" } && fixture.receiver.copy.count == 9
        }
        try await fixture.deliver("an end") {
            let left = try await fixture.count("subscription_events")
            return try await left + fixture.count("subscription_marks") == 0
        }
        #expect(try await fixture.summary(id).dead == 0)
        for record in Set(fixture.receiver.events.map(\.record)) {
            let events = fixture.receiver.events.filter { $0.record == record }
            #expect(events.map(\.cursor) == events.map(\.cursor).sorted(), "\(record)")
            // As new until it is acknowledged once, and never again.
            let types = events.map(\.type)
            #expect(types == types.sorted() && types.first == "record.added", "\(record) \(types)")
            // Of an event that came twice the second one was acknowledged.
            let ids = Set(events.filter { $0.type == "record.added" }.map(\.id))
            #expect(ids.count { id in events.count { $0.id == id } > 1 } == 1, "\(record)")
        }
    }

    @Test func `reads only what the subscription is about`() async throws {
        let fixture = try await FeedFixture()
        _ = try await IntegrationStore(pool: fixture.pool).add(
            IntegrationKey(userID: "u_2", service: "slack"), configuration: Array("{}".utf8))
        _ = try await fixture.subscribe(SubscriptionFilter(service: "stripe", stream: "s", userID: "u_1"))
        try await fixture.write(["other stream"], n: 1, stream: "t")
        _ = try await fixture.pool.query(
            """
            INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id)
            SELECT 2, 's', 'other ' || n, '{"n":1}', 1 FROM generate_series(1, 2500) n
            """)
        try await fixture.write(["mine"], n: 1)
        try await fixture.deliver("mine") { !fixture.receiver.events.isEmpty }
        try await fixture.passes()
        #expect(fixture.receiver.events.map(\.record) == ["mine"])
    }

    @Test func `begins at the oldest record when told so`() async throws {
        let fixture = try await FeedFixture()
        try await fixture.write((0..<100).map { "r\($0)" }, n: 1)
        _ = try await fixture.subscribe(from: .start)
        try await fixture.deliver("all") { fixture.receiver.copy.count == 100 }
        #expect(fixture.receiver.events.count == 100)
        #expect(fixture.receiver.events.allSatisfy { $0.type == "record.added" })
    }

    @Test func `gives nothing away in its log, and no address but the host`() async throws {
        let fixture = try await FeedFixture()
        let (id, secret) = try await fixture.subscribe()
        fixture.receiver.answer { _, _ in [.reply("500 Internal Server Error", body: Array("content".utf8))] }
        try await fixture.write(["a"], n: 1)
        try await fixture.deliver("a failure") { try await fixture.summary(id).lastError != nil }
        try await fixture.deliver("a dead letter") { try await fixture.summary(id).dead == 1 }
        _ = try await fixture.pool.query(
            "UPDATE lockstep.subscriptions SET url = 'http://127.0.0.1:1/x?token=abc'")
        try await fixture.write(["b"], n: 1)
        try await fixture.deliver("a refusal") {
            try await fixture.summary(id).lastError?.contains("address_refused") == true
        }
        let seen = fixture.log.text + (try await fixture.summary(id).lastError ?? "")
        #expect(seen.contains("address_refused") && seen.contains("status 500"))
        for hidden in [secret.exposed, String(secret.exposed.dropFirst(6)), "token", "/hook", "content"] {
            #expect(!seen.contains(hidden))
        }
        let stored = try await fixture.pool.query("SELECT ciphertext FROM lockstep.subscriptions").bytes(0, 0)
        #expect(String(decoding: stored ?? [], as: UTF8.self).contains("whsec_") == false)
    }
}

@Suite struct `A receiver of the change feed` {
    @Test func `that fails is asked again with the same id, then the event is given up and can be replayed`()
        async throws
    {
        let fixture = try await FeedFixture()
        let (id, secret) = try await fixture.subscribe()
        fixture.receiver.answer { event, _ in
            [.reply(event.record == "bad" ? "500 Internal Server Error" : "200 OK")]
        }
        try await fixture.write(["bad", "good"], n: 1)
        try await fixture.deliver("a dead letter") { try await fixture.summary(id).dead == 1 }
        try await fixture.write(["next"], n: 1)
        try await fixture.deliver("what follows") { fixture.receiver.copy["next"] != nil }

        let attempts = fixture.receiver.events.filter { $0.record == "bad" }
        #expect(attempts.count == 3 && Set(attempts.map(\.id)).count == 1)
        #expect(fixture.receiver.events.count { $0.record == "good" } == 1)
        let letter = try #require(try await fixture.store.dead(of: id, limit: 10).first)
        #expect(letter.externalID == "bad" && letter.attempts == 3 && letter.error == "status 500")
        #expect(letter.cursor.description == attempts.first?.cursor)

        fixture.receiver.answer { _, _ in [.reply()] }
        #expect(try await fixture.store.replayDead(id) == 1)
        try await fixture.deliver("the replay") { try await fixture.summary(id).dead == 0 }
        #expect(fixture.receiver.events.last?.id == attempts.first?.id)
        #expect(fixture.receiver.verify(secret))
    }

    @Test func `may say as much as it likes with its 2xx`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        fixture.receiver.answer { _, _ in [.reply(body: [UInt8](repeating: 0x20, count: 200_000))] }
        try await fixture.write(["a", "b"], n: 1)
        try await fixture.deliver("both") { fixture.receiver.copy.count == 2 }
        try await fixture.deliver("an end") { try await fixture.count("subscription_events") == 0 }
        let summary = try await fixture.summary(id)
        #expect(summary.delivered == 2 && summary.lastError == nil)
        #expect(fixture.receiver.events.count == 2)
    }

    @Test func `is not told again what was given up ahead of a change that is still tried`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        let isWell = LockedBox(false)
        fixture.receiver.answer { event, _ in
            [
                .reply(
                    event.record == "first" && !isWell.withLock { $0 }
                        ? "500 Internal Server Error" : "200 OK")
            ]
        }
        try await fixture.write(["first", "second"], n: 1)
        // As if the second one had been tried more often: an end of the courier had cut the first one's attempts off.
        _ = try await fixture.pool.query(
            """
            INSERT INTO lockstep.subscription_events (subscription_id, change_xid, change_row, integration_id, stream,
                external_id, event, status, attempts, error, failed_at)
            SELECT $1, change_xid::text::bigint, seq, 1, stream, external_id, 'record.added', 'dead', 3, 'status 500', now()
            FROM lockstep.records WHERE external_id = 'second'
            """, [.int(id)])
        try await fixture.deliver("an attempt") { !fixture.receiver.events.isEmpty }
        isWell.withLock { $0 = true }
        try await fixture.write(["third"], n: 1)
        try await fixture.deliver("what follows") { fixture.receiver.copy["third"] != nil }

        #expect(fixture.receiver.copy["first"] == "1" && fixture.receiver.copy["second"] == nil)
        #expect(try await fixture.summary(id).dead == 1)
    }

    @Test func `is not told a dead letter of a record that has changed since`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        fixture.receiver.answer { _, _ in [.reply("500 Internal Server Error")] }
        try await fixture.write(["r"], n: 1)
        try await fixture.deliver("a dead letter") { try await fixture.summary(id).dead == 1 }
        fixture.receiver.answer { _, _ in [.reply()] }
        try await fixture.write(["r"], n: 2)
        try await fixture.deliver("the change") { fixture.receiver.copy["r"] == "2" }
        let count = fixture.receiver.events.count
        _ = try await fixture.store.replayDead(id)
        try await fixture.deliver("no dead letter") { try await fixture.summary(id).dead == 0 }
        #expect(fixture.receiver.events.count == count)
    }

    @Test func `that says 410 is told nothing more, until a person has it go on where it stopped`()
        async throws
    {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        fixture.receiver.answer { _, _ in [.reply("410 Gone")] }
        try await fixture.write(["a"], n: 1)
        try await fixture.deliver("gone") { try await fixture.summary(id).status == "gone" }
        let count = fixture.receiver.events.count
        try await fixture.write(["b"], n: 1)
        for _ in 0..<3 { try await fixture.passes() }
        #expect(fixture.receiver.events.count == count)

        fixture.receiver.answer { _, _ in [.reply()] }
        fixture.receiver.forget()
        #expect(try await fixture.store.resume(id))
        try await fixture.deliver("both") { fixture.receiver.copy.count == 2 }
        #expect(try await fixture.summary(id).dead == 0)
    }

    @Test func `that does not answer holds up no other one`() async throws {
        let fixture = try await FeedFixture()
        let silent = try ScriptedServer { _ in [.hang] }
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [fixture.receiver.origin, silent.origin])
        let http = HTTPClient(configuration: client, logger: fixture.log.logger)
        let courier = FeedFixture.courier(fixture.pool, fixture.vault, http, fixture.log)
        let (slow, _) = try await fixture.subscribe(to: silent.url("/"))
        _ = try await fixture.subscribe()
        let running = Task { try await courier.run() }
        try await fixture.write(["a"], n: 1)
        let deadline = ContinuousClock.now + .seconds(60)
        while fixture.receiver.copy["a"] == nil || silent.log.requests.isEmpty, ContinuousClock.now < deadline
        {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(fixture.receiver.copy["a"] == "1")
        #expect(try await fixture.summary(slow).delivered == 0)
        running.cancel()
        try await running.value
    }

    @Test func `gets what is replayed from a cursor, with the ids that the events had`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        try await fixture.write(["a"], n: 1)
        try await fixture.deliver("a") { fixture.receiver.copy["a"] != nil }
        try await fixture.write(["b"], n: 1)
        try await fixture.deliver("b") { fixture.receiver.copy["b"] != nil }
        let told = fixture.receiver.events
        let first = try #require(told.first { $0.record == "a" })

        fixture.receiver.forget()
        #expect(try await fixture.store.replay(id, after: try #require(ChangeCursor(first.cursor))))
        try await fixture.deliver("b again") { fixture.receiver.copy["b"] != nil }
        #expect(fixture.receiver.events.map(\.id) == told.filter { $0.record == "b" }.map(\.id))
    }

    @Test func `gets nothing while the subscription is paused, and all of it afterwards`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        #expect(try await fixture.store.pause(id))
        try await fixture.write(["a"], n: 1)
        for _ in 0..<3 { try await fixture.passes() }
        #expect(fixture.receiver.events.isEmpty)
        #expect(try await fixture.store.resume(id))
        try await fixture.deliver("a") { fixture.receiver.copy["a"] == "1" }
    }

    @Test func `gets the same ids again when the courier dies before it saves`() async throws {
        let fixture = try await FeedFixture()
        let (id, _) = try await fixture.subscribe()
        try await fixture.write(["a"], n: 1)
        var dead: FeedCourier.Turn?
        let deadline = ContinuousClock.now + .seconds(120)
        while fixture.receiver.events.isEmpty, ContinuousClock.now < deadline {
            // The pass of a process that is killed: told, not saved.
            _ = try await fixture.pool.query("UPDATE lockstep.subscriptions SET owner = NULL")
            let turn = try #require(try await fixture.courier.claim())
            _ = try await fixture.pool.query("UPDATE lockstep.subscriptions SET owner = 'other'")
            try await fixture.courier.pass(turn)
            dead = turn
        }
        #expect(try await fixture.summary(id).delivered == 0)
        // Its lease holds: nobody else takes the subscription.
        #expect(try await fixture.courier.claim() == nil)
        _ = try await fixture.pool.query(
            "UPDATE lockstep.subscriptions SET owned_until = now() - interval '1 second'")
        try await fixture.deliver("a again") { try await fixture.summary(id).delivered == 1 }
        #expect(fixture.receiver.events.count == 2)
        #expect(Set(fixture.receiver.events.map(\.id)).count == 1)

        // The dead one wakes up: what it saves is nobody's concern any more.
        try await fixture.write(["b"], n: 1)
        try await fixture.deliver("b") { fixture.receiver.copy["b"] != nil }
        let place = try await fixture.summary(id).cursor
        try await fixture.courier.pass(try #require(dead))
        #expect(try await fixture.summary(id).cursor == place)
    }

    @Test func `has one courier at a time`() async throws {
        let fixture = try await FeedFixture()
        _ = try await fixture.subscribe()
        for _ in 0..<20 {
            let turns = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<12 { group.addTask { try await fixture.courier.claim() != nil } }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(turns == 1)
            _ = try await fixture.pool.query("UPDATE lockstep.subscriptions SET owner = NULL")
        }
    }
}

private enum WebhookSecret {
    /// A secret that nothing is signed with.
    static func other() throws -> SecretString {
        SecretString("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    }
}

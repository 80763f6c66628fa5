// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Foundation
import PostgresClient
import SyncEngine
import Testing

@Suite struct `Objects that notifications name` {
    private struct Line: Decodable {
        let stream: String
        let external_id: String
    }

    /// What the sandbox changed after a number, as its notifications would name it.
    private static func changes(
        _ fixture: EngineFixture, children: Set<String>, streams: [String]
    ) async throws -> [WebhookChange] {
        let text = String(
            decoding: try await fixture.control("changes?limit=100000", method: "GET"), as: UTF8.self)
        return try text.split(separator: "\n").compactMap { line in
            let line = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
            guard streams.contains(line.stream) else { return nil }
            guard children.contains(line.stream), let slash = line.external_id.lastIndex(of: "/") else {
                return .object(stream: line.stream, partition: "", id: line.external_id)
            }
            return .object(
                stream: line.stream, partition: String(line.external_id[..<slash]),
                id: String(line.external_id[line.external_id.index(after: slash)...]))
        }
    }

    private static let services: [(service: String, streams: [String], children: Set<String>)] = [
        (
            "stripe",
            ["customers", "products", "prices", "invoices", "subscriptions", "payment_intents", "charges"], []
        ),
        // An answer changes the first message of its thread too: notifications say so, this list of changes does not.
        ("slack", ["channels", "users"], []),
        ("gmail", ["messages"], []),
    ]

    @Test(arguments: services.indices)
    func `are fetched anew, in any order and as often as they come`(
        index: Int
    ) async throws {
        let (service, streams, children) = Self.services[index]
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration(service)
            #expect(try await fixture.sync(service) == .succeeded)
            try await fixture.control("edit?user=u_1&service=\(service)&creates=12&updates=9&deletes=7")
            try await fixture.control("edit?user=u_1&service=\(service)&creates=3&updates=20&deletes=5")
            let changes = try await Self.changes(fixture, children: children, streams: streams)
            #expect(changes.count > 100 || service != "stripe" && changes.count > 40)

            for _ in 0..<2 {
                let set = ChangeSet((changes + changes).shuffled())
                #expect(try await fixture.sync(service, .changes(set)) == .succeeded)
                for stream in streams {
                    #expect(try await fixture.differences(service, stream) == [], "\(stream)")
                }
            }
            #expect(try await fixture.count("quarantine") == 0)
        }
    }

    @Test func `of a stream that was never read make it be read whole`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("stripe")
            let set = ChangeSet([.object(stream: "customers", partition: "", id: "cus_unknown")])

            #expect(try await fixture.sync("stripe", .changes(set)) == .succeeded)

            #expect(try await fixture.differences("stripe", "customers") == [])
            #expect(try await fixture.sync("stripe") == .succeeded)
            #expect(try await fixture.count("deletions") == 0)
        }
    }

    @Test func `of a parent that is not known make it be fetched too`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("slack")
            #expect(try await fixture.sync("slack") == .succeeded)
            let rows = try await fixture.pool.query(
                "DELETE FROM lockstep.records WHERE stream = 'channels' RETURNING external_id")
            let channel = rows.text(0, 0) ?? ""

            let set = ChangeSet([.object(stream: "messages", partition: channel, id: "1.000000")])
            #expect(try await fixture.sync("slack", .changes(set)) == .succeeded)

            #expect(try await fixture.count("records WHERE stream = 'channels'") == 1)
            #expect(try await fixture.count("deletions") == 0)
        }
    }

    @Test func `are not deleted by a list that is not complete`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("slack")
            #expect(try await fixture.sync("slack") == .succeeded)
            let rows = try await fixture.pool.query(
                "SELECT partition, data ->> 'ts' FROM lockstep.records WHERE stream = 'messages' LIMIT 1")
            let set = ChangeSet([
                .object(stream: "messages", partition: rows.text(0, 0) ?? "", id: rows.text(0, 1) ?? "")
            ])
            // An empty page that says that there are more.
            try await fixture.control("faults?kind=empty_next&endpoint=conversations.history&times=1")

            let verdict = try await fixture.sync("slack", .changes(set))
            #expect(verdict == .succeeded)

            #expect(try await fixture.count("deletions") == 0)
            #expect(try await fixture.differences("slack", "messages") == [])
        }
    }

    @Test func `that a notification without content is about are found by their cursor`() async throws {
        try await EngineFixture.run(objects: 60) { fixture in
            _ = try await fixture.integration("google-calendar")
            #expect(try await fixture.sync("google-calendar") == .succeeded)
            try await fixture.control("edit?user=u_1&service=google-calendar&creates=12&updates=9&deletes=7")
            let rows = try await fixture.pool.query(
                "SELECT external_id FROM lockstep.records WHERE stream = 'calendars'")
            let set = ChangeSet((0..<rows.count).map { .stream("events", partition: rows.text($0, 0) ?? "") })

            #expect(try await fixture.sync("google-calendar", .changes(set)) == .succeeded)

            #expect(try await fixture.differences("google-calendar", "events") == [])
        }
    }
}

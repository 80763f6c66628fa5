// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Sandbox

@Suite struct `The objects` {
    private static let streams = SandboxStream.allCases.filter { $0.storage != .slackMessages }

    /// All that a sandbox holds, after some edits.
    private static func contents(_ seed: UInt64) -> [String] {
        var sandbox = SandboxFixture { $0.seed = seed }
        sandbox.control(.edit(creates: 3, updates: 9, deletes: 4))
        for _ in 0..<20 { sandbox.state.store.editSomewhere() }
        return (1...3).flatMap { user in
            streams.flatMap { stream in
                sandbox.lines(
                    .objects(user: "u_\(user)", service: stream.service.rawValue, stream: stream.name))
            }
        }
    }

    @Test func `are the same for the same seed and edits, and others for another`() {
        let first = Self.contents(1)

        #expect(first == Self.contents(1))
        let other = Self.contents(2)
        // The calendars of their own have the users' addresses for ids; labels are the same everywhere.
        let same = Set(first).intersection(other).filter { !$0.contains("labelListVisibility") }
        #expect(same.count <= 3)
    }

    @Test func `of one user do not depend on what happens to another`() {
        var quiet = SandboxFixture()
        var busy = SandboxFixture()
        busy.control(.edit(user: "u_2", updates: 7))
        func ids(_ sandbox: inout SandboxFixture) -> [Substring] {
            sandbox.control(.edit(user: "u_1", stream: "customers", updates: 5, deletes: 5))
            return sandbox.lines(.objects(user: "u_1", stream: "customers")).map { $0.prefix(60) }
        }

        #expect(ids(&quiet) == ids(&busy))
    }

    @Test func `are JSON, each with its own id`() throws {
        let lines = Self.contents(7)
        var ids: Set<String> = []
        for line in lines {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let data = try #require(object?["data"] as? [String: Any])
            let external = try #require(object?["external_id"] as? String)
            let id = try #require(data["id"] as? String)
            #expect(external == id || external.hasSuffix("/" + id))
            if data["labelListVisibility"] == nil { ids.insert(external) }
        }
        let labels = lines.count { $0.contains("labelListVisibility") }
        #expect(labels == 33)
        #expect(ids.count == lines.count - labels)
    }

    @Test func `keep their bytes until they change`() throws {
        var sandbox = SandboxFixture()
        let before = sandbox.lines(.objects(user: "u_1", stream: "events"))
        sandbox.control(.edit(user: "u_1", service: "stripe", updates: 20))
        #expect(sandbox.lines(.objects(user: "u_1", stream: "events")) == before)

        let number = sandbox.state.store.sequence
        sandbox.control(.edit(user: "u_1", stream: "events", updates: 1))
        let changed = Set(sandbox.lines(.objects(user: "u_1", stream: "events"))).subtracting(before)
        #expect(changed.count == 2)
        #expect(sandbox.state.store.sequence == number + 2)
    }

    @Test func `hold what is hard to copy`() {
        let text = Self.contents(3).joined()

        for sample in [
            "\u{1F469}\u{1F3FD}\u{200D}\u{1F680}", "\\u00e9", "\\/", "\\\"", "12345678901234567890",
            "9007199254740993",
            "1.10", "1e-2", "null", "\\ud83d\\ude00", "e\u{301}",
        ] {
            // Bytes, for to a string the composed and the decomposed accent are equal.
            #expect(text.utf8.firstRange(of: sample.utf8) != nil, "\(sample)")
        }
    }

    @Test func `are found by their ids, which no other text is`() {
        let bytes = ObjectBytes(SandboxConfiguration())
        for stream in SandboxStream.allCases where stream.storage != .slackMessages && stream != .labels {
            let collection = Collection(
                CollectionKey(user: 3, stream: stream, parent: 1), initialCount: 5_000)
            for index in [0, 1, 2, 999, 4_999] {
                let id = bytes.id(collection.key, index)
                #expect(bytes.index(of: id, in: collection) == index)
                for wrong in [id + "0", String(id.dropLast()), "x" + id, id.uppercased() + "_"] {
                    #expect(bytes.index(of: wrong, in: collection) == nil)
                }
            }
            #expect(bytes.index(of: bytes.id(collection.key, 5_000), in: collection) == nil)
            let other = Collection(CollectionKey(user: 3, stream: stream, parent: 2), initialCount: 5_000)
            #expect(bytes.index(of: bytes.id(collection.key, 7), in: other) == nil)
        }
    }

    @Test func `can belong to users with names`() throws {
        var sandbox = SandboxFixture { $0.names = ["ada", "grace"] }

        #expect(sandbox.stripe("customers", user: "ada").status == 200)
        #expect(sandbox.stripe("customers", user: "u_1").status == 401)
        #expect(
            try sandbox.google("users/me/calendarList", user: "grace").ids("items").first
                == "grace@example.com")
        #expect(sandbox.lines(.objects(user: "ada", stream: "invoices")).count == 25)
    }

    @Test func `have other numbers by stream when asked for`() throws {
        var sandbox = SandboxFixture { $0.objectsByStream = ["calendars": 4, "invoices": 0] }

        #expect(try sandbox.google("users/me/calendarList").items("items").count == 4)
        #expect(sandbox.stripe("invoices").text.hasSuffix(#""has_more":false,"data":[]}"#))
        #expect(sandbox.lines(.objects(user: "u_1", stream: "events")).count == 100)
    }

    @Test func `untouched cost nothing, however many there are`() throws {
        var sandbox = SandboxFixture { $0.objects = 100_000_000 }
        let page = sandbox.stripe("customers?limit=100")
        let last = try #require(try page.ids("data").last)

        #expect(try sandbox.stripe("customers?limit=100&starting_after=\(last)").ids("data").count == 100)
        sandbox.control(.edit(user: "u_1", stream: "customers", updates: 5, deletes: 5))
        #expect(sandbox.state.store[CollectionKey(user: 1, stream: .customers)].liveCount == 99_999_995)
    }
}

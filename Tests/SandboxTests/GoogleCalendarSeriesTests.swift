// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `A series in Google Calendar` {
    /// The meetings that differ from their series, by the series.
    private static func members(_ items: [[String: Any]]) -> [String: String] {
        var members: [String: String] = [:]
        for item in items {
            guard let series = item["recurringEventId"] as? String else { continue }
            members[series] = item["id"] as? String
        }
        return members
    }

    @Test func `keeps a cancelled meeting as long as it goes on itself`() throws {
        var sandbox = SandboxFixture { $0.hasSeries = true }
        let (before, _, token) = try sandbox.enumerate([])
        let members = Self.members(before)
        #expect(members.count == 5)
        for series in members.keys {
            let master = try #require(before.first { $0["id"] as? String == series })
            #expect(master["recurrence"] != nil)
        }
        let (series, meeting) = try #require(members.first)

        let edit = "/_control/edit?user=u_1&stream=events&deletes=1&id="
        #expect(sandbox.send("POST", edit + meeting).status == 200)
        let (after, _, _) = try sandbox.enumerate([])
        let (changes, _, second) = try sandbox.enumerate([("syncToken", token)])

        for items in [after, changes] {
            let cancelled = try #require(items.first { $0["id"] as? String == meeting })
            #expect(
                Set(cancelled.keys) == [
                    "kind", "etag", "id", "status", "recurringEventId", "originalStartTime",
                ])
            #expect(cancelled["status"] as? String == "cancelled")
        }
        #expect(after.count == 25 && changes.count == 1)

        #expect(sandbox.send("POST", edit + series).status == 200)
        let (left, _, _) = try sandbox.enumerate([])
        #expect(left.count == 23)
        // The meeting goes without a word.
        let (last, _, _) = try sandbox.enumerate([("syncToken", second)])
        #expect(last.map { $0["id"] as? String } == [series])
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

@Suite struct `Random edits` {
    @Test func `are ten thousand, the same for the same seed, and all lists agree with the objects`() throws {
        func edited(_ seed: Int) -> SandboxFixture {
            var sandbox = SandboxFixture()
            let answer = sandbox.control(.randomEdits(10_000, seed: seed))
            #expect(answer.text == #"{"changes":10000,"edited":10000}"#)
            return sandbox
        }
        func objects(_ sandbox: inout SandboxFixture) -> [String] {
            SandboxStream.allCases.flatMap { stream in
                sandbox.lines(
                    .objects(user: "u_1", service: stream.service.rawValue, stream: stream.name))
            }
        }
        var first = edited(1)
        var second = edited(1)
        var third = edited(2)

        let all = objects(&first)

        #expect(all == objects(&second))
        #expect(Set(all).symmetricDifference(objects(&third)).count > 100)
        for list in ["customers", "charges", "subscriptions"] {
            let pages = try first.stripePages(list, limit: 100).flatMap(\.self)
            #expect(pages.count == first.lines(.objects(user: "u_1", stream: list)).count)
        }
    }

    @Test func `can be of one user and one service`() throws {
        var sandbox = SandboxFixture()

        sandbox.control(.randomEdits(50, user: "u_2", service: "gmail"))

        let changes = sandbox.lines(.changes())
        #expect(changes.count == 50)
        #expect(changes.allSatisfy { $0.contains(#""user":"u_2","stream":"messages""#) })
    }

    @Test func `can share their seconds, and so can the objects of the start`() throws {
        var sandbox = SandboxFixture {
            $0.changesPerSecond = 100
            $0.objectsPerSecond = 25
        }
        sandbox.control(.edit(user: "u_1", stream: "customers", creates: 99))

        let created = try sandbox.stripe("customers?limit=100").items("data").compactMap {
            $0["created"] as? Int
        }

        #expect(Set(created).count == 2)
        #expect(created == created.sorted(by: >))
        #expect(try sandbox.stripePages("customers", limit: 10).flatMap(\.self).count == 124)
        let channel = try #require(try sandbox.slack("conversations.list").ids("channels").first)
        let messages = try sandbox.slack("conversations.history", [("channel", channel)]).items("messages")
        let times = messages.compactMap { $0["ts"] as? String }
        #expect(Set(times).count == 19 && Set(times.map { $0.prefix(10) }).count == 1)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `A sweep of the dead letters` {
    /// A letter as the queue writes it.
    private func letter(
        _ id: String, code: String = "http_400", user: String = "u", service: String = "stripe",
        at seconds: Int = 1_700_000_000
    ) -> RedisArgument {
        let time = Timestamp(seconds: Int64(seconds)).rfc3339
        return RedisArgument(
            #"{"payload":{"user_id":"\#(user)","service":"\#(service)","type":"full","id":"\#(id)"},"code":"\#(code)","#
                + #""reason":"Refused by \#(service)","detail":"","id":"\#(id)","queue":"low","attempts":1,"failed_at":"\#(time)"}"#
        )
    }

    private func push(_ fixture: QueueFixture, _ letters: [RedisArgument]) async throws {
        for start in stride(from: 0, to: letters.count, by: 500) {
            let batch = letters[start..<min(start + 500, letters.count)]
            _ = try await fixture.redis.command(["LPUSH", fixture.key("dead")] + batch)
        }
    }

    private func ids(_ fixture: QueueFixture, _ filter: DeadLetterFilter) async throws -> [String] {
        var ids: [String] = []
        try await fixture.queue.eachDeadLetter(matching: filter) { letter, _ in
            ids.append(letter.id)
            return .kept
        }
        let listed = try await fixture.queue.deadLetters(matching: filter, offset: 0, limit: 100)
        #expect(listed.map(\.letter.id) == ids.reversed())
        return ids
    }

    @Test func `takes those of a code, reason, service, user, queue and time`() async throws {
        try await withQueue { fixture in
            let byNumber =
                #"{"payload":{"integration_id":7,"type":"full"},"code":"x","reason":"r","detail":"","id":"n","queue":"high","attempts":0,"failed_at":"2026-01-01T00:00:00.000Z"}"#
            try await push(
                fixture,
                [
                    letter("a", code: "http_500"), letter("b", user: "v"), letter("c", service: "slack"),
                    RedisArgument("nonsense"), letter("d", at: 1_700_000_100), RedisArgument(byNumber),
                ])
            _ = try await fixture.redis.command(["HSET", fixture.key("owners"), "7", "v\u{1F}gmail"])
            func with(_ change: (inout DeadLetterFilter) -> Void) async throws -> [String] {
                var filter = DeadLetterFilter()
                change(&filter)
                return try await ids(fixture, filter)
            }
            #expect(try await with { _ in } == ["a", "b", "c", "d", "n"])
            #expect(try await with { $0.code = "http_500" } == ["a"])
            #expect(try await with { $0.user = "v" } == ["b", "n"])
            #expect(try await with { $0.service = "slack" } == ["c"])
            #expect(try await with { $0.service = "gmail" } == ["n"])
            #expect(try await with { $0.reason = "refused BY sl" } == ["c"])
            #expect(try await with { $0.queue = .high } == ["n"])
            #expect(try await with { $0.since = Timestamp(seconds: 1_700_000_100) } == ["d", "n"])
            #expect(try await with { $0.until = Timestamp(seconds: 1_700_000_100) } == ["a", "b", "c"])
        }
    }

    @Test func `replays each letter once and passes none over, while others push, replay and purge`()
        async throws
    {
        try await withQueue { fixture in
            let count = 1_500
            try await push(
                fixture,
                (0..<count).map {
                    letter("j\($0)", code: $0 % 3 == 0 ? "keep" : $0 % 3 == 1 ? "purge" : "replay")
                })
            var (replay, purge) = (DeadLetterFilter(), DeadLetterFilter())
            (replay.code, purge.code) = ("replay", "purge")
            let (replayed, purged) = (replay, purge)
            let total = try await withThrowingTaskGroup(of: Int.self) { group in
                // Two operators replay the same letters, a third purges others, and jobs go on dying.
                for _ in 0..<2 {
                    group.addTask {
                        var done = 0
                        try await fixture.queue.eachDeadLetter(matching: replayed) { letter, _ in
                            if try await fixture.queue.replay(letter, from: .oldest) { done += 1 }
                            return .removed
                        }
                        return done
                    }
                }
                group.addTask {
                    try await fixture.queue.eachDeadLetter(matching: purged) { letter, _ in
                        _ = try await fixture.queue.purge(letter, from: .oldest)
                        return .removed
                    }
                    return 0
                }
                group.addTask {
                    for number in 0..<300 {
                        let late = Int(Date().timeIntervalSince1970) + 3_600
                        try await push(fixture, [letter("late\(number)", code: "replay", at: late)])
                    }
                    return 0
                }
                return try await group.reduce(0, +)
            }
            #expect(total == count / 3)
            let pushed =
                try await fixture.redis.command([
                    "LRANGE", fixture.key("queue:low"), "0", "-1",
                ]).array ?? []
            #expect(pushed.count == count / 3 && Set(pushed.compactMap(\.text)).count == count / 3)
            let left =
                try await fixture.redis.command(["LRANGE", fixture.key("dead"), "0", "-1"]).array ?? []
            let texts = left.compactMap(\.text)
            #expect(texts.count { $0.contains(#""code":"keep""#) } == count / 3)
            #expect(texts.count { $0.contains(#""code":"purge""#) } == 0)
            #expect(texts.count { $0.contains("late") } == 300)
        }
    }
}

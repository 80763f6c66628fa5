// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `Forgetting an integration` {
    private static let key = IntegrationKey(userID: "gone", service: "stripe")
    private static let byNumber = #"{"integration_id":17,"type":"full"}"#

    /// All that Redis holds under the fixture's prefix, as text.
    private func content(_ fixture: QueueFixture) async throws -> String {
        let names =
            try await fixture.redis.command(["KEYS", RedisArgument("\(fixture.prefix):*")]).array ?? []
        var text = ""
        for name in names.compactMap(\.text).sorted() {
            let value =
                switch try await fixture.redis.command(["TYPE", RedisArgument(name)]).text {
                case "list": try await fixture.redis.command(["LRANGE", RedisArgument(name), "0", "-1"])
                case "zset": try await fixture.redis.command(["ZRANGE", RedisArgument(name), "0", "-1"])
                case "hash": try await fixture.redis.command(["HGETALL", RedisArgument(name)])
                default: RedisValue.null
                }
            text += "\(name): \((value.array ?? []).map { $0.text ?? "?" })\n"
        }
        return text
    }

    @Test(arguments: ["ready", "sorted", "delayed", "parked", "dead"])
    func `removes what it has in each place, and nothing else`(place: String) async throws {
        try await withQueue { fixture in
            let texts = [payload("gone"), payload("gone", "incremental"), Self.byNumber, payload("stays")]
            if place == "parked" { try await fixture.queue.pause(.service("stripe")) }
            if place == "delayed" {
                try await fixture.queue.enqueue(
                    texts.map { Array($0.utf8) }, in: .default, due: .after(.seconds(600)))
            } else {
                for text in texts { try await fixture.push(text) }
                // Enough of others that one look does not see all.
                for number in 0..<250 { try await fixture.push(payload("u_\(number)")) }
            }
            switch place {
            // One job stays in the list, for a worker to be woken by.
            case "sorted": while try await fixture.queue.sort() > 1 {}
            case "parked":
                // The job by number is not parked: whose it is nobody knows yet.
                for job in try await fixture.claimAll() { _ = try await fixture.queue.finish(job.lease) }
            case "dead":
                try await fixture.push(#"{"user":"gone","service":"stripe","type":"full"}"#)
                for job in try await fixture.claimAll() {
                    _ = try await fixture.queue.deadLetter(job, code: "c", reason: "of \(job.id)", detail: "")
                }
            default: break
            }
            #expect(try await content(fixture).contains("gone"))

            let removed = try await fixture.queue.forget(Self.key, id: 17)

            #expect(removed >= 1)
            let left = try await content(fixture)
            #expect(!left.contains("gone"), "\(left)")
            #expect(!left.contains("integration_id"))
            #expect(left.contains("stays"))
            #expect(try await fixture.queue.forget(Self.key, id: 17) == 0)
            if place == "sorted" || place == "parked" {
                if place == "parked" { _ = try await fixture.queue.resume(.service("stripe")) }
                let users = try await fixture.claimAll().compactMap { job -> String? in
                    if case .key(let key) = job.payload.integration { key.userID } else { nil }
                }
                #expect(users.contains("stays") && users.count >= 249)
            }
        }
    }

    @Test func `cancels what is in flight`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("gone"), payload("stays"))
            let jobs = try await fixture.claimAll()
            #expect(jobs.count == 2)

            _ = try await fixture.queue.forget(Self.key, id: 17)

            let cancelled = try await fixture.queue.cancelled(among: jobs.map(\.id))
            #expect(cancelled.count == 1)
            let victim = try #require(jobs.first { $0.id == cancelled.first })
            #expect(try await fixture.queue.finishCancelled(victim.lease))
            #expect(try await !content(fixture).contains("gone"))
        }
    }
}

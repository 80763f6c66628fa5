// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `Dead letters` {
    /// Payloads of every kind that no worker runs, with the member of the letter that keeps their bytes.
    private static let malformed: [([UInt8], String)] = [
        ([], "payload"), (Array("hello".utf8), "payload"), (Array(#"{"user":"u"}"#.utf8), "payload"),
        (Array(#" {"type":"full","type":"full"} "#.utf8), "payload"), (Array(#""text""#.utf8), "payload"),
        ([0x7B, 0xFF, 0x00, 0x7D], "payload_base64"), (Array("{\u{7f}\u{0}\"\\\n".utf8), "payload"),
        (Array(#"{"a":[1,{"b":"\u00e9"}],"c":1.10}"#.utf8), "payload"),
        (Array((#"{"a":"# + String(repeating: "[", count: 500)).utf8), "payload"),
        (Array(#"{"a":"\#(String(repeating: "x", count: 70_000))"}"#.utf8), "payload"),
        ([UInt8](repeating: 0xE2, count: 100_000), "payload_base64"),
        (Array("v1 - q x 0 0 low 1 1 1 1\n".utf8), "payload"),
        (Array("v1 nonsense".utf8), "payload"), (Array("123".utf8), "payload"),
        (Array("NaN".utf8), "payload"),
    ]

    @Test func `keep the bytes of every malformed payload and a reason`() async throws {
        try await withQueue { fixture in
            for (bytes, member) in Self.malformed {
                _ = try await fixture.redis.command([
                    "LPUSH", fixture.key("queue:high"), RedisArgument(bytes),
                ])
                let reply = try await fixture.queue.claim(limit: 1)
                #expect(reply.jobs.isEmpty && reply.problems.count == 1)

                let letter = try #require(try await fixture.queue.deadLetters(limit: 1).letters.first)
                let text = String(decoding: letter.element, as: UTF8.self)
                #expect(text.contains("\"\(member)\":"), "\(text.prefix(200))")
                #expect(letter.payload == bytes.trimmedSpace || letter.payload == bytes)
                #expect(!letter.reason.isEmpty && letter.queue == .high && letter.attempts == 0)
                #expect(abs(letter.failedAt.milliseconds - Timestamp.now().milliseconds) < 60_000)
                // Any other reader understands it too.
                #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(letter.element)) }
            }
            #expect(try await fixture.queue.deadLetters().total == Self.malformed.count)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `show a payload that is an object as the object`() async throws {
        try await withQueue { fixture in
            try await fixture.push(#"{"user":"u"}"#)
            _ = try await fixture.claimAll()
            let letter = try #require(try await fixture.queue.deadLetters().letters.first)
            let text = String(decoding: letter.element, as: UTF8.self)
            #expect(
                text.hasPrefix(
                    #"{"payload":{"user":"u"},"code":"unknown_field","reason":"unknown field \"user\"; did you mean \"user_id\"?","detail":"at byte 2 of the payload""#
                ))
            #expect(text.contains(#""queue":"default","attempts":0,"failed_at":"20"#))
        }
    }

    @Test func `of an absurd size keep the start and the size`() async throws {
        try await withQueue { fixture in
            let huge = [UInt8](repeating: 0x78, count: 5 << 20)
            _ = try await fixture.redis.command(["LPUSH", fixture.key("queue:low"), RedisArgument(huge)])
            try await fixture.push(payload("u1"), to: "low")
            #expect(try await fixture.claimAll().count == 1)
            let letter = try #require(try await fixture.queue.deadLetters().letters.first)
            #expect(letter.payload.count == 65_536 && letter.code == "too_large")
            #expect(String(decoding: letter.element, as: UTF8.self).contains("\"payload_bytes\":5242880"))
        }
    }

    @Test func `take a failed job with its attempts`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"j1""#))
            let first = try await fixture.claimOne()
            #expect(try await fixture.queue.retry(first.lease, after: .zero))
            let second = try await fixture.claimOne()
            #expect(
                try await fixture.queue.deadLetter(
                    second, code: "rejected", reason: "Stripe says \"no\"", detail: "400"))
            let letter = try #require(try await fixture.queue.deadLetter(id: "j1"))
            #expect(letter.attempts == 2 && letter.code == "rejected" && letter.detail == "400")
            #expect(letter.payload == Array(second.payloadBytes))
            #expect(try await fixture.counter("dead") == 1)
            try await fixture.expectNothingInFlight()
        }
    }

    @Test func `are replayed as new jobs, once`() async throws {
        try await withQueue { fixture in
            try await fixture.push(payload("u1", more: #","id":"j1""#), to: "low")
            let job = try await fixture.claimOne()
            _ = try await fixture.queue.deadLetter(job, code: "x", reason: "x", detail: "x")
            let letter = try #require(try await fixture.queue.deadLetter(id: "j1"))

            #expect(try await fixture.queue.replay(letter))
            #expect(try await !fixture.queue.replay(letter))
            let again = try await fixture.claimOne()
            #expect(again.id == "j1" && again.attempt == 1 && again.queue == .low)
            #expect(again.payloadBytes == job.payloadBytes)
            #expect(try await fixture.queue.deadLetter(id: "j1") == nil)

            _ = try await fixture.queue.deadLetter(again, code: "x", reason: "x", detail: "x")
            let second = try #require(try await fixture.queue.deadLetter(id: "j1"))
            #expect(try await fixture.queue.replay(second, in: .high))
            #expect(try await fixture.claimOne().queue == .high)
        }
    }

    @Test func `are listed newest first and purged`() async throws {
        try await withQueue { fixture in
            for number in 0..<90 { try await fixture.push("bad \(number)") }
            _ = try await fixture.claimAll()
            _ = try await fixture.redis.command(["LPUSH", fixture.key("dead"), "not a letter"])
            let page = try await fixture.queue.deadLetters(offset: 0, limit: 5)
            #expect(page.total == 91 && page.foreign == 1)
            #expect(
                page.letters.map { String(decoding: $0.payload, as: UTF8.self) } == [
                    "bad 89", "bad 88", "bad 87", "bad 86",
                ])

            #expect(try await fixture.queue.purge(page.letters[0]))
            #expect(try await !fixture.queue.purge(page.letters[0]))
            #expect(try await fixture.queue.purgeDeadLetters() == 90)
            #expect(try await fixture.queue.deadLetters().total == 0)
        }
    }

    @Test func `survive Base64 there and back`() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 200) }
            let text = bytes.withUnsafeBufferPointer { Base64.encode($0) }
            #expect(text == Data(bytes).base64EncodedString())
            #expect(Base64.decode(text) == bytes)
        }
        #expect(Base64.decode("abc") == nil)
        #expect(Base64.decode("ab!=") == nil)
    }
}

extension [UInt8] {
    fileprivate var trimmedSpace: [UInt8] {
        var slice = self[...]
        while slice.first == 0x20 { slice.removeFirst() }
        while slice.last == 0x20 { slice.removeLast() }
        return Array(slice)
    }
}

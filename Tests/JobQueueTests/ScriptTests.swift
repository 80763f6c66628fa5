// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient
import Testing

@testable import JobQueue

@Suite struct `The queue's scripts` {
    @Test func `run on a full server, except those that add work`() {
        for script in QueueScript.allCases {
            let first = String(decoding: script.script.source.prefix { $0 != 0x0A }, as: UTF8.self)
            let adds = [.enqueue, .replay, .slot, .backfill].contains(script)
            #expect(first == (adds ? "#!lua" : "#!lua flags=allow-oom"), "\(script)")
        }
    }

    @Test func `say what they do and what they take and return`() {
        for script in QueueScript.allCases {
            let source = String(decoding: script.script.source, as: UTF8.self)
            for word in ["-- Purpose:", "-- ARGV:", "-- Reply:", "-- KEYS,"] {
                #expect(source.contains(word), "\(script) lacks \(word)")
            }
        }
    }

    @Test func `never write user JSON anew, look for keys or read whole lists`() {
        for script in QueueScript.allCases {
            let source = String(decoding: script.script.source, as: UTF8.self)
            for word in ["cjson.encode", "'KEYS'", "'LRANGE'", "'HGETALL'", "'SMEMBERS'", "'SCAN'"] {
                #expect(!source.contains(word), "\(script) has \(word)")
            }
        }
    }
}

@Suite struct `An envelope` {
    private func read(_ text: String) -> Envelope? { Envelope(Array(text.utf8)) }

    @Test func `is read with its payload untouched`() throws {
        let envelope = try #require(read("v1 tok r id-1 2 1 low 1700000000123 5 3 2\nabcde{\n\n\n}"))
        #expect(envelope.token == "tok" && envelope.id == "id-1" && envelope.queue == .low)
        #expect(envelope.attempts == 2 && envelope.recoveries == 1 && envelope.size == 5)
        #expect(envelope.enqueuedAt.milliseconds == 1_700_000_000_123)
        #expect(Array(envelope.payload) == Array("{\n\n\n}".utf8))
    }

    @Test(arguments: [
        "", "v1", "{}", "v2 t r i 0 0 low 1 0 0 0\n", "v1 t r i 0 0 low 1 0 0 0",
        "v1 t r i 0 0 middle 1 0 0 0\n",
        "v1 t r i x 0 low 1 0 0 0\n", "v1 t r i 0 0 low 1 0 9 0\nabc", "v1 t r i 0 0 low 1 0 0 0 0\n",
        "v1 t r i 0 0 low 1 0\n0 0\n", "v1 t r i -1 0 low 1 0 0 0\n",
        "v1 t r i 99999999999999999999 0 low 1 0 0 0\n",
    ])
    func `that is malformed is refused`(text: String) {
        #expect(read(text) == nil)
    }
}

@Suite struct `A new job id` {
    @Test func `is a UUIDv7 and new`() {
        let ids = (0..<1_000).map { _ in JobID.make() }
        #expect(Set(ids).count == 1_000)
        #expect(ids.allSatisfy { $0.utf8.count == 36 && $0.dropFirst(14).first == "7" })
        let claimant = LeaseToken.claimant()
        let tokens = (0..<4).map { _ in LeaseToken.make(of: claimant) }
        #expect(Set(tokens).count == 4)
        #expect(tokens.allSatisfy { $0.utf8.count == 15 && $0.hasPrefix(claimant) })
    }
}

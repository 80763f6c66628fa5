// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Sandbox

@Suite struct `A list for benchmarks` {
    /// The records' bytes of all pages.
    private static func records(_ path: String, limit: Int) throws -> [Substring] {
        var list = BenchmarkList()
        var records: [Substring] = []
        var after = ""
        while true {
            let response = list.answer(
                SandboxRequest(method: "GET", uri: "/bench/\(path)/v1/items?limit=\(limit)\(after)"))
            let text = String(buffer: response.body)
            let data = try #require(text.split(separator: "\"data\":[", maxSplits: 1).last).dropLast(2)
            records += data.replacing("},{", with: "}\n{").split(separator: "\n")
            guard text.contains("\"has_more\":true") else { return records }
            after = "&starting_after=item_\(try #require(records.last).dropFirst(12).prefix(9))"
        }
    }

    @Test(arguments: [1, 7, 1_000])
    func `has so many records of exactly so many bytes`(limit: Int) throws {
        let records = try Self.records("25/400/0", limit: limit)

        #expect(records.count == 25)
        #expect(records.allSatisfy { $0.utf8.count == 400 })
        #expect(
            records[17].hasPrefix(
                #"{"id":"item_000000017","object":"item","created":1700000000,"v":0,"pad":"x"#))
        #expect(Set(records).count == 25)
    }

    @Test func `differs from variant 0 in every nth record`() throws {
        let plain = try Self.records("50/200/0", limit: 20)
        let tenth = try Self.records("50/200/10", limit: 20)
        let every = try Self.records("50/200/1", limit: 20)

        #expect(zip(plain, tenth).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [0, 10, 20, 30, 40])
        #expect(zip(plain, every).allSatisfy { $0 != $1 })
    }

    @Test func `can be empty, and refuses what it has not`() {
        var list = BenchmarkList()
        func get(_ path: String) -> SandboxResponse {
            list.answer(SandboxRequest(method: "GET", uri: "/bench/\(path)"))
        }

        #expect(
            String(buffer: get("empty/v1/items").body)
                == #"{"object":"list","url":"/v1/items","has_more":false,"data":[]}"#)
        #expect(String(buffer: get("0/400/0/v1/items").body).hasSuffix(#""data":[]}"#))
        #expect(get("10/20/0/v1/items").status == 404)
        #expect(get("10/400/0/v1/items?starting_after=item_000000010").status == 400)
        #expect(get("10/400/0/v1/items?limit=0").status == 400)
    }
}

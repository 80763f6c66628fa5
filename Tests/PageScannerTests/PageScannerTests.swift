// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PageScanner

@Suite struct `A page scanner` {
    private static func plan() throws -> ScanPlan {
        ScanPlan(
            records: try JSONPointer("/data"), id: [try JSONPointer("/id")],
            version: ScalarRule(pointer: try JSONPointer("/meta/updated"), kind: .rfc3339),
            cursor: ScalarRule(pointer: try JSONPointer("/created"), kind: .epochSeconds),
            tombstones: [TombstoneRule(pointer: try JSONPointer("/deleted"), equals: .bool(true))],
            envelope: [try JSONPointer("/has_more"), try JSONPointer("/meta/next"), try JSONPointer("/none")])
    }

    private static func scan(_ text: String) throws -> ScannedPage {
        try PageScanner(plan: plan()).scan(Array(text.utf8))
    }

    @Test func `keeps the bytes of each record as they came`() throws {
        let records = [
            #"{"id":"a","n":1.10,"big":12345678901234567890,"text":"Zürich \u00e9 😀"}"#,
            #"{ "x" : [1, {"y":[]}] , "id" : "b/é" }"#,
        ]

        let page = try Self.scan("{\"data\":[\(records[0]) , \n \(records[1])\n ],\"has_more\":true}")

        #expect(page.records.map { String(decoding: page.body[$0.range], as: UTF8.self) } == records)
        #expect(
            page.records.map { String(decoding: page.identifiers[$0.identifierRange], as: UTF8.self) }
                == ["a", "b/é"])
        #expect(page.envelope == [.bool(true), nil, nil])
        #expect(page.lastIdentifier == Array("b/é".utf8))
    }

    @Test func `spares a record of its tombstones that has a value where the rule says so`() throws {
        let plan = ScanPlan(
            records: try JSONPointer("/data"), id: [try JSONPointer("/id")],
            tombstones: [
                TombstoneRule(
                    pointer: try JSONPointer("/state"), equals: .string("off"),
                    unless: try JSONPointer("/series")),
                TombstoneRule(pointer: try JSONPointer("/gone"), equals: .bool(true)),
            ])

        let page = try PageScanner(plan: plan).scan(
            Array(
                """
                {"data":[{"id":"a","state":"off"},{"id":"b","state":"off","series":"s"},
                {"series":{},"id":"c","state":"off"},{"id":"d","state":"off","series":null},
                {"id":"e","series":"s","state":"on"},{"id":"f","series":"s","gone":true}]}
                """.utf8))

        #expect(page.records.map(\.isTombstone) == [true, false, false, true, false, true])
    }

    @Test func `reads version, cursor and tombstone wherever they stand`() throws {
        let page = try Self.scan(
            """
            {"meta":{"next":"tok\\u00e9n"},"data":[
              {"created":1700000000,"id":1,"meta":{"x":{},"updated":"2026-01-02T03:04:05Z"}},
              {"deleted":true,"id":-2,"created":1600000000.25},
              {"id":"3","deleted":"true","created":null,"meta":{"updated":7}}
            ]}
            """)

        #expect(page.records.map(\.version) == [1_767_323_045_000_000, nil, nil])
        #expect(page.records.map(\.isTombstone) == [false, true, false])
        #expect(page.cursorRange?.first == ScannedCursor(text: "1600000000.25", order: 1_600_000_000_250_000))
        #expect(page.cursorRange?.last == ScannedCursor(text: "1700000000", order: 1_700_000_000_000_000))
        #expect(page.envelope == [nil, .string("tokén"), nil])
    }

    @Test(arguments: [
        (#"{"id":"x","t":"a\u0000b"}"#, RejectedRecord.Reason.nulCharacter),
        (#"{"id":"x","t":"\ud83d"}"#, .loneSurrogate),
        (#"{"id":"x","t":"\ude00\ud83d"}"#, .loneSurrogate),
        (#"{"id":"\ud83d"}"#, .missingID),
        (#"{"name":"x"}"#, .missingID),
        (#"{"id":null}"#, .missingID),
        (#"{"id":""}"#, .missingID),
        (#"{"id":1.5}"#, .missingID),
        (#"{"id":{"a":1}}"#, .missingID),
        ("\"text\"", .notAnObject),
        ("[1,2]", .notAnObject),
        ("17", .notAnObject),
    ])
    func `rejects one bad record and goes on`(record: String, reason: RejectedRecord.Reason) throws {
        let page = try Self.scan("{\"data\":[{\"id\":\"a\"},\(record),{\"id\":\"z\"}]}")

        #expect(page.records.count == 2)
        #expect(page.rejected.map(\.reason) == [reason])
        #expect(page.rejected.map { String(decoding: page.body[$0.range], as: UTF8.self) } == [record])
    }

    /// Objects and arrays by turns, so many within one another.
    private static func nested(_ depth: Int) -> String {
        let pair = depth / 2
        let core = String(repeating: #"{"a":["#, count: pair) + String(repeating: "]}", count: pair)
        return depth % 2 == 0 ? core : "[\(core)]"
    }

    @Test(arguments: [ScanPlan.Layout.array, .lines, .keyed(member: "id"), .single])
    func `rejects a record that is nested deeper than Postgres takes`(layout: ScanPlan.Layout) throws {
        func scan(_ depth: Int) throws -> ScannedPage {
            var plan = ScanPlan(
                records: try JSONPointer(layout == .lines ? "" : "/data"), id: [try JSONPointer("/id")])
            plan.layout = layout
            let record = "{\"id\":\"deep\",\"x\":\(Self.nested(depth - 1))}"
            let text =
                switch layout {
                case .keyed: "{\"data\":{\"deep\":\(record)}}"
                case .single: "{\"data\":\(record)}"
                case .lines: "{\"id\":\"a\"}\n\(record)\n"
                default: "{\"data\":[{\"id\":\"a\"},\(record),{\"id\":\"z\"}]}"
                }
            return try PageScanner(plan: plan).scan(Array(text.utf8))
        }

        for depth in [257, 300, 20_001] {
            let page = try scan(depth)
            #expect(page.rejected.map(\.reason) == [.tooDeep], "\(depth)")
            #expect(page.rejected.first?.externalID == Array("deep".utf8))
        }
        #expect(try scan(256).rejected.isEmpty)
    }

    @Test func `counts levels, not brackets, and no brackets in texts`() throws {
        let wide = String(repeating: "[],{},", count: 2_000)
        let text = String(repeating: #"[{\"[{\\"#, count: 400)
        let page = try Self.scan(
            ##"{"data":[{"id":"w","x":[\##(wide)0]},{"id":"t","\##(text)":"\##(text)"}]}"##)

        #expect(page.rejected.isEmpty)
        #expect(page.records.count == 2)
    }

    @Test func `rejects an id that no index can hold`() throws {
        let long = String(repeating: "é", count: 1_001)
        let page = try Self.scan("{\"data\":[{\"id\":\"\(long)\"},{\"id\":\"\(long.dropLast())\"}]}")

        #expect(page.rejected.map(\.reason) == [.idTooLong])
        // Which record it is can be read: it is none of those that are stored.
        #expect(page.rejected.map(\.externalID) == [Array(long.utf8)])
        #expect(page.records.count == 1)
    }

    @Test func `takes escapes that only look forbidden`() throws {
        let page = try Self.scan(##"{"data":[{"id":"a","t":"\\u0000 \ud83d\ude00 \\ud83d"}]}"##)

        #expect(page.records.count == 1)
    }

    @Test func `rejects a record that is too large or whose id is too long`() throws {
        let large = "{\"id\":\"l\",\"t\":\"\(String(repeating: "x", count: 1 << 20))\"}"
        let long = "{\"id\":\"\(String(repeating: "i", count: 2_001))\"}"

        let page = try Self.scan("{\"data\":[\(large),\(long),{\"id\":\"a\"}]}")

        #expect(page.rejected.map(\.reason) == [.tooLarge, .idTooLong])
        #expect(page.records.count == 1)
    }

    @Test func `rejects a record with invalid UTF-8 and keeps its bytes`() throws {
        var bytes = Array("{\"data\":[{\"id\":\"a\"},{\"id\":\"b\",\"t\":\"".utf8)
        bytes += [0xC3, 0x28, 0xED, 0xA0, 0x80]
        bytes += Array("\"},{\"id\":\"ü\"}],\"has_more\":false}".utf8)

        let page = try PageScanner(plan: Self.plan()).scan(bytes)

        #expect(page.rejected.map(\.reason) == [.invalidUTF8])
        #expect(page.rejected.first?.externalID == Array("b".utf8))
        #expect(page.rejected.first.map { Array(page.body[$0.range]).contains(0xC3) } == true)
        #expect(page.records.count == 2)
        #expect(page.envelope.first == .bool(false))
    }

    @Test(arguments: [
        ("<!doctype html><html></html>", PageScanError.Code.html),
        ("", .notJSON), ("   ", .notJSON), ("nonsense", .notJSON), ("{\"data\":[{]}", .notJSON),
        ("{\"data\":[{\"id\":\"a\"}", .notJSON), ("{\"data\":[{\"id\":\"a", .truncated),
        ("{\"items\":[]}", .recordsMissing), ("[]", .recordsMissing), ("{\"data\":{}}", .recordsNotArray),
        ("{\"data\":null}", .recordsNotArray),
    ])
    func `says what is wrong with a page`(text: String, code: PageScanError.Code) throws {
        let error = #expect(throws: PageScanError.self) { try Self.scan(text) }

        #expect(error?.code == code)
    }

    @Test func `refuses a page with too many records`() throws {
        var plan = try Self.plan()
        plan.maxRecords = 3
        let scanner = PageScanner(plan: plan)

        #expect(try scanner.scan(Array(#"{"data":[{"id":1},{"id":2},{"id":3}]}"#.utf8)).records.count == 3)
        let error = #expect(throws: PageScanError.self) {
            try scanner.scan(Array(#"{"data":[{"id":1},{"id":2},{"id":3},{"id":4}]}"#.utf8))
        }
        #expect(error?.code == .tooManyRecords)
    }

    @Test func `every cut of a page is refused, never taken for a shorter page`() throws {
        let text = Array(#"{"data":[{"id":"a","created":1},{"id":"b","created":2}],"has_more":true}"#.utf8)
        let scanner = try PageScanner(plan: Self.plan())

        for length in 0..<text.count {
            #expect(throws: PageScanError.self) { try scanner.scan(Array(text[..<length])) }
        }
    }

    @Test func `joins the parts of a composite id and scans a bare array`() throws {
        let plan = ScanPlan(
            records: try JSONPointer(""), id: [try JSONPointer("/team/id"), try JSONPointer("/id")])

        let page = try PageScanner(plan: plan).scan(Array(#"[{"id":7,"team":{"id":"t"}}]"#.utf8))

        #expect(
            page.records.map { String(decoding: page.identifiers[$0.identifierRange], as: UTF8.self) } == [
                "t/7"
            ])
    }

    @Test func `reads single values of an object`() throws {
        let json = Array(#"{"error":{"code":410,"errors":[1,{"r":"x"}],"reason":"gone"},"id":"cal"}"#.utf8)

        let values = JSONValueReader.scalars(
            at: [
                try JSONPointer("/error/code"), try JSONPointer("/error/errors"),
                try JSONPointer("/error/errors/1/r"), try JSONPointer("/error/errors/9"),
                try JSONPointer("/id"),
            ],
            in: json)

        #expect(values == [.number("410"), nil, .string("x"), nil, .string("cal")])
        #expect(JSONValueReader.scalarText(at: try JSONPointer("/id"), in: Array("<html>".utf8)) == nil)
    }

    @Test(arguments: ["data", "/a~2", "/", "/a//b"])
    func `refuses a pointer that names no member`(text: String) {
        #expect(throws: PageScanError.self) { try JSONPointer(text) }
    }
}

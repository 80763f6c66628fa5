// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PageScanner

@Suite struct `The records of a page` {
    private static func scan(
        _ text: String, _ layout: ScanPlan.Layout, records: String = "/data", mayLack: Bool = false
    ) throws -> ScannedPage {
        var plan = ScanPlan(
            records: try JSONPointer(records), id: [try JSONPointer("/id")],
            envelope: [try JSONPointer("/next")])
        plan.layout = layout
        plan.mayLackRecords = mayLack
        return try PageScanner(plan: plan).scan(Array(text.utf8))
    }

    private static func texts(_ page: ScannedPage) -> [String] {
        page.records.map { String(decoding: page.body[$0.range], as: UTF8.self) }
    }

    private static func ids(_ page: ScannedPage) -> [String] {
        page.records.map { String(decoding: page.identifiers[$0.identifierRange], as: UTF8.self) }
    }

    @Test func `may be lines`() throws {
        let page = try Self.scan("\n{\"id\":\"a\", \"n\":[1]}\r\n\n  {\"id\":2}  \n{\"x\":1}", .lines)
        #expect(Self.texts(page) == [#"{"id":"a", "n":[1]}"#, #"{"id":2}"#])
        #expect(Self.ids(page) == ["a", "2"])
        #expect(page.rejected.map(\.reason) == [.missingID])
        #expect(page.envelope == [nil])
        #expect(try Self.scan(" \n", .lines).records.isEmpty)
    }

    @Test(arguments: [
        ("{\"id\":1}\n{\"id\":", PageScanError.Code.truncated), ("{\"id\":1} {\"id\":2}", .notJSON),
        ("{\"id\":1}\n7", .notJSON), ("<html>", .html),
    ])
    func `that are lines are refused when one of them is broken`(text: String, code: PageScanError.Code) {
        #expect(#expect(throws: PageScanError.self) { try Self.scan(text, .lines) }?.code == code)
    }

    @Test func `that are lines keep a line that is not UTF-8 out`() throws {
        var plan = ScanPlan(records: try JSONPointer(""), id: [try JSONPointer("/id")])
        plan.layout = .lines
        let page = try PageScanner(plan: plan).scan(
            Array("{\"id\":\"a\"}\n{\"id\":\"b\",\"t\":\"".utf8) + [0xFF] + Array("\"}\n{\"id\":\"c\"}".utf8))
        #expect(Self.ids(page) == ["a", "c"])
        #expect(page.rejected.map(\.reason) == [.invalidUTF8])
    }

    @Test func `may be an object of them, whose names become members`() throws {
        let text = #"{"next":"t","data":{"a\"1":{"n":1.50},"b":{ },"c":{"id":"own","x":{"id":3}},"d":[1]}}"#
        let page = try Self.scan(text, .keyed(member: "id"))
        #expect(
            Self.texts(page) == [
                #"{"id":"a\"1","n":1.50}"#, #"{"id":"b" }"#, #"{"id":"own","x":{"id":3}}"#,
            ])
        #expect(Self.ids(page) == ["a\"1", "b", "own"])
        #expect(page.rejected.map(\.reason) == [.notAnObject])
        #expect(page.envelope == [.string("t")])
        #expect(try Self.ids(Self.scan(#"{"x":{"n":1}}"#, .keyed(member: "id"), records: "")) == ["x"])
        #expect(
            #expect(throws: PageScanError.self) { try Self.scan(#"{"data":[]}"#, .keyed(member: "id")) }?.code
                == .recordsNotArray)
    }

    @Test func `that are an object are refused for their number before more of them are copied`() throws {
        var plan = ScanPlan(records: try JSONPointer("/data"), id: [try JSONPointer("/id")])
        plan.layout = .keyed(member: "id")
        plan.maxRecords = 3
        let scanner = PageScanner(plan: plan)
        func scan(_ members: String) throws -> ScannedPage {
            try scanner.scan(Array("{\"data\":{\(members)}}".utf8))
        }
        #expect(try scan(#""a":{},"b":{},"c":{}"#).records.count == 3)
        for more in [#","d":{}"#, #","d":{},"e":{"n":1 2}"#] {
            let error = #expect(throws: PageScanError.self) { try scan(#""a":{},"b":{},"c":{}"# + more) }
            #expect(error?.code == .tooManyRecords, "\(more)")
        }
    }

    @Test func `may be a single one`() throws {
        let page = try Self.scan(#"{"data":{"id":7,"n":[]},"next":"x"}"#, .single)
        #expect(Self.texts(page) == [#"{"id":7,"n":[]}"#])
        #expect(page.envelope == [.string("x")])
        #expect(try Self.texts(Self.scan(#" {"id":8} "#, .single, records: "")) == [#"{"id":8}"#])
    }

    @Test func `may be missing only where the plan says so`() throws {
        for layout in [ScanPlan.Layout.array, .keyed(member: "id"), .single] {
            let page = try Self.scan(#"{"next":"x"}"#, layout, mayLack: true)
            #expect(page.records.isEmpty)
            #expect(page.envelope == [.string("x")])
            #expect(
                #expect(throws: PageScanError.self) { try Self.scan(#"{"next":"x"}"#, layout) }?.code
                    == .recordsMissing)
        }
    }
}

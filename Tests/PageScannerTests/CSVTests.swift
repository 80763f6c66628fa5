// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PageScanner

@Suite struct `A table` {
    private static func plan(delimiter: Character = ",", id: [String] = ["/id"]) throws -> ScanPlan {
        var plan = ScanPlan(
            records: try JSONPointer(""), id: try id.map { try JSONPointer($0) },
            version: ScalarRule(pointer: try JSONPointer("/v"), kind: .integer),
            tombstones: [TombstoneRule(pointer: try JSONPointer("/state"), equals: .string("gone"))])
        plan.layout = .csv(delimiter: delimiter.asciiValue ?? 0)
        return plan
    }

    private static func scan(_ text: String, delimiter: Character = ",") throws -> ScannedPage {
        try PageScanner(plan: plan(delimiter: delimiter)).scan(Array(text.utf8))
    }

    private static func texts(_ page: ScannedPage) -> [String] {
        page.records.map { String(decoding: page.body[$0.range], as: UTF8.self) }
    }

    private static func ids(_ page: ScannedPage) -> [[UInt8]] {
        page.records.map { Array(page.identifiers[$0.identifierRange]) }
    }

    @Test func `has a record for each row, whose values are texts`() throws {
        let page = try Self.scan("id,v,state\r\n7,3,live\r\n8,,gone\r\n\r\n009,12,\r\n")
        #expect(
            Self.texts(page) == [
                #"{"id":"7","v":"3","state":"live"}"#, #"{"id":"8","v":"","state":"gone"}"#,
                #"{"id":"009","v":"12","state":""}"#,
            ])
        #expect(Self.ids(page) == ["7", "8", "009"].map { Array($0.utf8) })
        #expect(page.records.map(\.version) == [3, nil, 12])
        #expect(page.records.map(\.isTombstone) == [false, true, false])
    }

    @Test func `may have marks, quotes, line ends and delimiters in its fields`() throws {
        let page = try Self.scan(
            "\u{FEFF}\"id\";text\n1;\"a;\"\"b\"\"\r\nc\\\"\n2;d\"e\n\"3\";\"\"\n4;\t\u{1}é", delimiter: ";")
        #expect(
            Self.texts(page) == [
                #"{"id":"1","text":"a;\"b\"\u000d\u000ac\\"}"#, #"{"id":"2","text":"d\"e"}"#,
                #"{"id":"3","text":""}"#, #"{"id":"4","text":"\u0009\u0001é"}"#,
            ])
        #expect(page.rejected.isEmpty)
    }

    @Test func `keeps rows of another length out, and goes on`() throws {
        let page = try Self.scan("id,v\n1,1\n2\n3,3,3\n,5\n6,\0\n7,7\n")
        #expect(Self.ids(page) == ["1", "7"].map { Array($0.utf8) })
        #expect(page.rejected.map(\.reason) == [.raggedRow, .raggedRow, .missingID, .nulCharacter])
        #expect(String(decoding: page.body[page.rejected[1].range], as: UTF8.self) == #"["3","3","3"]"#)
    }

    @Test func `keeps a row that is not UTF-8 out`() throws {
        let page = try PageScanner(plan: Self.plan()).scan(
            Array("id,v\na,1\nb,".utf8) + [0xFF] + Array("\nc,3\n".utf8))
        #expect(Self.ids(page) == ["a", "c"].map { Array($0.utf8) })
        #expect(page.rejected.map(\.reason) == [.invalidUTF8])
    }

    @Test func `compares names and ids as bytes`() throws {
        let page = try Self.scan("id,é,e\u{301}\n\u{E9},1,2\ne\u{301},1,2\n")
        #expect(page.records.count == 2)
        #expect(Set(Self.ids(page)).count == 2)
    }

    @Test(arguments: [
        ("", PageScanError.Code.notJSON), ("\n\n", .notJSON), ("\u{FEFF}", .recordsMissing),
        ("{}", .recordsMissing), (#"{"error":"no"}"#, .recordsMissing), ("a,b\n1,2\n", .recordsMissing),
        ("<html>", .html), ("id,id\n1,2\n", .malformedCSV), ("id,\n1,2\n", .malformedCSV),
        ("id,v\n\"1\"2,3\n", .malformedCSV), ("id,v\n\"1,2\n3,4\n", .truncated), ("id,v\n1,2\n3", .truncated),
        ("id,v\n1,\"2", .truncated),
    ])
    func `is refused when it makes no sense`(text: String, code: PageScanError.Code) {
        let error = #expect(throws: PageScanError.self) { try Self.scan(text) }
        #expect(error?.code == code, "\(error?.message ?? "")")
    }

    @Test func `may be empty behind its header`() throws {
        #expect(try Self.scan("id,v").records.isEmpty)
        #expect(try Self.scan("id,v\r\n").records.isEmpty)
    }

    @Test func `has bounds`() throws {
        let wide = "id" + (1...CSVTable.maxColumns).map { ",c\($0)" }.joined()
        #expect(#expect(throws: PageScanError.self) { try Self.scan(wide) }?.code == .malformedCSV)
        // A short row has as many members as the header has names, each of them long.
        let name = String(repeating: "n", count: 500_000)
        let many = "id,\(name)\n" + String(repeating: "1,\n", count: 200)
        #expect(#expect(throws: PageScanError.self) { try Self.scan(many) }?.code == .pageTooLarge)
        // A table over 128 KiB may have more as records, for there is room for it.
        let long = String(repeating: "n", count: 60_000)
        let rows = (1...100).map { "\($0),\(String(repeating: "v", count: 1_500))\n" }.joined()
        #expect(try Self.scan("id,v,\(long)\n" + rows.replacing(",", with: ",1,")).body.count > 6_000_000)
        #expect(
            #expect(throws: PageScanError.self) {
                try Self.scan("id,v,\(long)\n" + (1...100).map { "\($0),1,v\n" }.joined())
            }?.code == .pageTooLarge)
    }

    @Test(arguments: [true, false])
    func `of control characters, six bytes each, is never in memory beyond its bound`(isHeader: Bool) throws {
        let controls = [UInt8](repeating: 1, count: 6 << 20)
        let table = isHeader ? Array("id,".utf8) + controls : Array("id\n".utf8) + controls
        var output: [UInt8] = []
        let error = #expect(throws: PageScanError.self) {
            try CSVTable(table + [UInt8(ascii: "\n")], delimiter: UInt8(ascii: ","), needed: ["id"])
                .write(to: &output)
        }
        #expect(error?.code == .pageTooLarge)
        #expect(output.count <= CSVTable.maxOutputBytes)
    }

    @Test func `may have as many bytes as records as its bound says`() throws {
        // Each of 64 records has nine bytes besides the name: {"NAME":"1"} and a line end.
        let name = String(repeating: "n", count: CSVTable.maxSmallOutputBytes / 64 - 9)
        func lines(last: String) throws -> [UInt8] {
            let text = name + "\n" + String(repeating: "1\n", count: 63) + last + "\n"
            return try CSVTable(Array(text.utf8), delimiter: UInt8(ascii: ","), needed: []).lines()
        }
        #expect(try lines(last: "1").count == CSVTable.maxSmallOutputBytes)
        #expect(#expect(throws: PageScanError.self) { try lines(last: "11") }?.code == .pageTooLarge)
    }
}

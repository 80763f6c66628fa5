// SPDX-License-Identifier: Apache-2.0

/// A table of comma separated values (RFC 4180), which becomes lines of JSON: one object a row, whose values are texts.
///
/// A mark of byte order, line ends of either kind, empty lines and quotes within a field that does not begin with one are
/// accepted. A row of another length than the header becomes an array of its fields. What makes a table ambiguous is refused:
/// names that come twice, text behind a quoted field, a quote that never ends.
public struct CSVTable {
    private let bytes: [UInt8]
    private let delimiter: UInt8
    private let needed: Set<String>
    /// The most bytes of its records.
    private let limit: Int

    /// More columns are a mistake, and each row would be searched for all of them.
    public static let maxColumns = 4_096
    /// The names of the columns come again with each row: what is small as a table may be large as records. Whoever reads a
    /// table over `smallBytes` has to have room for so many.
    public static let maxOutputBytes = 32 << 20
    /// A table of up to so many bytes is small.
    public static let smallBytes = 128 << 10
    /// A small table has at most so many bytes as records.
    public static let maxSmallOutputBytes = 4 << 20

    private static let quote = UInt8(ascii: "\"")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// The header has to name `needed`: the body of another kind of response would be a table without rows.
    public init(_ bytes: [UInt8], delimiter: UInt8, needed: Set<String>) {
        self.bytes = bytes
        self.delimiter = delimiter
        self.needed = needed
        limit = bytes.count > Self.smallBytes ? Self.maxOutputBytes : Self.maxSmallOutputBytes
    }

    /// A row as it is read: the bytes of its fields, one after the other, and where each of them ends.
    private struct Row {
        var text: [UInt8] = []
        var ends: [Int] = []
        /// Whether a line end followed it.
        var isClosed = false

        var isBlank: Bool { ends.count == 1 && text.isEmpty }

        func field(_ index: Int) -> ArraySlice<UInt8> {
            text[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
        }
    }

    /// The rows as lines of JSON.
    public func lines() throws(PageScanError) -> [UInt8] {
        var output: [UInt8] = []
        try write(to: &output)
        return output
    }

    /// Writes the lines. What has not room among them is not written first.
    func write(to output: inout [UInt8]) throws(PageScanError) {
        var at = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var row = Row()
        let names = try header(&row, &at)
        output.reserveCapacity(min(bytes.count * 3, limit))
        while at < bytes.count {
            try read(&row, &at)
            if row.isBlank { continue }
            // Of the last row, without its end, nobody knows how it went on.
            if row.ends.count != names.count, !row.isClosed {
                throw PageScanError(.truncated, "the table ends in the middle of a row")
            }
            try append(row, names, to: &output)
            guard output.count <= limit else { throw tooLarge }
        }
    }

    private var tooLarge: PageScanError {
        PageScanError(.pageTooLarge, "the table has more than \(limit) bytes as records")
    }

    /// The names of the columns, each as the begin of a JSON member.
    private func header(_ row: inout Row, _ at: inout Int) throws(PageScanError) -> [[UInt8]] {
        repeat {
            guard at < bytes.count else {
                throw PageScanError(.recordsMissing, "the table has no header row")
            }
            try read(&row, &at)
        } while row.isBlank
        var known: Set<[UInt8]> = []
        var texts: Set<String> = []
        var names: [[UInt8]] = []
        var room = limit
        for index in row.ends.indices {
            let name = Array(row.field(index))
            guard !name.isEmpty, let text = String(validating: name, as: UTF8.self) else {
                throw PageScanError(.malformedCSV, "column \(index + 1) of the table has no name")
            }
            // Compared as bytes: two names that only look alike are two.
            guard known.insert(name).inserted else {
                throw PageScanError(
                    .malformedCSV, "column \(index + 1) of the table has the name of another one")
            }
            texts.insert(text)
            var member: [UInt8] = []
            guard Self.hasRoom(for: name[...], in: room) else { throw tooLarge }
            Self.append(name[...], to: &member)
            member.append(UInt8(ascii: ":"))
            room -= member.count
            names.append(member)
        }
        guard needed.isSubset(of: texts) else {
            throw PageScanError(
                .recordsMissing,
                "the table has no column \(needed.subtracting(texts).sorted().joined(separator: ", "))")
        }
        return names
    }

    /// Reads the row that begins at `at`, and moves behind its end.
    private func read(_ row: inout Row, _ at: inout Int) throws(PageScanError) {
        row.text.removeAll(keepingCapacity: true)
        row.ends.removeAll(keepingCapacity: true)
        row.isClosed = false
        while true {
            if at < bytes.count, bytes[at] == Self.quote {
                try readQuoted(&row, &at)
            } else {
                readPlain(&row, &at)
            }
            row.ends.append(row.text.count)
            guard row.ends.count <= Self.maxColumns else {
                throw PageScanError(.malformedCSV, "the table has more than \(Self.maxColumns) columns")
            }
            guard at < bytes.count, bytes[at] == delimiter else { break }
            at += 1
        }
        if let length = lineEnd(at) {
            at += length
            row.isClosed = true
        }
    }

    /// A field without quotes around it: up to the delimiter, the line's end or the table's.
    private func readPlain(_ row: inout Row, _ at: inout Int) {
        let start = at
        while at < bytes.count, bytes[at] != delimiter, lineEnd(at) == nil { at += 1 }
        row.text.append(contentsOf: bytes[start..<at])
    }

    private func readQuoted(_ row: inout Row, _ at: inout Int) throws(PageScanError) {
        at += 1
        while true {
            let start = at
            while at < bytes.count, bytes[at] != Self.quote { at += 1 }
            row.text.append(contentsOf: bytes[start..<at])
            guard at < bytes.count else {
                throw PageScanError(.truncated, "the table ends within quotes")
            }
            at += 1
            guard at < bytes.count, bytes[at] == Self.quote else { break }
            row.text.append(Self.quote)
            at += 1
        }
        guard at == bytes.count || bytes[at] == delimiter || lineEnd(at) != nil else {
            throw PageScanError(.malformedCSV, "the table has text behind the end of a quoted field")
        }
    }

    /// The length of the line end at a place; nil where there is none.
    private func lineEnd(_ at: Int) -> Int? {
        guard at < bytes.count else { return nil }
        if bytes[at] == Self.lineFeed { return 1 }
        guard bytes[at] == Self.carriageReturn, at + 1 < bytes.count, bytes[at + 1] == Self.lineFeed else {
            return nil
        }
        return 2
    }

    private func append(
        _ row: Row, _ names: [[UInt8]], to output: inout [UInt8]
    ) throws(PageScanError) {
        let isWhole = row.ends.count == names.count
        output.append(UInt8(ascii: isWhole ? "{" : "["))
        for index in row.ends.indices {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            let (name, field) = (isWhole ? names[index] : [], row.field(index))
            guard Self.hasRoom(for: field, in: limit - output.count - name.count) else { throw tooLarge }
            output.append(contentsOf: name)
            Self.append(field, to: &output)
        }
        output.append(UInt8(ascii: isWhole ? "}" : "]"))
        output.append(Self.lineFeed)
    }

    /// Whether a text has room as a JSON string, which may have six times as many bytes.
    private static func hasRoom(for text: ArraySlice<UInt8>, in room: Int) -> Bool {
        if 6 * text.count + 2 <= room { return true }
        guard text.count + 2 <= room else { return false }
        var size = 2
        for byte in text {
            switch byte {
            case quote, UInt8(ascii: "\\"): size += 2
            case 0..<0x20: size += 6
            default: size += 1
            }
        }
        return size <= room
    }

    /// A JSON string. Bytes that are no UTF-8 stay as they are: the scanner keeps their record out.
    private static func append(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        output.append(quote)
        for byte in text {
            switch byte {
            case quote, UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0..<0x20:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hex(byte >> 4))
                output.append(hex(byte & 15))
            default: output.append(byte)
            }
        }
        output.append(quote)
    }

    private static func hex(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The header fields of a response, in the order in which they came. Names are compared without regard to
/// case.
///
/// The fields stay in one buffer as they came, because most of them are never looked at.
public struct HTTPHeaders: Sendable {
    /// More fields than any provider sends; with more the response is refused.
    public static let maxCount = 200
    /// The sum of the lengths of all lines.
    public static let maxByteCount = 64 * 1024

    private struct Field: Sendable {
        var name: Range<Int>
        var value: Range<Int>
    }

    private var bytes: [UInt8] = []
    private var fields: [Field] = []

    /// No headers.
    public init() {}

    /// Headers with these fields, for tests and stand-ins.
    public init(_ fields: [(name: String, value: String)]) {
        for (name, value) in fields { append(name: name.utf8, value: value.utf8) }
    }

    /// How many fields there are; a name that came twice counts twice.
    public var count: Int { fields.count }

    /// The value of the first field with this name.
    public func first(_ name: String) -> String? {
        fields.first { has($0, name) }.map { text($0.value) }
    }

    /// The values of all fields with this name. A value may itself be a list with commas, as in `Link`.
    public func all(_ name: String) -> [String] {
        fields.filter { has($0, name) }.map { text($0.value) }
    }

    /// The fields in order, with names as the peer wrote them.
    public var pairs: [(name: String, value: String)] {
        fields.map { (text($0.name), text($0.value)) }
    }

    /// Adds a line without its line break. A line that starts with white space continues the value before it.
    /// A line without a colon is ignored.
    mutating func append(line: UnsafeRawBufferPointer) {
        guard let first = line.first else { return }
        if first.isBlank {
            continueValue(with: line)
        } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            append(name: trimmed(line[..<colon]), value: trimmed(line[(colon + 1)...]))
        }
    }

    private mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
        let start = bytes.count
        bytes.append(contentsOf: name)
        let middle = bytes.count
        bytes.append(contentsOf: value)
        fields.append(Field(name: start..<middle, value: middle..<bytes.count))
    }

    private mutating func continueValue(with line: UnsafeRawBufferPointer) {
        guard let last = fields.indices.last else { return }
        bytes.append(UInt8(ascii: " "))
        bytes.append(contentsOf: trimmed(line[...]))
        fields[last].value = fields[last].value.lowerBound..<bytes.count
    }

    private func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        var bytes = bytes
        while bytes.first?.isBlank == true { bytes.removeFirst() }
        while bytes.last?.isBlank == true { bytes.removeLast() }
        return bytes
    }

    private func has(_ field: Field, _ name: String) -> Bool {
        guard field.name.count == name.utf8.count else { return false }
        return zip(bytes[field.name], name.utf8).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
    }

    /// HTTP leaves the encoding open. UTF-8 is what is sent today, Latin-1 what the old texts say.
    private func text(_ range: Range<Int>) -> String {
        let bytes = bytes[range]
        return String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }
}

extension UInt8 {
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    var asciiLowercased: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}

extension HTTPHeaders: CustomStringConvertible, CustomReflectable {
    /// The number of fields only: values may be secret.
    public var description: String { "\(count) header fields" }
    /// Nothing, so that `dump` shows no credential.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

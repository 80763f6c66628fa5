// SPDX-License-Identifier: Apache-2.0

/// A JSON value with the place of its text. Numbers keep their text, strings their bytes.
package struct JSONNode {
    /// What it is.
    package enum Value {
        case null
        case bool(Bool)
        case number
        case string(String)
        case array([JSONNode])
        case object([JSONMember])
    }

    /// What it is.
    package let value: Value
    /// Where its text is.
    package let range: Range<Int>

    /// The kind as a person names it.
    var kind: String {
        switch value {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// One key of an object and its value.
package struct JSONMember {
    /// The key, without escapes.
    package let key: String
    /// Where it stands.
    package let offset: Int
    /// The value.
    package let node: JSONNode
}

/// Where and why a text is not strict JSON.
package struct JSONProblem: Error, Equatable {
    /// What is wrong, for programs.
    package enum Code: Equatable {
        case notUTF8, syntax, duplicateKey, tooDeep
    }

    /// What is wrong, for programs.
    package let code: Code
    /// What is wrong, for people.
    package let reason: String
    /// Where.
    package let offset: Int
}

/// Reads JSON as RFC 8259 writes it and nothing else: no comments, no trailing commas, no byte order mark, no
/// duplicate keys, no lone surrogates. Two readers of the same bytes cannot disagree about them.
package struct StrictJSON {
    /// Deep enough for any payload, shallow enough for any stack.
    package static let maxDepth = 32

    private let bytes: UnsafeBufferPointer<UInt8>
    private let maxDepth: Int
    private var index = 0
    private var depth = 0

    /// What the text is, in problems.
    private let subject: String

    /// Reads exactly one value, with optional white space around it. `subject` is what problems call the text.
    package static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, maxDepth: Int = Self.maxDepth, subject: String = "the payload"
    ) throws(JSONProblem) -> JSONNode {
        if let offset = UTF8Check.firstInvalidByte(bytes) {
            throw JSONProblem(code: .notUTF8, reason: "\(subject) is not valid UTF-8", offset: offset)
        }
        var parser = StrictJSON(bytes: bytes, maxDepth: maxDepth, subject: subject)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw parser.syntax("a byte order mark stands before it")
        }
        parser.skipSpace()
        let node = try parser.value()
        parser.skipSpace()
        guard parser.index == bytes.count else {
            throw parser.syntax("something follows the end of the value")
        }
        return node
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, maxDepth: Int, subject: String) {
        self.subject = subject
        self.bytes = bytes
        self.maxDepth = maxDepth
    }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func value() throws(JSONProblem) -> JSONNode {
        let start = index
        let value: JSONNode.Value
        switch current {
        case UInt8(ascii: "{"): value = .object(try object())
        case UInt8(ascii: "["): value = .array(try array())
        case UInt8(ascii: "\""): value = .string(try string())
        case UInt8(ascii: "t"):
            try word("true")
            value = .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            value = .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            value = .null
        case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?:
            try number()
            value = .number
        case nil: throw syntax("it ends where a value is expected")
        default: throw syntax("a value is expected")
        }
        return JSONNode(value: value, range: start..<index)
    }

    private mutating func object() throws(JSONProblem) -> [JSONMember] {
        try enter()
        var members: [JSONMember] = []
        var names = KeySet()
        skipSpace()
        if current == UInt8(ascii: "}") {
            leave()
            return members
        }
        while true {
            skipSpace()
            let offset = index
            guard current == UInt8(ascii: "\"") else { throw syntax("a key in double quotes is expected") }
            let key = try string()
            guard names.insert(key, after: members) else {
                throw JSONProblem(
                    code: .duplicateKey, reason: "the key \"\(key.excerpt)\" occurs twice; keep one",
                    offset: offset)
            }
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw syntax("a : is expected after the key") }
            index += 1
            skipSpace()
            members.append(JSONMember(key: key, offset: offset, node: try value()))
            skipSpace()
            if current == UInt8(ascii: ",") {
                index += 1
            } else if current == UInt8(ascii: "}") {
                leave()
                return members
            } else {
                throw syntax("a , or a } is expected")
            }
        }
    }

    private mutating func array() throws(JSONProblem) -> [JSONNode] {
        try enter()
        var nodes: [JSONNode] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            leave()
            return nodes
        }
        while true {
            skipSpace()
            nodes.append(try value())
            skipSpace()
            if current == UInt8(ascii: ",") {
                index += 1
            } else if current == UInt8(ascii: "]") {
                leave()
                return nodes
            } else {
                throw syntax("a , or a ] is expected")
            }
        }
    }

    private mutating func enter() throws(JSONProblem) {
        depth += 1
        guard depth <= maxDepth else {
            throw JSONProblem(
                code: .tooDeep, reason: "it is nested deeper than \(maxDepth) levels", offset: index)
        }
        index += 1
    }

    private mutating func leave() {
        depth -= 1
        index += 1
    }

    private mutating func word(_ text: StaticString) throws(JSONProblem) {
        let length = text.utf8CodeUnitCount
        guard index + length <= bytes.count,
            bytes[index..<index + length].elementsEqual(
                UnsafeBufferPointer(start: text.utf8Start, count: length))
        else { throw syntax("a value is expected") }
        index += length
    }

    private mutating func number() throws(JSONProblem) {
        if current == UInt8(ascii: "-") { index += 1 }
        if current == UInt8(ascii: "0") {
            index += 1
        } else if digits() == 0 {
            throw syntax("a digit is expected")
        }
        if current == UInt8(ascii: ".") {
            index += 1
            guard digits() > 0 else { throw syntax("a digit is expected after the point") }
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            index += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
            guard digits() > 0 else { throw syntax("a digit is expected in the exponent") }
        }
        if let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            throw syntax("a number must not start with 0")
        }
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func string() throws(JSONProblem) -> String {
        index += 1
        let start = index
        while let byte = current {
            if byte == UInt8(ascii: "\"") {
                let text = String(
                    decoding: UnsafeBufferPointer(rebasing: bytes[start..<index]), as: UTF8.self)
                index += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            guard byte >= 0x20 else { throw syntax("a control character in a string must be escaped") }
            index += 1
        }
        throw syntax("it ends inside a string")
    }

    /// The slow path: a string with escapes, from its first character on.
    private mutating func escapedString(from start: Int) throws(JSONProblem) -> String {
        var text = Array(bytes[start..<index])
        while let byte = current {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(contentsOf: try escape())
            case 0..<0x20:
                index -= 1
                throw syntax("a control character in a string must be escaped")
            default: text.append(byte)
            }
        }
        throw syntax("it ends inside a string")
    }

    private mutating func escape() throws(JSONProblem) -> [UInt8] {
        guard let byte = current else { throw syntax("it ends inside a string") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(Character(try unicodeScalar())).utf8)
        default:
            index -= 1
            throw syntax("\\ must be followed by one of \"\\/bfnrtu")
        }
    }

    private mutating func unicodeScalar() throws(JSONProblem) -> Unicode.Scalar {
        let first = UInt32(try hexDigits())
        var code = first
        if (0xD800..<0xDC00).contains(first), current == UInt8(ascii: "\\"), index + 1 < bytes.count,
            bytes[index + 1] == UInt8(ascii: "u")
        {
            index += 2
            let second = UInt32(try hexDigits())
            if (0xDC00..<0xE000).contains(second) {
                code = 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
            }
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw syntax("half of a surrogate pair is not a character")
        }
        return scalar
    }

    private mutating func hexDigits() throws(JSONProblem) -> UInt16 {
        guard index + 4 <= bytes.count else { throw syntax("\\u needs four hex digits") }
        var value: UInt16 = 0
        for byte in bytes[index..<index + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw syntax("\\u needs four hex digits")
            }
            value = value << 4 | UInt16(digit)
        }
        index += 4
        return value
    }

    private func syntax(_ reason: String) -> JSONProblem {
        JSONProblem(code: .syntax, reason: "\(subject) is not valid JSON: \(reason)", offset: index)
    }
}

/// The keys of one object, compared as bytes; a hash table once there are many.
private struct KeySet {
    private var many: Set<[UInt8]>?

    mutating func insert(_ key: String, after members: [JSONMember]) -> Bool {
        guard members.count >= 16 else {
            return !members.contains { $0.key.utf8.elementsEqual(key.utf8) }
        }
        if many == nil { many = Set(members.map { Array($0.key.utf8) }) }
        return many?.insert(Array(key.utf8)).inserted ?? true
    }
}

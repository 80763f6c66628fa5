// SPDX-License-Identifier: Apache-2.0

/// Reads a JSON object whose values are strings, numbers, booleans or null; a null value is as if it were not
/// there. Nested values are refused, or taken as their text.
struct FlatJSON {
    /// Deeper values are refused.
    private static let depthLimit = 64

    private let bytes: [UInt8]
    private let takesNested: Bool
    private var index = 0

    /// Values as text: a number as it is written, `true` and `false` as words.
    static func parse(
        _ bytes: [UInt8], takingNested takesNested: Bool = false
    ) throws(ControlRefusal) -> [String: String] {
        var reader = FlatJSON(bytes, takesNested)
        return try reader.object()
    }

    /// A member of a JSON object whose nested values do not matter.
    static func member(_ name: String, of json: String) -> String? {
        do throws(ControlRefusal) {
            return try parse(Array(json.utf8), takingNested: true)[name]
        } catch {
            return nil
        }
    }

    /// Whether the text is one JSON array.
    static func isArray(_ text: String) -> Bool {
        var reader = FlatJSON(Array(text.utf8), true)
        reader.skipSpace()
        guard reader.peek == UInt8(ascii: "[") else { return false }
        do throws(ControlRefusal) {
            try reader.skipValue(depth: 0)
            try reader.expectEnd()
            return true
        } catch {
            return false
        }
    }

    private init(_ bytes: [UInt8], _ takesNested: Bool) {
        self.bytes = bytes
        self.takesNested = takesNested
    }

    private var refusal: ControlRefusal {
        ControlRefusal("the body is no flat JSON object: unexpected text at byte \(index)")
    }

    private mutating func object() throws(ControlRefusal) -> [String: String] {
        var values: [String: String] = [:]
        try expect("{")
        if take("}") {
            try expectEnd()
            return values
        }
        repeat {
            let name = try string()
            try expect(":")
            if let value = try value(), values.updateValue(value, forKey: name) != nil {
                throw ControlRefusal("the body has '\(name)' twice")
            }
        } while take(",")
        try expect("}")
        try expectEnd()
        return values
    }

    private mutating func value() throws(ControlRefusal) -> String? {
        skipSpace()
        if peek == UInt8(ascii: "\"") { return try string() }
        let start = index
        if takesNested, peek == UInt8(ascii: "{") || peek == UInt8(ascii: "[") {
            try skipValue(depth: 0)
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }
        while let byte = peek, Self.isWordByte(byte) { index += 1 }
        let word = String(decoding: bytes[start..<index], as: UTF8.self)
        if word == "null" { return nil }
        guard word == "true" || word == "false" || Double(word) != nil else {
            index = start
            throw refusal
        }
        return word
    }

    private mutating func skipValue(depth: Int) throws(ControlRefusal) {
        guard depth < Self.depthLimit else { throw refusal }
        skipSpace()
        if take("{") {
            if take("}") { return }
            repeat {
                skipSpace()
                _ = try string()
                try expect(":")
                try skipValue(depth: depth + 1)
            } while take(",")
            try expect("}")
        } else if take("[") {
            if take("]") { return }
            repeat { try skipValue(depth: depth + 1) } while take(",")
            try expect("]")
        } else {
            _ = try value()
        }
    }

    private mutating func string() throws(ControlRefusal) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let value = String(validating: text, as: UTF8.self) else { throw refusal }
                return value
            case UInt8(ascii: "\\"): text += try escape()
            case 0..<0x20: throw refusal
            default: text.append(byte)
            }
        }
        throw refusal
    }

    private mutating func escape() throws(ControlRefusal) -> [UInt8] {
        guard let byte = peek else { throw refusal }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "u"):
            var unit = try hexadecimal()
            if (0xD800..<0xDC00).contains(unit) {
                guard peek == UInt8(ascii: "\\") else { throw refusal }
                index += 1
                guard peek == UInt8(ascii: "u") else { throw refusal }
                index += 1
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw refusal }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw refusal }
            return Array(String(Character(scalar)).utf8)
        default: throw refusal
        }
    }

    private mutating func hexadecimal() throws(ControlRefusal) -> UInt32 {
        guard index + 4 <= bytes.count,
            bytes[index..<index + 4].allSatisfy(Self.isHexadecimal),
            let value = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        else { throw refusal }
        index += 4
        return value
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard peek == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(ControlRefusal) {
        guard take(character) else { throw refusal }
    }

    private mutating func expectEnd() throws(ControlRefusal) {
        skipSpace()
        guard peek == nil else { throw refusal }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}

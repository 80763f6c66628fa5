// SPDX-License-Identifier: Apache-2.0

/// Writes the few JSON texts that the queue makes itself. User JSON is never written anew, only copied.
enum JSONText {
    /// A string literal with its quotes.
    static func string(_ text: String) -> [UInt8] {
        string(text.utf8)
    }

    /// A string literal of bytes that are valid UTF-8.
    static func string(_ utf8: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "\"")]
        result.reserveCapacity(utf8.count + 2)
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
            case 0x0A: result += Array(#"\n"#.utf8)
            case 0x0D: result += Array(#"\r"#.utf8)
            case 0x09: result += Array(#"\t"#.utf8)
            case 0..<0x20, 0x7F:
                let digits = String(byte, radix: 16)
                result += Array((#"\u00"# + (digits.utf8.count == 1 ? "0" : "") + digits).utf8)
            default: result.append(byte)
            }
        }
        result.append(UInt8(ascii: "\""))
        return result
    }
}

extension String {
    /// The start of a text that may be long, for a message about it.
    var excerpt: String {
        unicodeScalars.count <= 40 ? self : String(String.UnicodeScalarView(unicodeScalars.prefix(40))) + "…"
    }
}

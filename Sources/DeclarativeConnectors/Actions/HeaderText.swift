// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// Text of a mail header.
enum HeaderText {
    /// A line with an encoded word has at most 76 characters (RFC 2047, section 2): 39 bytes as Base64 between its marks have
    /// 64, which leaves room for the header's name.
    private static let bytesPerWord = 39
    /// Lines should have at most 78 characters (RFC 5322, section 2.1.1).
    private static let lineLength = 76

    /// Whether a text has something that ends a line or hides in it: no header may have it, whatever encodes it.
    static func hasControls(_ text: some StringProtocol) -> Bool {
        text.unicodeScalars.contains { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: true
            default: false
            }
        }
    }

    /// Unstructured text (a subject) for a header of that name: as it is where every reader shows it as it is, else in
    /// encoded words (RFC 2047), several on lines of their own.
    static func unstructured(_ text: String, name: String) -> String {
        let isPlain =
            text.utf8.allSatisfy { (0x20..<0x7F).contains($0) } && !text.contains("=?")
            && !text.hasPrefix(" ") && !text.hasSuffix(" ")
            && text.utf8.count <= lineLength - name.utf8.count - 2
        return isPlain ? text : encodedWords(text)
    }

    /// A name before an address (RFC 5322, section 3.4): an atom, a quoted string or encoded words.
    static func phrase(_ text: String) -> String {
        guard text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }), !text.contains("=?"),
            text.utf8.count <= 60
        else { return encodedWords(text) }
        let isAtoms = text.utf8.allSatisfy { isAtom($0) || $0 == UInt8(ascii: " ") }
        if isAtoms, !text.hasPrefix(" "), !text.hasSuffix(" ") { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// The characters of an atom (RFC 5322, section 3.2.3).
    static func isAtom(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
        }
    }

    /// Cut between characters, as each word is decoded for itself.
    static func encodedWords(_ text: String) -> String {
        var words: [[UInt8]] = []
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if let last = words.last, last.count + bytes.count <= bytesPerWord {
                words[words.count - 1] += bytes
            } else {
                words.append(bytes)
            }
        }
        return words.map { "=?UTF-8?B?\(Base64.standard.encode($0))?=" }.joined(separator: "\r\n ")
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The configuration of an integration as connectors get it.
public enum ConfigurationText {
    /// The members of a JSON object as texts, as `jsonb_each_text` of Postgres gives them for an object that Postgres wrote: strings
    /// decoded, everything else as it is written, without those that are null. None when the text is no object.
    public static func members(of object: [UInt8]) -> [String: String] {
        var members: [String: String] = [:]
        for (name, value) in written(object) {
            guard let name = scalar(name)?.text else { continue }
            if let scalar = scalar(value) {
                members[name] = scalar.text
            } else if value.first == UInt8(ascii: "{") || value.first == UInt8(ascii: "[") {
                members[name] = String(decoding: value, as: UTF8.self)
            }
        }
        return members
    }

    /// The names and values of an object's own members, as they are written.
    private static func written(_ object: [UInt8]) -> [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] {
        var found: [(ArraySlice<UInt8>, ArraySlice<UInt8>)] = []
        var depth = 0
        var isText = false
        var isEscaped = false
        var start = 0
        var name: ArraySlice<UInt8> = []
        for (index, byte) in object.enumerated() {
            if isText {
                if byte == UInt8(ascii: "\""), !isEscaped { isText = false }
                isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
                continue
            }
            let isEnd = byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: ":") where depth == 1:
                name = trimmed(object[start..<index])
                start = index + 1
            case UInt8(ascii: ",") where depth == 1, UInt8(ascii: "}") where depth == 1:
                found.append((name, trimmed(object[start..<index])))
                start = index + 1
            case UInt8(ascii: "{") where depth == 0: start = index + 1
            default: break
            }
            if isEnd { depth -= 1 }
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
        }
        return found
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }
        guard let first = text.firstIndex(where: { !isSpace($0) }),
            let last = text.lastIndex(where: { !isSpace($0) })
        else { return [] }
        return text[first...last]
    }

    /// A scalar as it is written; nil for anything else.
    private static func scalar(_ text: ArraySlice<UInt8>) -> JSONScalar? {
        let member = JSONPointer(member: "v")
        return JSONValueReader.scalars(at: [member], in: Array(#"{"v":"#.utf8) + text + [UInt8(ascii: "}")])[
            0]
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The `Link` header (RFC 8288).
enum LinkHeader {
    /// The target of the first link with this relation; the header may come in several lines.
    static func target(relation: String, in values: [String]) -> String? {
        for value in values {
            var rest = value[...]
            while let open = rest.firstIndex(of: "<"), let close = rest[open...].firstIndex(of: ">") {
                let target = rest[rest.index(after: open)..<close]
                rest = rest[rest.index(after: close)...]
                // Parameters end where the next link begins; a comma inside quotes does not count.
                let end = endOfParameters(rest)
                if relations(rest[..<end]).contains(relation) { return String(target) }
                rest = rest[end...]
            }
        }
        return nil
    }

    private static func endOfParameters(_ text: Substring) -> Substring.Index {
        var isQuoted = false
        for index in text.indices {
            switch text[index] {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: return text.index(after: index)
            default: break
            }
        }
        return text.endIndex
    }

    private static func relations(_ parameters: Substring) -> [String] {
        var isQuoted = false
        let parts = parameters.split { character in
            if character == "\"" { isQuoted.toggle() }
            return character == ";" && !isQuoted
        }
        for parameter in parts {
            let halves = parameter.split(separator: "=", maxSplits: 1)
            guard halves.count == 2, trimmed(halves[0]).lowercased() == "rel" else { continue }
            let value = trimmed(halves[1]).filter { $0 != "\"" }
            return value.split(separator: " ").map { $0.lowercased() }
        }
        return []
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "," }.reversed().drop { $0 == " " || $0 == "," }.reversed())
    }
}

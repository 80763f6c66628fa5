// SPDX-License-Identifier: Apache-2.0

public import Model

/// One key of `LOCKSTEP_KEYS`, still in base64: the vault decodes it.
public struct KeyEntry: Sendable, Hashable {
    /// The form that errors name.
    public static let form =
        "id:key entries separated by commas, the current one first; a key is made by "
        + "'openssl rand -base64 32', an id is 1 to 32 of A-Z a-z 0-9 . _ -"

    /// Stored in clear next to what the key wraps.
    public let id: String
    /// 32 bytes in base64, with padding: 44 characters.
    public let material: SecretString

    /// Reads `id:base64` entries separated by commas, blanks or line ends; `#` starts a comment line.
    ///
    /// Returns the problems of all entries as well; an entry is named by its position and its id, and never
    /// by its key.
    public static func parse(_ text: SecretString) -> (entries: [KeyEntry], problems: [String]) {
        var entries: [KeyEntry] = []
        var problems: [String] = []
        let lines = text.exposed.unicodeScalars.split { $0 == "\n" || $0 == "\r" }
            .filter { $0.first { $0 != " " && $0 != "\t" } != "#" }
        let words = lines.flatMap { $0.split { $0 == "," || $0 == " " || $0 == "\t" } }
        for (index, word) in words.enumerated() {
            let place = "key \(index + 1)"
            guard let colon = word.firstIndex(of: ":") else {
                problems.append("\(place) has no colon between id and key")
                continue
            }
            let id = String(word[..<colon])
            let material = String(word[word.index(after: colon)...])
            guard isID(id) else {
                // Quoting it could quote a key that was written in front.
                problems.append("\(place) has an id of \(id.utf8.count) bytes that is not one")
                continue
            }
            if let problem = problem(of: material) {
                problems.append("\(place) ('\(id)') \(problem)")
            } else if entries.contains(where: { $0.id == id }) {
                problems.append("\(place) repeats the id '\(id)'")
            } else {
                entries.append(KeyEntry(id: id, material: SecretString(material)))
            }
        }
        if words.isEmpty { problems.append("there is no key") }
        return (entries, problems)
    }

    /// 1 to 32 letters, digits, dots, underscores and hyphens.
    private static func isID(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { isLetterOrDigit($0) || "._-".utf8.contains($0) }
    }

    /// What keeps a text from being 32 bytes in base64. The last of the 43 letters carries four bits; two
    /// spellings of one key would be confusing, so that the rest must be zero.
    private static func problem(of material: String) -> String? {
        let bytes = Array(material.utf8)
        let letters = bytes.prefix { isLetterOrDigit($0) || "+/".utf8.contains($0) }
        guard bytes[letters.count...].allSatisfy({ $0 == UInt8(ascii: "=") }), !bytes.isEmpty else {
            return "is not base64"
        }
        guard letters.count == 43 else { return "has \(letters.count * 6 / 8) bytes instead of 32" }
        guard bytes.count == 44 else { return "does not end with one '='" }
        return "AEIMQUYcgkosw048".utf8.contains(bytes[42]) ? nil : "is not base64"
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

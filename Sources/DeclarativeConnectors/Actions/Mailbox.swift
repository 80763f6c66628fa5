// SPDX-License-Identifier: Apache-2.0

/// An address with the name before it: `Ada <ada@example.com>` (RFC 5322, section 3.4).
struct Mailbox: Equatable {
    let name: String?
    let address: String

    /// Why a text is no mailbox.
    struct Problem: Error, Equatable {
        let message: String
    }

    /// The longest address (RFC 5321, section 4.5.3.1.3), and the longest part before its `@`.
    private static let maximum = 254
    private static let localMaximum = 64

    /// One mailbox. Nothing in it may end a line.
    init(_ text: String) throws(Problem) {
        guard !HeaderText.hasControls(text) else {
            throw Problem(message: "has a line break or another control character, which no address has")
        }
        let trimmed = Self.trimmed(text[...])
        var name: Substring = ""
        var address = trimmed
        if trimmed.hasSuffix(">") {
            guard let open = trimmed.lastIndex(of: "<") else { throw Self.malformed(text) }
            name = Self.trimmed(trimmed[..<open])
            address = trimmed[trimmed.index(after: open)...].dropLast()
        }
        guard Self.isAddress(address) else { throw Self.malformed(text) }
        self.address = String(address)
        self.name = name.isEmpty ? nil : try Self.unquoted(name, in: text)
    }

    /// The mailboxes of a list with commas between them, in which quotes protect commas.
    static func list(_ text: String) throws(Problem) -> [Mailbox] {
        var parts: [String] = [""]
        var isQuoted = false
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if scalar == ",", !isQuoted {
                parts.append("")
                continue
            }
            if scalar == "\"", !isEscaped { isQuoted.toggle() }
            isEscaped = isQuoted && scalar == "\\" && !isEscaped
            parts[parts.count - 1].unicodeScalars.append(scalar)
        }
        var mailboxes: [Mailbox] = []
        for part in parts { mailboxes.append(try Mailbox(part)) }
        return mailboxes
    }

    /// As a header has it: the address on a line of its own behind a long name.
    var text: String {
        guard let name else { return address }
        let phrase = HeaderText.phrase(name)
        let isShort = phrase.utf8.count + address.utf8.count <= 60
        return phrase + (isShort ? " " : "\r\n ") + "<\(address)>"
    }

    private static func malformed(_ text: String) -> Problem {
        let shown = String(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? " " : Character($0) })
        return Problem(
            message:
                "'\(shown)' is no address; allowed: NAME@HOST or \"Name <NAME@HOST>\", with the host in ASCII"
        )
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " }
        return start.prefix(start.count - start.reversed().prefix { $0 == " " }.count)
    }

    private static func unquoted(_ name: Substring, in text: String) throws(Problem) -> String {
        guard name.hasPrefix("\"") else {
            guard !name.unicodeScalars.contains(where: { "\"<>@,;:\\".unicodeScalars.contains($0) }) else {
                throw malformed(text)
            }
            return String(name)
        }
        guard name.count >= 2, name.hasSuffix("\"") else { throw malformed(text) }
        var result = ""
        var isEscaped = false
        for scalar in name.dropFirst().dropLast().unicodeScalars {
            if !isEscaped, scalar == "\"" { throw malformed(text) }
            isEscaped = !isEscaped && scalar == "\\"
            if !isEscaped { result.unicodeScalars.append(scalar) }
        }
        guard !isEscaped else { throw malformed(text) }
        return result
    }

    /// A dot-atom before the `@`, a host's name behind it.
    private static func isAddress(_ text: Substring) -> Bool {
        guard text.utf8.count <= maximum, let at = text.lastIndex(of: "@") else { return false }
        let local = text[..<at]
        let labels = text[text.index(after: at)...].split(separator: ".", omittingEmptySubsequences: false)
        let atoms = local.split(separator: ".", omittingEmptySubsequences: false)
        return local.utf8.count <= localMaximum
            && atoms.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(HeaderText.isAtom) }
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
            }
    }
}

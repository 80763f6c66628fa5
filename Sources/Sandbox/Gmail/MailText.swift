// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// How much of a message an answer holds.
enum GmailFormat: String, Sendable, CaseIterable {
    case minimal
    case metadata
    case full
    case raw
}

/// A message as RFC 5322 has it: headers, an empty line, a body.
struct MailText: Sendable, Equatable {
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    init(headers: [(name: String, value: String)], body: [UInt8]) {
        self.headers = headers
        self.body = body
    }

    /// Reads headers, folded ones too; nil when a line is none.
    init?(_ raw: [UInt8]) {
        var headers: [(name: String, value: String)] = []
        var rest = raw[...]
        while true {
            let end = rest.firstIndex(of: 0x0A) ?? rest.endIndex
            var line = rest[..<end]
            rest = rest[min(end + 1, rest.endIndex)...]
            if line.last == 0x0D { line.removeLast() }
            if line.isEmpty { break }
            guard let text = String(validating: line, as: UTF8.self) else { return nil }
            if line.first == 0x20 || line.first == 0x09 {
                guard let last = headers.popLast() else { return nil }
                headers.append((last.name, last.value + " " + text.drop { $0 == " " || $0 == "\t" }))
                continue
            }
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[0].contains(" ") else { return nil }
            headers.append((String(parts[0]), String(parts[1].drop { $0 == " " || $0 == "\t" })))
        }
        guard !headers.isEmpty else { return nil }
        self.init(headers: headers, body: Array(rest))
    }

    var raw: [UInt8] {
        headers.flatMap { Array("\($0.name): \($0.value)\r\n".utf8) } + [0x0D, 0x0A] + body
    }

    func first(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// Text beyond ASCII as RFC 2047 has it.
    static func encodedWord(_ text: String) -> String {
        text.utf8.allSatisfy { $0 < 0x80 } ? text : "=?UTF-8?B?\(Base64.standard.encode(Array(text.utf8)))?="
    }

    static func == (left: MailText, right: MailText) -> Bool { left.raw == right.raw }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing

@testable import DeclarativeConnectors

@Suite struct `An e-mail` {
    private static func make(_ fields: [EmailMessage.Field: [String]]) throws -> EmailMessage {
        try EmailMessage(fields, key: "k1")
    }

    private static func text(_ fields: [EmailMessage.Field: [String]]) throws -> String {
        String(decoding: try make(fields).bytes, as: UTF8.self)
    }

    /// The header lines, unfolded.
    private static func headers(_ message: EmailMessage) -> [String] {
        let text = String(decoding: message.bytes, as: UTF8.self)
        let head = text.components(before: "\r\n\r\n").replacing("\r\n ", with: " ")
        return head.split(separator: "\r\n").map(String.init)
    }

    /// Decodes encoded words as RFC 2047 says; white space between two of them does not count.
    private static func decoded(_ text: String) throws -> String {
        var result: [UInt8] = []
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "?", omittingEmptySubsequences: false)
            try #require(parts.count == 5 && parts[1] == "UTF-8" && parts[2] == "B")
            #expect(word.utf8.count <= 75)
            let bytes = try #require(Base64.standard.decode(parts[3]))
            // Each word is text by itself.
            #expect(String(validating: bytes, as: UTF8.self) != nil)
            result += bytes
        }
        return String(decoding: result, as: UTF8.self)
    }

    @Test func `is the same bytes each time, with a name that a search finds`() throws {
        let fields: [EmailMessage.Field: [String]] = [
            .to: ["Ada <ada@example.com>"], .subject: ["Hello"], .text: ["Hi\nthere"],
        ]
        #expect(try Self.make(fields).bytes == Self.make(fields).bytes)
        #expect(
            try Self.text(fields) == """
                To: Ada <ada@example.com>\r
                Subject: Hello\r
                Message-ID: <k1@lockstep.invalid>\r
                MIME-Version: 1.0\r
                Content-Type: text/plain; charset=UTF-8\r
                Content-Transfer-Encoding: base64\r
                \r
                SGkNCnRoZXJl\r

                """)
    }

    @Test(arguments: [
        "Grüße aus Köln", "日本語の件名", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", " padded ", "=?UTF-8?B?SGk=?=", "e\u{301}",
        "A subject that is plain but so long that its line would be longer than seventy-eight characters are",
        "\u{202E}reversed",
    ])
    func `encodes a subject that is not plain, in words that are whole`(subject: String) throws {
        let message = try Self.make([.to: ["a@example.com"], .subject: [subject]])
        let line = try #require(Self.headers(message).first { $0.hasPrefix("Subject: ") })

        #expect(try Self.decoded(String(line.dropFirst(9))).utf8.elementsEqual(subject.utf8))
    }

    @Test func `has only lines that end with CR LF, none longer than 78 characters`() throws {
        let long = String(repeating: "Sehr geehrte Frau Müller, ", count: 200)
        let message = try Self.make([
            .to: (0..<40).map { "Empfängerin Nummer \($0) <user\($0)@example.com>" },
            .subject: [long.prefix(900)]
                .map(String.init), .text: [long + "\r\n.\n\rFrom me\n"], .html: ["<p>\(long)</p>\n"],
            .references: [(0..<30).map { "<part-\($0)@example.com>" }.joined(separator: " ")],
        ])
        var last: UInt8 = 0
        for byte in message.bytes {
            #expect((byte == 0x0A) == (last == 0x0D), "a CR or a LF stands alone")
            last = byte
        }
        let lines = String(decoding: message.bytes, as: UTF8.self).split(
            separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.utf8.count <= 78 && $0.utf8.allSatisfy { $0 < 0x80 } })
    }

    @Test func `with text and HTML shows both, in parts that no content can end`() throws {
        let text = try Self.text([
            .to: ["a@example.com"], .text: ["--lockstep-k1--"], .html: ["<b>\r\n--lockstep-k1\r\n</b>"],
        ])
        #expect(text.split(separator: "--lockstep-k1\r\n").count == 3)
        #expect(text.hasSuffix("\r\n--lockstep-k1--\r\n"))
        let encoded = Base64.standard.encode(Array("--lockstep-k1--".utf8))
        #expect(text.contains("\r\n\r\n\(encoded)\r\n"))
    }

    /// What people have tried to smuggle into headers.
    static let hostile = [
        "Hello\r\nBcc: victim@example.com", "Hello\nBcc: victim@example.com",
        "Hello\rBcc: victim@example.com",
        "Hello\r\n\r\n<script>", "Hello\n\n.\r\n", "Hello\u{0}Bcc: x@example.com", "Hello\u{0B}Bcc: x",
        "Hello\u{0C}Bcc: x", "Hello\u{85}Bcc: x", "Hello\u{2028}Bcc: x", "Hello\u{2029}Bcc: x", "\r\n", "\n",
        "Hello\r\n\tfolded: yes", "Hello\r\n folded", "tab\there", "\u{7F}", "\u{9F}x", "\u{1B}[31m",
        "a\r\nContent-Type: text/html", "e\u{301}\r\nBcc: x@example.com",
    ]

    @Test(arguments: hostile)
    func `refuses what would end a header`(text: String) throws {
        for field in EmailMessage.Field.allCases where field.header != nil {
            var fields: [EmailMessage.Field: [String]] = [.to: ["a@example.com"]]
            for value in [text, "\(text) <a@example.com>", "a@example.com\(text)", "<a\(text)@example.com>"] {
                fields[field] = [value]
                let error = #expect(throws: EmailMessage.Problem.self, "\(field): \(value)") {
                    try EmailMessage(fields, key: "k")
                }
                #expect(error?.field == field)
            }
        }
    }

    @Test(arguments: hostile)
    func `takes anything as its body, without a header more`(text: String) throws {
        let message = try Self.make([.to: ["a@example.com"], .subject: ["s"], .text: [text], .html: [text]])
        #expect(
            Self.headers(message).map { String($0.prefix { $0 != ":" }) } == [
                "To", "Subject", "Message-ID", "MIME-Version", "Content-Type",
            ])
    }

    @Test(arguments: [
        ("ada@example.com", "ada@example.com"), (" ada@example.com ", "ada@example.com"),
        ("Ada Lovelace <ada@example.com>", "Ada Lovelace <ada@example.com>"),
        (#""Lovelace, Ada" <ada@example.com>"#, #""Lovelace, Ada" <ada@example.com>"#),
        (#""Say \"hi\" \\" <a@example.com>"#, #""Say \"hi\" \\" <a@example.com>"#),
        ("a.b+c@sub.example.com, d@e.org", "a.b+c@sub.example.com,\r\n d@e.org"),
        ("J. Müller <j@example.com>", "=?UTF-8?B?Si4gTcO8bGxlcg==?= <j@example.com>"),
        ("<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example"),
    ])
    func `writes addresses as they are meant`(given: String, expected: String) throws {
        #expect(try Self.text([.to: [given]]).hasPrefix("To: \(expected)\r\n"))
    }

    @Test(arguments: [
        "", "ada", "@example.com", "ada@", "a b@example.com", "ada@exa mple.com", "ada@-x.com", "ada@x-.com",
        "ada@bücher.example", "ädä@example.com", "a@b@c.com", "Ada <ada@example.com", "Ada ada@example.com>",
        "<<a@example.com>>", "Ada, Bob <a@example.com>", "a@example.com,", ",a@example.com",
        "a..b@example.com",
        ".a@example.com", "a@example..com", #""open <a@example.com>"#, #"x"y" <a@example.com>"#,
        "group: a@example.com;", "a@example.com (comment)", "a@[127.0.0.1]",
        String(repeating: "a", count: 65) + "@example.com", "a@" + String(repeating: "b", count: 64) + ".com",
    ])
    func `refuses what is no address`(text: String) {
        let error = #expect(throws: EmailMessage.Problem.self) { try Self.make([.to: [text]]) }
        #expect(error?.field == .to)
    }

    @Test func `needs a recipient, one sender at most, and not too many recipients`() {
        #expect(throws: EmailMessage.Problem.self) { try Self.make([.subject: ["s"]]) }
        #expect(throws: EmailMessage.Problem.self) {
            try Self.make([.to: ["a@b.c"], .from: ["a@b.c, d@e.f"]])
        }
        #expect(throws: EmailMessage.Problem.self) {
            try Self.make([.to: ["a@b.c"], .bcc: Array(repeating: "a@b.c", count: 500)])
        }
    }
}

extension String {
    fileprivate func components(before separator: String) -> String {
        firstRange(of: separator).map { String(self[..<$0.lowerBound]) } ?? self
    }
}

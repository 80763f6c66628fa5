// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// A mail as RFC 5322 writes it: the same bytes for the same content and key. Lines end with CR LF, texts beyond ASCII are
/// encoded, and nothing that a caller gives can add a header.
struct EmailMessage {
    /// What a manifest may name below `email`, in the order of the headers; the bodies come last.
    enum Field: String, CaseIterable {
        case from
        case to
        case cc
        case bcc
        case replyTo = "reply_to"
        case subject
        case inReplyTo = "in_reply_to"
        case references
        case text
        case html

        /// The header's name; nil for a body.
        var header: String? {
            switch self {
            case .from: "From"
            case .to: "To"
            case .cc: "Cc"
            case .bcc: "Bcc"
            case .replyTo: "Reply-To"
            case .subject: "Subject"
            case .inReplyTo: "In-Reply-To"
            case .references: "References"
            case .text, .html: nil
            }
        }
    }

    /// What is wrong with one field.
    struct Problem: Error, Equatable {
        let field: Field
        let message: String
    }

    /// A subject of more characters is refused.
    static let subjectLimit = 1_000
    /// So many recipients a message may have, over all its fields.
    static let recipientLimit = 500

    /// The message's own name, `<KEY@lockstep.invalid>`: a search for it finds the message.
    let id: String
    /// The message.
    let bytes: [UInt8]

    /// `values` are texts, or lists of addresses. `key` makes the message's name: letters and digits.
    init(_ values: [Field: [String]], key: String) throws(Problem) {
        id = Self.id(of: key)
        var lines: [String] = []
        var recipients = 0
        for field in Field.allCases {
            guard let header = field.header, let texts = values[field] else { continue }
            let value = try Self.value(texts, field, header)
            if [.to, .cc, .bcc].contains(field) { recipients += value.count }
            lines.append("\(header): \(value.text)")
        }
        guard recipients > 0 else { throw Problem(field: .to, message: "has no address") }
        guard recipients <= Self.recipientLimit else {
            throw Problem(
                field: .to, message: "has \(recipients) addresses; at most \(Self.recipientLimit) are allowed"
            )
        }
        lines += ["Message-ID: \(id)", "MIME-Version: 1.0"]
        lines += Self.body(
            text: values[.text]?.first, html: values[.html]?.first, boundary: "lockstep-\(key)")
        bytes = Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
    }

    static func id(of key: String) -> String { "<\(key)@lockstep.invalid>" }

    // MARK: - Headers

    private static func value(
        _ texts: [String], _ field: Field, _ header: String
    ) throws(Problem) -> (text: String, count: Int) {
        for text in texts where HeaderText.hasControls(text) {
            throw Problem(
                field: field,
                message: "has a line break or another control character; a header is one line")
        }
        let whole = texts.joined(separator: ", ")
        switch field {
        case .subject:
            guard whole.unicodeScalars.count <= subjectLimit else {
                throw Problem(field: field, message: "has more than \(subjectLimit) characters")
            }
            return (HeaderText.unstructured(whole, name: header), 0)
        case .inReplyTo, .references:
            let ids = whole.split(separator: " ")
            guard !ids.isEmpty, ids.allSatisfy(isMessageID) else {
                throw Problem(field: field, message: "is no message id; allowed: <PART@PART>")
            }
            return (ids.joined(separator: "\r\n "), 0)
        default:
            var mailboxes: [Mailbox] = []
            for text in texts {
                do throws(Mailbox.Problem) {
                    mailboxes += try Mailbox.list(text)
                } catch {
                    throw Problem(field: field, message: error.message)
                }
            }
            guard field != .from || mailboxes.count == 1 else {
                throw Problem(field: field, message: "has to be one address")
            }
            return (mailboxes.map(\.text).joined(separator: ",\r\n "), mailboxes.count)
        }
    }

    private static func isMessageID(_ text: Substring) -> Bool {
        guard text.utf8.count <= 250, text.hasPrefix("<"), text.hasSuffix(">") else { return false }
        let inner = text.dropFirst().dropLast()
        let halves = inner.split(separator: "@", omittingEmptySubsequences: false)
        return halves.count == 2 && halves.allSatisfy { !$0.isEmpty }
            && inner.utf8.allSatisfy { (0x21..<0x7F).contains($0) }
            && !inner.contains { "<>".contains($0) }
    }

    // MARK: - Bodies

    /// The lines of a body with its headers: plain text, HTML, or both of which a reader shows the richer one. Base64 has no
    /// line that could be taken for a boundary.
    private static func body(text: String?, html: String?, boundary: String) -> [String] {
        guard let html else { return part(text ?? "", "plain") }
        guard let text else { return part(html, "html") }
        return ["Content-Type: multipart/alternative; boundary=\"\(boundary)\"", "", "--\(boundary)"]
            + part(text, "plain") + ["--\(boundary)"] + part(html, "html") + ["--\(boundary)--"]
    }

    private static func part(_ text: String, _ subtype: String) -> [String] {
        let encoded = Array(Base64.standard.encode(withCRLF(text)).utf8)
        let lines = stride(from: 0, to: encoded.count, by: 76).map { start in
            String(decoding: encoded[start..<min(start + 76, encoded.count)], as: UTF8.self)
        }
        return [
            "Content-Type: text/\(subtype); charset=UTF-8", "Content-Transfer-Encoding: base64", "",
        ] + lines
    }

    /// A text whose lines end with CR LF, however they ended before.
    private static func withCRLF(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var last: UInt8 = 0
        for byte in text.utf8 {
            switch byte {
            case 0x0D: bytes += [0x0D, 0x0A]
            case 0x0A where last == 0x0D: break
            case 0x0A: bytes += [0x0D, 0x0A]
            default: bytes.append(byte)
            }
            last = byte
        }
        return bytes
    }
}

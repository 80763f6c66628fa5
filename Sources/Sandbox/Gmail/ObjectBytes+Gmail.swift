// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

extension Object {
    /// System labels never change.
    mutating func label() -> String {
        guard index >= ObjectName.systemLabels.count else {
            return """
                {"id":"\(id)","name":"\(id)","messageListVisibility":"hide",\
                "labelListVisibility":"labelShow","type":"system"}
                """
        }
        let name = "Project \(index)/\(revision)"
        return """
            {"id":"\(id)","name":"\(name)","messageListVisibility":"show",\
            "labelListVisibility":"labelShow","type":"user",\
            "color":{"textColor":"#ffffff","backgroundColor":"#0b804b"}}
            """
    }

    mutating func mail(_ format: GmailFormat) -> String {
        let text = mailText()
        let labels = Mailbox.labels(isSent: written != nil, revision: revision)
        let snippet = String(decoding: text.body.prefix(80), as: UTF8.self)
        let head = """
            {"id":"\(id)","threadId":"\(Mailbox.thread(collection, index, bytes))",\
            "labelIds":[\(labels.map { "\"\($0)\"" }.joined(separator: ","))],\
            "snippet":\(JSONText.quoted(snippet)),\
            "sizeEstimate":\(text.raw.count),"historyId":"\(HistoryID(sequence: state.changedAt).text)",\
            "internalDate":"\(created * 1_000)"
            """
        let headers = text.headers.map {
            #"{"name":\#(JSONText.quoted($0.name)),"value":\#(JSONText.quoted($0.value))}"#
        }
        let part = """
            ,"payload":{"partId":"","mimeType":"text/plain","filename":"",\
            "headers":[\(headers.joined(separator: ","))]
            """
        switch format {
        case .minimal: return head + "}"
        case .metadata: return head + part + "}}"
        case .full:
            let body = Base64.urlSafe.encode(text.body)
            return head + part + #","body":{"size":\#(text.body.count),"data":"\#(body)"}}}"#
        case .raw: return head + #","raw":"\#(Base64.urlSafe.encode(text.raw))"}"#
        }
    }

    /// What was sent, or a text from the seed.
    private mutating func mailText() -> MailText {
        if let raw = written?.members["raw"], let bytes = Base64.urlSafe.decode(raw),
            let text = MailText(bytes)
        {
            return text
        }
        let subject = JSONText.unquoted(pick(Self.meetings))
        let sender = JSONText.unquoted(pick(Self.people)).filter { $0 != "\"" && !$0.isNewline && $0 != "\t" }
        let body = "Hello,\r\n\r\nabout \(JSONText.unquoted(pick(Self.things))), number \(index).\r\n"
        return MailText(
            headers: [
                ("From", "\(MailText.encodedWord(sender)) <person\(random.below(50))@example.org>"),
                ("To", owner), ("Subject", MailText.encodedWord(subject)),
                ("Date", HTTPDateText.text(created).replacing("GMT", with: "+0000")),
                ("Message-ID", Mailbox.messageID(id)), ("MIME-Version", "1.0"),
                ("Content-Type", "text/plain; charset=utf-8"),
            ], body: Array(body.utf8))
    }
}

/// What the messages of one user have in common.
enum Mailbox {
    /// Each change of a message moves its labels one step on.
    static func labels(isSent: Bool, revision: Int) -> [String] {
        let base = isSent ? ["SENT"] : ["INBOX"]
        switch revision % 4 {
        case 0: return isSent ? base : base + ["UNREAD"]
        case 1: return base
        case 2: return base + ["STARRED"]
        default: return base + ["STARRED", "Label_1"]
        }
    }

    /// Three messages in a row are a thread, named after its first one.
    static func thread(_ messages: Collection, _ index: Int, _ bytes: ObjectBytes) -> String {
        bytes.id(messages.key, messages.written[index].map { $0.root ?? index } ?? index - index % 3)
    }

    /// The Message-ID of a message from the seed.
    static func messageID(_ id: String) -> String { "<\(id)@mail.example.com>" }

    /// The message with a Message-ID: from the seed, or sent.
    static func find(messageID text: String, _ messages: Collection, _ bytes: ObjectBytes) -> [Int] {
        let bare = text.trimmingAngles
        var found: [Int] = []
        if bare.hasSuffix("@mail.example.com"),
            let index = bytes.index(of: String(bare.dropLast(17)), in: messages),
            messages.written[index] == nil
        {
            found.append(index)
        }
        found += messages.written.filter { $0.value.members["message_id"]?.trimmingAngles == bare }.map(\.key)
        return found.filter(messages.isLive).sorted(by: >)
    }
}

extension String {
    fileprivate var trimmingAngles: Substring { self[...].drop { $0 == "<" || $0 == " " }.trimmedEnd }
}

extension Substring {
    fileprivate var trimmedEnd: Substring {
        var text = self
        while text.last == ">" || text.last == " " { text.removeLast() }
        return text
    }
}

/// A number of the mailbox's history: it rises with each change, with gaps.
struct HistoryID: Sendable, Equatable {
    private static let base = 1_000
    private static let step = 64

    /// The change that it names.
    let sequence: Int
    /// How often histories had been cut before it was given out.
    var era = 0

    init(sequence: Int, era: Int = 0) {
        self.sequence = sequence
        self.era = era % Self.step
    }

    init?(_ text: String) {
        guard let number = Int(text), number >= Self.base, number < 1 << 40 else { return nil }
        self.init(sequence: (number - Self.base) / Self.step, era: (number - Self.base) % Self.step)
    }

    var text: String { "\(Self.base + sequence * Self.step + era)" }
}

// SPDX-License-Identifier: Apache-2.0

/// Messages of a channel: what they are called, and which of them are answers in a thread.
extension Collection {
    private static let perSecond = 1_000_000

    /// A message's name: seconds, and six digits that tell the messages of one second apart.
    func messageTime(_ index: Int) -> String {
        let digits = String(Self.perSecond + index % Self.perSecond).dropFirst()
        return "\(created(index)).\(digits)"
    }

    /// The number of the message with a name.
    func message(at text: String) -> Int? {
        guard let time = MessageTime(text), text.utf8.count >= 8 else { return nil }
        let first = firstIndex(createdAtOrAfter: time.seconds)
        let offset = (time.fraction - first % Self.perSecond + Self.perSecond) % Self.perSecond
        let index = first + offset
        guard index < count, created(index) == time.seconds,
            messageTime(index).utf8.elementsEqual(text.utf8)
        else { return nil }
        return index
    }

    /// The number of the first message at a time or later.
    func firstMessage(atOrAfter time: MessageTime) -> Int {
        var index = firstIndex(createdAtOrAfter: time.seconds)
        while index < count, created(index) == time.seconds, index % Self.perSecond < time.fraction {
            index += 1
        }
        return index
    }

    /// The message that this one answers; nil for one of the channel itself. Three of ten answer the first of
    /// the ten.
    func root(of index: Int) -> Int? {
        if let object = written[index] { return object.root }
        guard index % 10 >= 7 else { return nil }
        let root = index - index % 10
        return written[root]?.root == nil ? root : nil
    }

    /// The answers to a message that are there, oldest first.
    func replies(to root: Int) -> [Int] {
        var replies: [Int] = []
        if root % 10 == 0, self.root(of: root) == nil {
            replies = (root + 7...root + 9).filter { $0 < count && written[$0] == nil }
        }
        replies += written.filter { $0.value.root == root }.map(\.key)
        return replies.filter(isLive).sorted()
    }

    /// Whether a stream that looks at this collection has the object.
    func isShown(_ index: Int, in stream: SandboxStream) -> Bool {
        // One cancelled meeting is no deletion: it is shown as long as its series.
        if let series = series(of: index) { return isLive(series) }
        guard isLive(index) else { return false }
        switch stream {
        case .slackMessages: return root(of: index) == nil
        // With a message its thread is out of reach.
        case .slackReplies: return root(of: index).map(isLive) ?? false
        default: return true
        }
    }
}

/// A time as Slack writes it: `1760000000.000100`; missing digits of the fraction are zeros.
struct MessageTime: Sendable, Equatable {
    let seconds: Int64
    /// Millionths.
    let fraction: Int

    init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let digits = parts.count == 2 ? parts[1] : ""
        let isNumber = (Array(parts[0].utf8) + Array(digits.utf8)).allSatisfy { (48...57).contains($0) }
        guard isNumber, !parts[0].isEmpty, parts[0].utf8.count <= 12, digits.utf8.count <= 6,
            let seconds = Int64(parts[0]),
            let fraction = Int(digits + String(repeating: "0", count: 6 - digits.utf8.count))
        else { return nil }
        self.seconds = seconds
        self.fraction = fraction
    }
}

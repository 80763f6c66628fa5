// SPDX-License-Identifier: Apache-2.0

/// The messages of a channel and of a thread. What is deleted is not there.
extension SlackAPI {
    /// Newest first, between `oldest` and `latest`; answers in threads are elsewhere.
    func history(_ arguments: [String: String], _ user: Int) throws(SlackRefusal) -> SandboxResponse {
        let key = CollectionKey(user: user, stream: .slackMessages, parent: try channel(arguments, user))
        let messages = store[key]
        let limit = try self.limit(arguments, usual: 100)
        let range = try range(arguments, messages)
        let (begun, place) = try begin(arguments, key)
        // The position is the number below which to go on; an enumeration begins at the newest.
        let end = place.position < 0 ? range.upperBound : min(range.upperBound, place.position)
        let size = twist == .empty ? 0 : Self.size(limit, page: place.page)
        let low = max(range.lowerBound, end - size)
        let shown = (low..<max(low, end)).reversed().filter { messages.isShown($0, in: .slackMessages) }
        var next = place
        next.position = max(low, 0)
        next.page += 1
        let hasMore = low > range.lowerBound || twist == .empty || twist == .repeated
        return page(messages, shown, next: hasMore ? cursor(twist == .repeated ? begun : next, key) : nil)
    }

    /// A message and the answers to it, oldest first.
    func replies(_ arguments: [String: String], _ user: Int) throws(SlackRefusal) -> SandboxResponse {
        let key = CollectionKey(user: user, stream: .slackMessages, parent: try channel(arguments, user))
        let messages = store[key]
        let limit = try self.limit(arguments, usual: 1_000)
        guard let named = arguments["ts"].flatMap(messages.message(at:)) else {
            throw SlackRefusal("thread_not_found")
        }
        let root = messages.root(of: named) ?? named
        guard messages.isLive(root), messages.isLive(named) else { throw SlackRefusal("thread_not_found") }
        let range = try range(arguments, messages)
        // The root is shown on every page, whatever the range.
        let thread = messages.replies(to: root).filter(range.contains)
        let (begun, place) = try begin(arguments, key)
        let rest = thread.filter { $0 > place.position }
        let size = twist == .empty ? 0 : max(1, Self.size(limit, page: place.page))
        let shown = rest.prefix(size)
        var next = place
        next.position = shown.last ?? place.position
        next.page += 1
        let hasMore = rest.count > shown.count || twist == .repeated
        return page(
            messages, [root] + shown, next: hasMore ? cursor(twist == .repeated ? begun : next, key) : nil)
    }

    /// The numbers of the messages between `oldest` and `latest`, which belong to it only when `inclusive` says
    /// so.
    private func range(
        _ arguments: [String: String], _ messages: Collection
    ) throws(SlackRefusal) -> Range<Int> {
        let isInclusive = ["true", "1"].contains(arguments["inclusive"])
        var (low, high) = (0, messages.count)
        if let text = arguments["oldest"], !text.isEmpty {
            guard let time = MessageTime(text) else { throw SlackRefusal("invalid_ts_oldest") }
            low = messages.firstMessage(atOrAfter: time)
            if !isInclusive, messages.message(at: text) == low { low += 1 }
        }
        if let text = arguments["latest"], !text.isEmpty {
            guard let time = MessageTime(text) else { throw SlackRefusal("invalid_ts_latest") }
            high = messages.firstMessage(atOrAfter: time)
            if isInclusive, messages.message(at: text) == high { high += 1 }
        }
        return low..<max(low, high)
    }

    private func page(_ messages: Collection, _ shown: [Int], next: String?) -> SandboxResponse {
        let items = shown.map { bytes.json(messages, $0) }.joined(separator: ",")
        let more = next.map { #","response_metadata":{"next_cursor":"\#($0)"}"# } ?? ""
        return SandboxResponse(
            json: #"{"ok":true,"messages":[\#(items)],"has_more":\#(next != nil),"pin_count":0\#(more)}"#)
    }
}

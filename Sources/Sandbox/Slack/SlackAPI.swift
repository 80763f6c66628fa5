// SPDX-License-Identifier: Apache-2.0

/// Slack's Web API, as far as it reads: cursors whose pages may be short or empty before the end
/// (https://docs.slack.dev/apis/web-api/pagination).
struct SlackAPI {
    let store: ObjectStore
    let bytes: ObjectBytes
    let eras: TokenEras
    var twist: PageTwist?

    func answer(_ method: SlackMethod, _ arguments: [String: String], user: Int) throws(SlackRefusal)
        -> SandboxResponse
    {
        switch method {
        case .listConversations: return try conversations(arguments, user)
        case .conversationInfo:
            let channel = try channel(arguments, user)
            let channels = store[CollectionKey(user: user, stream: .channels)]
            return SandboxResponse(json: #"{"ok":true,"channel":\#(bytes.json(channels, channel))}"#)
        case .history: return try history(arguments, user)
        case .replies: return try replies(arguments, user)
        case .listUsers:
            let users = store[CollectionKey(user: user, stream: .users)]
            return try list(arguments, users, member: "members") { _ in true }
        case .userInfo:
            let users = store[CollectionKey(user: user, stream: .users)]
            guard let index = arguments["user"].flatMap({ bytes.index(of: $0, in: users) }) else {
                throw SlackRefusal("user_not_found")
            }
            return SandboxResponse(json: #"{"ok":true,"user":\#(bytes.json(users, index))}"#)
        case .testAuth:
            let users = CollectionKey(user: user, stream: .users)
            return SandboxResponse(
                json: """
                    {"ok":true,"url":"https://\(store.configuration.name(ofUser: user)).slack.com/",\
                    "team":"Team \(store.configuration.name(ofUser: user))","user":"user0",\
                    "team_id":"\(bytes.team(user))","user_id":"\(bytes.id(users, 0))","bot_id":"B0LOCKSTEP",\
                    "is_enterprise_install":false}
                    """)
        case .postMessage: throw SlackRefusal("unknown_method")
        }
    }

    /// The channel's number; archived ones too.
    func channel(_ arguments: [String: String], _ user: Int) throws(SlackRefusal) -> Int {
        let channels = store[CollectionKey(user: user, stream: .channels)]
        guard let index = arguments["channel"].flatMap({ bytes.index(of: $0, in: channels) }) else {
            throw SlackRefusal("channel_not_found")
        }
        return index
    }

    private func conversations(_ arguments: [String: String], _ user: Int) throws(SlackRefusal)
        -> SandboxResponse
    {
        let channels = store[CollectionKey(user: user, stream: .channels)]
        let types = (arguments["types"] ?? "public_channel").split(separator: ",").map {
            $0.filter { $0 != " " }
        }
        let known = ["public_channel", "private_channel", "mpim", "im"]
        guard types.allSatisfy(known.contains) else { throw SlackRefusal("invalid_types") }
        let hidesArchived = ["true", "1"].contains(arguments["exclude_archived"])
        return try list(arguments, channels, member: "channels") { index in
            types.contains(index % 5 == 4 ? "private_channel" : "public_channel")
                && !(hidesArchived && !channels.isLive(index))
        }
    }

    /// A list whose pages are windows of so many objects, before those that do not match are taken out. Some
    /// pages are cut short or empty, as happens at Slack.
    private func list(
        _ arguments: [String: String], _ collection: Collection, member: String, _ isShown: (Int) -> Bool
    ) throws(SlackRefusal) -> SandboxResponse {
        let limit = try self.limit(arguments, usual: 100)
        let (begun, place) = try begin(arguments, collection.key)
        var next = place
        let size = Self.size(limit, page: place.page)
        let window =
            place.position + 1..<max(place.position + 1, min(collection.count, place.position + 1 + size))
        let shown = twist == .empty ? [] : window.filter(isShown)
        if twist != .empty { next.position = window.upperBound - 1 }
        next.page += 1
        let isEnd = next.position + 1 >= collection.count && twist != .empty && twist != .repeated
        let items = shown.map { bytes.json(collection, $0) }.joined(separator: ",")
        return SandboxResponse(
            json: """
                {"ok":true,"\(member)":[\(items)],"cache_ts":\(store.now),\
                "response_metadata":{"next_cursor":"\(isEnd ? "" : cursor(twist == .repeated ? begun : next, collection.key))"}}
                """)
    }

    /// The objects that a page looks at: every fifth page is short, every fifth empty.
    static func size(_ limit: Int, page: Int) -> Int {
        switch page % 5 {
        case 2: max(1, limit / 2)
        case 3: 0
        default: limit
        }
    }

    func limit(_ arguments: [String: String], usual: Int) throws(SlackRefusal) -> Int {
        guard let text = arguments["limit"] else { return usual }
        guard let limit = Int(text), (0...1_000_000).contains(limit) else {
            throw SlackRefusal("invalid_limit")
        }
        return limit == 0 ? usual : min(limit, 1_000)
    }

    /// Where the request goes on, as its cursor says and as a fault would have it.
    func begin(
        _ arguments: [String: String], _ key: CollectionKey
    ) throws(SlackRefusal) -> (begun: PageToken, place: PageToken) {
        let first = PageToken(kind: .full, era: 0, started: store.sequence)
        guard let text = arguments["cursor"], !text.isEmpty else { return (first, first) }
        guard let token = PageToken(text, key, seed: store.configuration.seed), token.kind == .full,
            token.era == eras.era(.page, user: key.user),
            store.sequence - token.started <= store.configuration.pageTokenLifetime ?? .max
        else { throw SlackRefusal("invalid_cursor") }
        return (token, twist == .firstAgain ? first : token)
    }

    func cursor(_ place: PageToken, _ key: CollectionKey) -> String {
        var place = place
        place.era = eras.era(.page, user: key.user)
        return place.text(key, seed: store.configuration.seed)
    }
}

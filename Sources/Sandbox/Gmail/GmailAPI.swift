// SPDX-License-Identifier: Apache-2.0

import Model

/// Gmail's API, as far as it reads: a list of ids, messages in four formats, and the history of a mailbox
/// (https://developers.google.com/workspace/gmail/api/guides/sync).
struct GmailAPI {
    let store: ObjectStore
    let bytes: ObjectBytes
    let eras: TokenEras
    var twist: PageTwist?

    /// What stands behind the API's version: `users`, the user, and what is asked for. The path of the real
    /// service begins with `/gmail` once more.
    static func path(_ request: SandboxRequest) -> [String] {
        var parts = request.segments.dropFirst()
        if parts.first == "gmail" { parts.removeFirst() }
        guard parts.first == "v1" else { return [] }
        return Array(parts.dropFirst())
    }

    /// The method's name in the API's description, such as `messages.list`.
    static func endpoint(_ request: SandboxRequest) -> String? {
        let path = path(request)
        guard path.count >= 3, path[0] == "users" else { return nil }
        switch (request.method, path[2...].joined(separator: "/")) {
        case ("GET", "profile"): return "getProfile"
        case ("GET", "labels"): return "labels.list"
        case ("GET", "messages"): return "messages.list"
        case ("GET", "history"): return "history.list"
        case ("POST", "messages/send"): return "messages.send"
        case ("POST", "watch"): return "watch"
        case ("POST", "stop"): return "stop"
        case ("GET", _) where path.count == 4 && path[2] == "messages": return "messages.get"
        case ("GET", _) where path.count == 4 && path[2] == "labels": return "labels.get"
        default: return nil
        }
    }

    static func stream(_ request: SandboxRequest) -> SandboxStream? {
        switch endpoint(request) {
        case "labels.list", "labels.get": .labels
        case "messages.list", "messages.get", "messages.send", "history.list": .gmailMessages
        default: nil
        }
    }

    /// What a method costs (https://developers.google.com/workspace/gmail/api/reference/quota).
    static func units(_ endpoint: String) -> Int {
        switch endpoint {
        case "getProfile", "labels.list", "labels.get": 1
        case "history.list": 2
        case "messages.list", "messages.get": 5
        case "messages.send", "watch": 100
        case "stop": 50
        default: 5
        }
    }

    /// A request that reads, for a user whose token is right.
    func answer(_ endpoint: String, _ request: SandboxRequest, user: Int) throws(GoogleRefusal)
        -> SandboxResponse
    {
        let messages = store[CollectionKey(user: user, stream: .gmailMessages)]
        let labels = store[CollectionKey(user: user, stream: .labels)]
        switch endpoint {
        case "getProfile":
            return SandboxResponse(
                json: """
                    {"emailAddress":"\(ObjectName.primary(store.configuration.name(ofUser: user)))",\
                    "messagesTotal":\(messages.liveCount),"threadsTotal":\((messages.liveCount + 2) / 3),\
                    "historyId":"\(historyID(user).text)"}
                    """)
        case "labels.list":
            let items = (0..<labels.count).filter(labels.isLive).map { bytes.json(labels, $0) }
            return SandboxResponse(json: #"{"labels":[\#(items.joined(separator: ","))]}"#)
        case "labels.get":
            return SandboxResponse(json: bytes.json(labels, try find(Self.path(request)[3], labels)))
        case "messages.get":
            let format = request.query["format"] ?? "full"
            guard let format = GmailFormat(rawValue: format) else {
                throw .invalid("format", "Invalid value at 'format': \"\(format)\"", "invalidArgument")
            }
            let index = try find(Self.path(request)[3], messages)
            return SandboxResponse(json: bytes.json(messages, index, .mail(format)))
        case "messages.list": return try list(request, messages)
        default: return try history(request, messages)
        }
    }

    /// The newest number of the mailbox's history.
    func historyID(_ user: Int) -> HistoryID {
        HistoryID(
            sequence: store.feed(user: user, service: .gmail).last ?? 0, era: eras.era(.sync, user: user))
    }

    private func find(_ id: String, _ collection: Collection) throws(GoogleRefusal) -> Int {
        guard let index = bytes.index(of: id, in: collection), collection.isLive(index) else {
            throw GoogleRefusal(
                status: 404, domain: "global", reason: "notFound",
                message: "Requested entity was not found.")
        }
        return index
    }

    /// Ids only, newest first.
    private func list(_ request: SandboxRequest, _ messages: Collection) throws(GoogleRefusal)
        -> SandboxResponse
    {
        let limit = try pageSize(request.query)
        let wanted = request.pairs.filter { $0.name == "labelIds" }.map(\.value)
        var candidates: [Int]?
        if let query = request.query["q"], !query.isEmpty {
            guard query.hasPrefix("rfc822msgid:") else {
                throw .invalid("q", "The sandbox serves q=rfc822msgid:… only.", "invalidArgument")
            }
            candidates = Mailbox.find(messageID: String(query.dropFirst(12)), messages, bytes)
        }
        let (begun, place) = try begin(request.query, messages.key)
        var next = place
        var shown: [Int] = []
        var hasMore = twist == .empty || twist == .repeated
        let top = place.position < 0 ? messages.count : min(messages.count, place.position)
        let order = candidates.map { AnySequence($0) } ?? AnySequence((0..<top).reversed())
        for index in order where twist != .empty && index < top {
            guard messages.isLive(index) else { continue }
            let labels = Mailbox.labels(
                isSent: messages.written[index] != nil, revision: messages.state(index).revision)
            guard wanted.allSatisfy(labels.contains) else { continue }
            if shown.count == limit {
                hasMore = true
                break
            }
            shown.append(index)
            next.position = index
        }
        next.page += 1
        let items = shown.map {
            #"{"id":"\#(bytes.id(messages, $0))","threadId":"\#(Mailbox.thread(messages, $0, bytes))"}"#
        }
        let list = items.isEmpty ? "" : #""messages":[\#(items.joined(separator: ","))],"#
        let token =
            hasMore ? #""nextPageToken":"\#(text(twist == .repeated ? begun : next, messages.key))","# : ""
        return SandboxResponse(json: "{\(list)\(token)\"resultSizeEstimate\":\(messages.liveCount)}")
    }

    func pageSize(_ query: [String: String]) throws(GoogleRefusal) -> Int {
        guard let text = query["maxResults"] else { return 100 }
        guard let size = Int(text), (1...1_000_000).contains(size) else {
            throw .invalid("maxResults", "Invalid value at 'max_results'", "invalidArgument")
        }
        return min(size, 500)
    }

    /// Where a request goes on, as its token says and as a fault would have it.
    func begin(
        _ query: [String: String], _ key: CollectionKey, _ kind: PageToken.Kind = .full, since: Int = 0
    ) throws(GoogleRefusal) -> (begun: PageToken, place: PageToken) {
        let first = PageToken(
            kind: kind, era: 0, started: store.sequence, since: since, position: kind == .full ? -1 : since)
        guard let text = query["pageToken"] else { return (first, first) }
        guard let token = PageToken(text, key, seed: store.configuration.seed), token.kind == kind,
            token.since == since, token.era == eras.era(.page, user: key.user),
            store.sequence - token.started <= store.configuration.pageTokenLifetime ?? .max
        else { throw .invalid("pageToken", "Invalid pageToken", "invalidArgument") }
        return (token, twist == .firstAgain ? first : token)
    }

    func text(_ place: PageToken, _ key: CollectionKey) -> String {
        var place = place
        place.era = eras.era(.page, user: key.user)
        return place.text(key, seed: store.configuration.seed)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Slack's Web API: who may ask, and the one method that writes.
extension SandboxState {
    private static let textLimit = 40_000

    mutating func slack(
        _ request: SandboxRequest, _ caller: Caller, twist: PageTwist?
    ) -> SandboxResponse {
        do throws(SlackRefusal) {
            guard let method = SlackMethod(request) else { throw SlackRefusal("unknown_method") }
            let arguments = try Self.slackArguments(request)
            let (user, scopes) = try slackUser(request, caller)
            if let needed = method.scope, let scopes, !scopes.contains(needed) {
                throw .missingScope(needed: needed, provided: scopes)
            }
            guard method == .postMessage else {
                return try SlackAPI(store: store, bytes: bytes, eras: eras, twist: twist)
                    .answer(method, arguments, user: user)
            }
            guard request.method == "POST" else {
                throw SlackRefusal("method_not_supported_for_channel_type")
            }
            return try post(arguments, user)
        } catch {
            return error.response
        }
    }

    /// The arguments of a method, from query, form or JSON; nested JSON as its text.
    static func slackArguments(_ request: SandboxRequest) throws(SlackRefusal) -> [String: String] {
        guard let form = request.parameters else { throw SlackRefusal("invalid_json") }
        return form
    }

    private func slackUser(
        _ request: SandboxRequest, _ caller: Caller
    ) throws(SlackRefusal) -> (user: Int, scopes: [String]?) {
        switch caller {
        case .account(let user, let scopes): return (user, scopes)
        case .expired: throw SlackRefusal("token_expired")
        case .revoked: throw SlackRefusal("token_revoked")
        case .unknown: throw SlackRefusal(request.bearer == nil ? "not_authed" : "invalid_auth")
        }
    }

    /// Writes a message. Slack has no idempotency key: the same request twice makes two messages, which the
    /// client's own `client_msg_id` tells to be one.
    private mutating func post(_ arguments: [String: String], _ user: Int) throws(SlackRefusal)
        -> SandboxResponse
    {
        let reader = SlackAPI(store: store, bytes: bytes, eras: eras)
        let channel = try reader.channel(arguments, user)
        guard store[CollectionKey(user: user, stream: .channels)].isLive(channel) else {
            throw SlackRefusal("is_archived")
        }
        var object = WrittenObject()
        guard
            ["text", "blocks", "attachments"].contains(where: { !(arguments[$0] ?? "").isEmpty })
        else { throw SlackRefusal("no_text") }
        let text = arguments["text"] ?? ""
        guard text.unicodeScalars.count <= Self.textLimit else { throw SlackRefusal("msg_too_long") }
        object.members["text"] = JSONText.quoted(text)
        for name in ["blocks", "attachments"] {
            guard let json = arguments[name], !json.isEmpty else { continue }
            guard FlatJSON.isArray(json) else { throw SlackRefusal("invalid_\(name)_format") }
            object.members[name] = json
        }
        if let id = arguments["client_msg_id"] { object.members["client_msg_id"] = JSONText.quoted(id) }
        object.members["app_id"] = "\"A0LOCKSTEP\""
        object.members["bot_id"] = "\"B0LOCKSTEP\""
        let key = CollectionKey(user: user, stream: .slackMessages, parent: channel)
        if let root = arguments["thread_ts"], !root.isEmpty {
            guard let index = store[key].message(at: root), store[key].isLive(index) else {
                throw SlackRefusal("thread_not_found")
            }
            object.root = store[key].root(of: index) ?? index
        }
        guard let index = store.create(key, object) else { throw SlackRefusal("fatal_error") }
        let messages = store[key]
        let time = messages.messageTime(index)
        var response = SandboxResponse(
            json: """
                {"ok":true,"channel":\(JSONText.quoted(arguments["channel"])),"ts":"\(time)",\
                "message":\(bytes.json(messages, index))}
                """)
        response.write = WriteNote(
            key: arguments["client_msg_id"], effect: bytes.externalID(messages, index))
        return response
    }
}

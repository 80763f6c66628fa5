// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// A mailbox whose changes are to be told to a topic.
struct MailWatch: Sendable, Equatable {
    let topic: String
    let labels: [String]
    /// Milliseconds since 1970.
    let expiration: Int64
}

/// Gmail's API: who may ask, and what writes.
extension SandboxState {
    private static let watchDays: Int64 = 7

    mutating func gmail(
        _ request: SandboxRequest, _ route: Route, twist: PageTwist?, at now: RequestTime
    ) -> SandboxResponse {
        if request.method == "GET", request.segments.dropFirst().elementsEqual(["oauth2", "v3", "certs"]) {
            return SandboxResponse(json: PushIdentity.keys)
        }
        let writes = ["messages.send", "watch", "stop"]
        if let endpoint = route.endpoint, writes.contains(endpoint), let user = route.user {
            let allowed = google(route.caller, scopes: ["gmail", "mail.google.com"]) { _ in SandboxResponse()
            }
            guard allowed.status == 200 else { return allowed }
            return write(endpoint, request, user, at: now)
        }
        return google(route.caller, scopes: ["gmail", "mail.google.com"]) { user throws(GoogleRefusal) in
            guard let endpoint = route.endpoint, ["me", address(user)].contains(GmailAPI.path(request)[1])
            else {
                throw .notFound
            }
            return try GmailAPI(store: store, bytes: bytes, eras: eras, twist: twist)
                .answer(endpoint, request, user: user)
        }
    }

    private func address(_ user: Int) -> String { ObjectName.primary(configuration.name(ofUser: user)) }

    private mutating func write(
        _ endpoint: String, _ request: SandboxRequest, _ user: Int, at now: RequestTime
    ) -> SandboxResponse {
        let parameters = request.parameters ?? [:]
        switch endpoint {
        case "messages.send": return send(parameters, user)
        case "stop":
            mailWatches[user] = nil
            return SandboxResponse(status: 204)
        default:
            guard let topic = parameters["topicName"], topic.hasPrefix("projects/") else {
                return GoogleRefusal.invalid("topicName", "Invalid topicName", "invalidArgument").response
            }
            let labels = (parameters["labelIds"] ?? "").split { !$0.isLetter && $0 != "_" }.map { String($0) }
            let expiration = now.wall.milliseconds + Self.watchDays * 86_400_000
            mailWatches[user] = MailWatch(topic: topic, labels: labels, expiration: expiration)
            let history = GmailAPI(store: store, bytes: bytes, eras: eras).historyID(user)
            return SandboxResponse(json: #"{"historyId":"\#(history.text)","expiration":"\#(expiration)"}"#)
        }
    }

    /// Sends a message. There is no idempotency key: the Message-ID is kept, and a search finds it.
    private mutating func send(_ parameters: [String: String], _ user: Int) -> SandboxResponse {
        let raw = (parameters["raw"] ?? "").filter { $0 != "=" }
        guard let bytes = Base64.urlSafe.decode(raw), var text = MailText(bytes), text.first("To") != nil
        else {
            return GoogleRefusal.invalid("raw", "Invalid or missing recipient address", "invalidArgument")
                .response
        }
        let key = CollectionKey(user: user, stream: .gmailMessages)
        let messages = store[key]
        let given = text.first("Message-ID")
        let id = given ?? Mailbox.messageID(self.bytes.id(key, messages.count))
        if given == nil { text = MailText(headers: text.headers + [("Message-ID", id)], body: text.body) }
        var object = WrittenObject()
        object.members = ["raw": Base64.urlSafe.encode(text.raw), "message_id": id]
        if let thread = parameters["threadId"] {
            guard let root = self.bytes.index(of: thread, in: messages), messages.isLive(root) else {
                return GoogleRefusal.invalid("threadId", "Invalid thread_id value", "invalidArgument")
                    .response
            }
            object.root = root
        }
        guard let index = store.create(key, object) else { return GoogleRefusal.fault(500).response }
        let sent = store[key]
        var response = SandboxResponse(
            json: """
                {"id":"\(self.bytes.id(sent, index))","threadId":"\(Mailbox.thread(sent, index, self.bytes))",\
                "labelIds":["SENT"]}
                """)
        response.write = WriteNote(key: given, effect: self.bytes.id(sent, index))
        return response
    }
}

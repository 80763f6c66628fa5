// SPDX-License-Identifier: Apache-2.0

import Model

/// Google Calendar's API: who may ask, and what writes.
extension SandboxState {
    mutating func calendar(
        _ request: SandboxRequest, _ route: Route, twist: PageTwist?, at now: RequestTime
    ) -> SandboxResponse {
        if request.method == "GET" {
            return google(route.caller, scopes: ["calendar"]) { user throws(GoogleRefusal) in
                GoogleCalendarAPI(store: store, bytes: bytes, eras: eras, twist: twist)
                    .answer(request, user: user)
            }
        }
        let allowed = google(route.caller, scopes: ["calendar"]) { _ in SandboxResponse() }
        guard allowed.status == 200, let user = route.user else { return allowed }
        do throws(GoogleRefusal) {
            guard let parameters = request.parameters else {
                throw GoogleRefusal(
                    status: 400, domain: "global", reason: "parseError", message: "Parse Error")
            }
            switch route.endpoint {
            case "events.insert": return try insert(parameters, try calendarKey(request, user))
            case "events.patch", "events.delete":
                return try change(request, parameters, try calendarKey(request, user))
            case "events.watch":
                return try watch(request, parameters, try calendarKey(request, user), at: now)
            case "calendarList.watch":
                return try watch(request, parameters, CollectionKey(user: user, stream: .calendars), at: now)
            case "channels.stop":
                guard let id = parameters["id"], let channel = webhooks.channels[id],
                    channel.key.user == user, channel.resource == parameters["resourceId"]
                else { throw .notFound }
                webhooks.channels[id] = nil
                return SandboxResponse(status: 204)
            default: throw .notFound
            }
        } catch {
            return error.response
        }
    }

    private func calendarKey(_ request: SandboxRequest, _ user: Int) throws(GoogleRefusal) -> CollectionKey {
        let calendars = store[CollectionKey(user: user, stream: .calendars)]
        guard let number = bytes.index(of: request.segments[4], in: calendars), calendars.isLive(number)
        else {
            throw .notFound
        }
        return CollectionKey(user: user, stream: .events, parent: number)
    }

    private mutating func insert(
        _ parameters: [String: String], _ key: CollectionKey
    ) throws(GoogleRefusal) -> SandboxResponse {
        guard parameters["id"] == nil else {
            throw .invalid("id", "The sandbox chooses ids itself.", "invalid")
        }
        guard parameters["start"] != nil else { throw .invalid("start", "Missing start time.", "required") }
        guard parameters["end"] != nil else { throw .invalid("end", "Missing end time.", "required") }
        guard let index = store.create(key, WrittenObject(members: try Self.members(parameters))) else {
            throw .fault(500)
        }
        var response = SandboxResponse(json: bytes.json(store[key], index))
        response.write = WriteNote(effect: bytes.externalID(store[key], index))
        return response
    }

    private mutating func change(
        _ request: SandboxRequest, _ parameters: [String: String], _ key: CollectionKey
    ) throws(GoogleRefusal) -> SandboxResponse {
        guard let index = bytes.index(of: request.segments[6], in: store[key]) else { throw .notFound }
        guard store[key].isLive(index), store[key].isReachable(index) else {
            throw GoogleRefusal(
                status: 410, domain: "global", reason: "deleted", message: "Resource has been deleted")
        }
        var response: SandboxResponse
        if request.method == "DELETE" {
            _ = store.edit(key, object: index, .deleted)
            response = SandboxResponse(status: 204)
        } else {
            _ = store.update(key, index, try Self.members(parameters))
            response = SandboxResponse(json: bytes.json(store[key], index))
        }
        response.write = WriteNote(effect: bytes.externalID(store[key], index))
        return response
    }

    /// The members of an event that the sandbox keeps, as JSON.
    private static func members(_ parameters: [String: String]) throws(GoogleRefusal) -> [String: String] {
        var members: [String: String] = [:]
        for name in ["summary", "description"] {
            if let text = parameters[name] { members[name] = JSONText.quoted(text) }
        }
        for name in ["start", "end"] {
            guard let time = parameters[name] else { continue }
            guard time.hasPrefix("{") else { throw .invalid(name, "Bad Request", "badRequest") }
            members[name] = time
        }
        return members
    }

    private mutating func watch(
        _ request: SandboxRequest, _ parameters: [String: String], _ key: CollectionKey, at now: RequestTime
    ) throws(GoogleRefusal) -> SandboxResponse {
        guard let id = parameters["id"], (1...64).contains(id.utf8.count) else {
            throw .invalid("id", "Channel id must be 1 to 64 characters.", "channelIdInvalid")
        }
        guard webhooks.channels[id] == nil else {
            throw .invalid("id", "Channel id \(id) not unique", "channelIdNotUnique")
        }
        guard parameters["type"] == "web_hook", let address = parameters["address"],
            address.hasPrefix("https://") || address.hasPrefix("http://127.0.0.1:")
        else {
            throw .invalid(
                "address", "WebHook callback must be HTTPS: \(parameters["address"] ?? "")",
                "webhookUrlNotHttps")
        }
        let longest = now.wall.milliseconds + 7 * 86_400_000
        let asked = parameters["expiration"].flatMap { Int64($0) } ?? longest
        let path = request.path.split(separator: "/").dropFirst().dropLast().joined(separator: "/")
        let channel = CalendarChannel(
            id: id, key: key, address: address, token: parameters["token"],
            resource: bytes.names.code(key, 0, length: 27),
            uri: "https://www.googleapis.com/\(path)?alt=json",
            expiration: min(asked, longest))
        webhooks.channels[id] = channel
        webhooks.announce(channel, at: now)
        let token = channel.token.map { ",\"token\":\(JSONText.quoted($0))" } ?? ""
        return SandboxResponse(
            json: """
                {"kind":"api#channel","id":\(JSONText.quoted(id)),"resourceId":"\(channel.resource)",\
                "resourceUri":\(JSONText.quoted(channel.uri))\(token),"expiration":"\(channel.expiration)"}
                """)
    }
}

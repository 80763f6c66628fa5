// SPDX-License-Identifier: Apache-2.0

/// Google Calendar's lists of calendars and events, with sync tokens
/// (https://developers.google.com/workspace/calendar/api/guides/sync).
///
/// Tokens are numbers in plain sight: `p.AFTER.START` for a page, `q.AFTER.START` for a page of changes, `s.START.ERA` for a
/// sync; START is the number of the newest change when the enumeration began.
enum GoogleCalendarAPI {
    /// Sync tokens of an earlier era are expired.
    static func answer(
        _ request: SandboxRequest, user: Int, store: inout ObjectStore, era: Int
    ) -> SandboxResponse {
        // /google-calendar/calendar/v3/…
        let segments = Array(request.segments.dropFirst())
        guard request.method == "GET", segments.count >= 4, segments[0] == "calendar", segments[1] == "v3"
        else {
            return failure(404, "notFound", "Not Found")
        }
        if segments[2...] == ["users", "me", "calendarList"] {
            return list(request, CollectionKey(user: user, stream: .calendars, parent: 0), &store, nil)
        }
        guard segments.count == 5, segments[2] == "calendars", segments[4] == "events" else {
            return failure(404, "notFound", "Not Found")
        }
        let calendars = CollectionKey(user: user, stream: .calendars, parent: 0)
        let states = store.objects(calendars)
        guard
            let number = states.indices.first(where: {
                !states[$0].isDeleted && ObjectBytes.identifier(calendars, $0) == segments[3]
            })
        else { return failure(404, "notFound", "Not Found") }
        return list(
            request, CollectionKey(user: user, stream: .events, parent: number), &store, era)
    }

    private static let forbiddenWithSyncToken = [
        "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax",
        "updatedMin",
    ]

    /// `era` is nil for a list without sync tokens.
    private static func list(
        _ request: SandboxRequest, _ key: CollectionKey, _ store: inout ObjectStore, _ era: Int?
    ) -> SandboxResponse {
        let limit = request.query["maxResults"].map { Int($0) ?? 0 } ?? 250
        guard limit >= 1 else { return failure(400, "invalidParameter", "Invalid value for maxResults") }
        let pageToken = request.query["pageToken"].map { $0.split(separator: ".").map(String.init) }
        if let token = request.query["syncToken"], let era {
            if let parameter = forbiddenWithSyncToken.first(where: { request.query[$0] != nil }) {
                return failure(400, "invalidParameter", "Sync token cannot be combined with \(parameter)")
            }
            let parts = token.split(separator: ".")
            guard parts.count == 3, parts[0] == "s", let since = Int64(parts[1]), Int(parts[2]) == era else {
                return failure(
                    410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
            }
            return changes(since: since, pageToken, min(limit, 2_500), key, &store, era)
        }
        var after = -1
        var started = store.sequence
        if let pageToken {
            guard pageToken.count == 3, pageToken[0] == "p", let index = Int(pageToken[1]),
                let start = Int64(pageToken[2])
            else { return failure(400, "invalidParameter", "Invalid page token value.") }
            (after, started) = (index, start)
        }
        let states = store.objects(key)
        var items: [String] = []
        var index = after + 1
        var last = after
        while index < states.count, items.count < min(limit, 2_500) {
            if !states[index].isDeleted {
                items.append(ObjectBytes.json(key, index, states[index]))
                last = index
            }
            index += 1
        }
        let hasMore = states[index...].contains { !$0.isDeleted }
        let next =
            hasMore
            ? ",\"nextPageToken\":\"p.\(last).\(started)\""
            : era.map { ",\"nextSyncToken\":\"s.\(started).\($0)\"" } ?? ""
        return page(key, items, next)
    }

    /// What changed, deletions as cancelled events.
    private static func changes(
        since: Int64, _ pageToken: [String]?, _ limit: Int, _ key: CollectionKey, _ store: inout ObjectStore,
        _ era: Int
    ) -> SandboxResponse {
        var after = since
        var started = store.sequence
        if let pageToken {
            guard pageToken.count == 3, pageToken[0] == "q", let sequence = Int64(pageToken[1]),
                let start = Int64(pageToken[2])
            else { return failure(400, "invalidParameter", "Invalid page token value.") }
            (after, started) = (sequence, start)
        }
        let states = store.objects(key)
        let changed = states.indices
            .filter { states[$0].changedAt > after }
            .sorted { states[$0].changedAt < states[$1].changedAt }
        let shown = changed.prefix(limit)
        let items = shown.map { ObjectBytes.json(key, $0, states[$0]) }
        let next =
            changed.count > limit
            ? ",\"nextPageToken\":\"q.\(shown.last.map { states[$0].changedAt } ?? after).\(started)\""
            : ",\"nextSyncToken\":\"s.\(started).\(era)\""
        return page(key, items, next)
    }

    private static func page(_ key: CollectionKey, _ items: [String], _ next: String) -> SandboxResponse {
        let kind = key.stream == .calendars ? "calendar#calendarList" : "calendar#events"
        return SandboxResponse(
            json:
                "{\"kind\":\"\(kind)\",\"etag\":\"\\\"p3\\\"\"\(next),\"items\":[\(items.joined(separator: ","))]}"
        )
    }

    static func failure(_ status: Int, _ reason: String, _ message: String) -> SandboxResponse {
        SandboxResponse(
            status: status,
            json: """
                {"error":{"errors":[{"domain":"calendar","reason":"\(reason)","message":"\(message)"}],\
                "code":\(status),"message":"\(message)"}}
                """)
    }
}

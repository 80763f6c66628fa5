// SPDX-License-Identifier: Apache-2.0

import Model

/// Google Calendar's lists of calendars and events, with sync tokens
/// (https://developers.google.com/workspace/calendar/api/guides/sync).
struct GoogleCalendarAPI {
    let store: ObjectStore
    let bytes: ObjectBytes
    let eras: TokenEras
    var twist: PageTwist?

    private static let forbiddenWithSyncToken = [
        "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax",
        "updatedMin",
    ]
    /// Filters of the real service that change what a list holds. To ignore one would be to answer wrongly.
    private static let notServed = [
        "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "eventTypes",
        "minAccessRole", "fields",
    ]

    /// `/google-calendar/calendar/v3/…` for a user whose token is right.
    func answer(_ request: SandboxRequest, user: Int) -> SandboxResponse {
        let segments = request.segments.dropFirst()
        guard request.method == "GET", segments.count >= 4, segments.prefix(2) == ["calendar", "v3"] else {
            return GoogleRefusal.notFound.response
        }
        let calendars = store[CollectionKey(user: user, stream: .calendars)]
        do throws(GoogleRefusal) {
            if request.segments[3...] == ["users", "me", "calendarList"] {
                return try list(request.query, calendars)
            }
            guard (5...6).contains(segments.count), request.segments[3] == "calendars",
                request.segments[5] == "events",
                let number = bytes.index(of: request.segments[4], in: calendars), calendars.isLive(number)
            else { throw GoogleRefusal.notFound }
            let events = store[CollectionKey(user: user, stream: .events, parent: number)]
            guard segments.count == 6 else { return try list(request.query, events) }
            guard let index = bytes.index(of: request.segments[6], in: events), events.isReachable(index)
            else { throw GoogleRefusal.notFound }
            return SandboxResponse(json: bytes.json(events, index))
        } catch {
            return error.response
        }
    }

    /// The method's name in the API's description, such as `events.list`.
    static func endpoint(_ request: SandboxRequest) -> String? {
        let segments = Array(request.segments.dropFirst(3))
        switch (request.method, segments.joined(separator: "/")) {
        case ("GET", "users/me/calendarList"): return "calendarList.list"
        case ("POST", "users/me/calendarList/watch"): return "calendarList.watch"
        case ("POST", "channels/stop"): return "channels.stop"
        default: break
        }
        guard (3...4).contains(segments.count), segments[0] == "calendars", segments[2] == "events" else {
            return nil
        }
        switch (request.method, segments.count) {
        case ("GET", 3): return "events.list"
        case ("GET", _): return "events.get"
        case ("POST", 3): return "events.insert"
        case ("POST", _): return segments[3] == "watch" ? "events.watch" : nil
        case ("PATCH", 4): return "events.patch"
        case ("DELETE", 4): return "events.delete"
        default: return nil
        }
    }

    private func list(
        _ query: [String: String], _ collection: Collection
    ) throws(GoogleRefusal) -> SandboxResponse {
        let limit = try pageSize(query, collection.key)
        let begun = try begin(query, collection.key)
        try checkFilters(query)
        var place = begun
        if twist == .firstAgain {
            (place.position, place.page) = (place.kind == .changes ? place.since : -1, 1)
        }
        let indices: [Int]
        if twist == .empty {
            indices = []
            place.page += 1
        } else if place.kind == .changes {
            indices = changes(&place, collection, limit)
        } else {
            let stretch = try EventStretch(query)
            indices = everything(&place, collection, limit, updatedMin: try updatedMin(query)) { index in
                stretch.map { $0.holds(bytes.json(collection, index)) } ?? true
            }
        }
        return page(collection, indices, next: twist == .repeated ? begun : place)
    }

    /// The next objects, and moves the place behind them; a place without a next page becomes that of a sync
    /// token.
    private func everything(
        _ place: inout PageToken, _ collection: Collection, _ limit: Int, updatedMin: Int64?,
        _ isMeant: (Int) -> Bool
    ) -> [Int] {
        var shown: [Int] = []
        for index in (place.position + 1)..<max(place.position + 1, collection.count) {
            let isShown =
                updatedMin.map { collection.updated(index) >= $0 }
                ?? (place.showsDeleted || collection.isShown(index, in: collection.key.stream))
            guard isShown, collection.isReachable(index), isMeant(index) else { continue }
            if shown.count == limit {
                place.page += 1
                return shown
            }
            shown.append(index)
            place.position = index
        }
        end(&place)
        return shown
    }

    /// What changed since the last time and before this enumeration began, oldest change first. What changes
    /// now comes next time. Of a deleted series the series alone is told.
    private func changes(_ place: inout PageToken, _ collection: Collection, _ limit: Int) -> [Int] {
        let changes = collection.changes(after: place.position, upTo: place.started)
            .filter { collection.isReachable(Int($0.index)) }
        let shown = changes.prefix(limit)
        if changes.count > limit, let last = shown.last {
            place.position = last.sequence
            place.page += 1
        } else {
            end(&place)
        }
        return shown.map { Int($0.index) }
    }

    private func end(_ place: inout PageToken) {
        place = PageToken(kind: .sync, era: place.era, started: place.started)
    }

    private func page(_ collection: Collection, _ indices: [Int], next place: PageToken) -> SandboxResponse {
        let key = collection.key
        var place = place
        place.era = eras.era(place.kind == .sync ? .sync : .page, user: key.user)
        let name = place.kind == .sync ? "nextSyncToken" : "nextPageToken"
        let items = indices.map { bytes.json(collection, $0) }.joined(separator: ",")
        return SandboxResponse(
            json: "{\(head(collection)),\"\(name)\":\"\(place.text(key, seed: seed))\",\"items\":[\(items)]}")
    }

    private func head(_ collection: Collection) -> String {
        let key = collection.key
        let version = "\"etag\":\"\\\"p3\(collection.journal.last?.sequence ?? 0)\\\"\""
        guard key.stream == .events else { return "\"kind\":\"calendar#calendarList\",\(version)" }
        let updated = collection.clock.time(ofChange: collection.journal.last?.sequence ?? 0)
        return """
            "kind":"calendar#events",\(version),\
            "summary":"\(bytes.id(CollectionKey(user: key.user, stream: .calendars), key.parent))",\
            "description":"","updated":"\(Timestamp(seconds: updated).rfc3339Milliseconds)",\
            "timeZone":"Europe/Berlin",\
            "accessRole":"owner","defaultReminders":[]
            """
    }

    private var seed: UInt64 { store.configuration.seed }

    /// Where the enumeration stands that the request goes on with or begins.
    private func begin(_ query: [String: String], _ key: CollectionKey) throws(GoogleRefusal) -> PageToken {
        var since: Int?
        if let text = query["syncToken"] {
            if let name = Self.forbiddenWithSyncToken.first(where: { query[$0] != nil }) {
                throw GoogleRefusal.invalid(name, "Sync token cannot be combined with \(name).", "badRequest")
            }
            if query["showDeleted"] == "false" {
                throw GoogleRefusal.invalid(
                    "showDeleted", "Sync token cannot be combined with showDeleted=false.", "badRequest")
            }
            guard let token = PageToken(text, key, seed: seed), token.kind == .sync,
                token.era == eras.era(.sync, user: key.user),
                store.sequence - token.started <= store.configuration.syncTokenLifetime ?? .max
            else { throw GoogleRefusal.fullSyncRequired }
            since = token.started
        }
        let isDeletedShown = query["showDeleted"] == "true"
        guard let text = query["pageToken"] else {
            guard let since else {
                return PageToken(kind: .full, era: 0, started: store.sequence, showsDeleted: isDeletedShown)
            }
            return PageToken(
                kind: .changes, era: 0, started: store.sequence, since: since, position: since)
        }
        guard let token = PageToken(text, key, seed: seed), token.kind != .sync,
            token.era == eras.era(.page, user: key.user),
            token.kind == .changes ? since == nil || token.since == since : since == nil,
            token.kind == .changes || token.showsDeleted == isDeletedShown,
            store.sequence - token.started <= store.configuration.pageTokenLifetime ?? .max
        else { throw GoogleRefusal.invalid("pageToken", "Invalid page token value.", "invalid") }
        return token
    }

    private func pageSize(_ query: [String: String], _ key: CollectionKey) throws(GoogleRefusal) -> Int {
        let (usual, most) = key.stream == .calendars ? (100, 250) : (250, 2_500)
        guard let text = query["maxResults"] else { return usual }
        guard let value = Int(text), value >= 1, value <= Int(Int32.max) else {
            throw GoogleRefusal.invalid(
                "maxResults", "Invalid value '\(text)'. Values must be within the range: [1, \(most)]",
                "invalidParameter")
        }
        return min(value, most)
    }

    private func checkFilters(_ query: [String: String]) throws(GoogleRefusal) {
        if let name = Self.notServed.first(where: { query[$0] != nil }) {
            throw GoogleRefusal.invalid(name, "The sandbox does not serve \(name).", "invalidParameter")
        }
        if query["singleEvents"] == "true" {
            throw GoogleRefusal.invalid(
                "singleEvents", "The sandbox does not expand recurring events.", "invalidParameter")
        }
    }

    private func updatedMin(_ query: [String: String]) throws(GoogleRefusal) -> Int64? {
        guard let text = query["updatedMin"] else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw GoogleRefusal.invalid("updatedMin", "Bad Request", "badRequest")
        }
        return time.seconds
    }
}

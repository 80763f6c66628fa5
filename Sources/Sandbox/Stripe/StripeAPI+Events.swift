// SPDX-License-Identifier: Apache-2.0

/// The feed of changes: newest first, for thirty days. What an event shows of its object is written as an older
/// version of the API wrote it, so that only fetching the object again gives its true form.
extension StripeAPI {
    static let snapshotVersion = "2017-08-15"

    func events(_ request: SandboxRequest, user: Int) -> SandboxResponse {
        do throws(Refusal) {
            switch request.segments.count {
            case 3: return try list(request, user)
            case 4:
                let id = request.segments[3]
                guard let number = number(of: id, user), isKept(number, user) else {
                    throw Refusal(404, "resource_missing", "No such event: '\(id)'", "id")
                }
                return SandboxResponse(json: json(number, user))
            default: throw Refusal(404, nil, "Unrecognized request URL.")
            }
        } catch {
            return error.response
        }
    }

    func eventID(_ number: Int, _ user: Int) -> String {
        "evt_1" + bytes.names.code(feedKey(user), number, length: 23)
    }

    /// An event as a list and a webhook show it.
    func json(_ number: Int, _ user: Int) -> String {
        guard let (key, change) = store.change(number) else { return "{}" }
        let object = bytes.json(store[key], Int(change.index), asOf: number, .snapshot)
        return """
            {"id":"\(eventID(number, user))","object":"event","api_version":"\(Self.snapshotVersion)",\
            "created":\(store.configuration.clock.time(ofChange: number)),"data":{"object":\(object)},"livemode":false,\
            "pending_webhooks":0,"request":{"id":null,"idempotency_key":null},\
            "type":"\(Self.type(key.stream, change.kind))"}
            """
    }

    static func type(_ stream: SandboxStream, _ kind: ObjectChange.Kind) -> String {
        switch (stream, kind) {
        case (.subscriptions, _): "customer.subscription.\(kind.name)"
        case (.paymentIntents, .updated): "payment_intent.succeeded"
        case (.charges, .created): "charge.succeeded"
        default: "\(stream.noun).\(kind.name)"
        }
    }

    private func list(_ request: SandboxRequest, _ user: Int) throws(Refusal) -> SandboxResponse {
        let query = request.query
        try checkNames(query, nil)
        let limit = try integer("limit", in: query) ?? 10
        guard (1...100).contains(limit) else {
            throw Refusal(400, "parameter_invalid_integer", "This value is from 1 to 100.", "limit")
        }
        let types = request.pairs.filter { $0.name == "types[]" || $0.name == "type" }.map(\.value)
        let isMeant = try created(query)
        let feed = store.feed(user: user, service: .stripe)
        let after = try place("starting_after", query, user)
        let before = try place("ending_before", query, user)
        func isShown(_ number: Int) -> Bool {
            isKept(number, user) && isMeant(store.configuration.clock.time(ofChange: number))
                && matches(number, types)
        }
        var shown: [Int] = []
        if let before {
            for number in feed where number > before && shown.count <= limit && isShown(number) {
                shown.append(number)
            }
        } else if twist != .empty {
            for number in feed.reversed() where number < after ?? .max || twist == .firstAgain {
                guard shown.count <= limit, isKept(number, user) else { break }
                if isShown(number) { shown.append(number) }
            }
        }
        let hasMore = shown.count > limit || twist == .empty || twist == .repeated
        let page = before == nil ? Array(shown.prefix(limit)) : shown.prefix(limit).reversed()
        return SandboxResponse(
            json: """
                {"object":"list","url":"/v1/events","has_more":\(hasMore),\
                "data":[\(page.map { json($0, user) }.joined(separator: ","))]}
                """)
    }

    /// Whether an event of a change is still there: not too old, and not before what the control cut off.
    private func isKept(_ number: Int, _ user: Int) -> Bool {
        store.sequence - number <= store.configuration.eventHorizon && number > eras.floor(user: user)
    }

    private func place(_ name: String, _ query: [String: String], _ user: Int) throws(Refusal) -> Int? {
        guard let id = query[name] else { return nil }
        guard let number = number(of: id, user), isKept(number, user) else {
            throw Refusal(400, "resource_missing", "No such event: '\(id)'", name)
        }
        return number
    }

    private func number(of id: String, _ user: Int) -> Int? {
        guard id.hasPrefix("evt_1"),
            let number = bytes.names.number(of: id.dropFirst(5), feedKey(user), below: store.sequence + 1),
            let change = store.change(number), change.key.user == user, change.key.stream.service == .stripe
        else { return nil }
        return number
    }

    private func matches(_ number: Int, _ types: [String]) -> Bool {
        guard !types.isEmpty, let (key, change) = store.change(number) else { return types.isEmpty }
        let type = Self.type(key.stream, change.kind)
        return types.contains { pattern in
            pattern == "*" || pattern == type
                || (pattern.hasSuffix(".*") && type.hasPrefix(pattern.dropLast()))
        }
    }

    private func created(_ query: [String: String]) throws(Refusal) -> (Int64) -> Bool {
        let exact = try integer("created", in: query).map { Int64($0) }
        let (above, least) = (try integer("created[gt]", in: query), try integer("created[gte]", in: query))
        let (below, most) = (try integer("created[lt]", in: query), try integer("created[lte]", in: query))
        return { time in
            (exact == nil || time == exact) && time > Int64(above ?? .min) && time >= Int64(least ?? .min)
                && time < Int64(below ?? .max) && time <= Int64(most ?? .max)
        }
    }

    /// Event ids come of the user alone.
    private func feedKey(_ user: Int) -> CollectionKey {
        CollectionKey(user: user, stream: .customers, parent: 1)
    }
}

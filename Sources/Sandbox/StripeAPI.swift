// SPDX-License-Identifier: Apache-2.0

/// Stripe's list endpoints: newest first, `starting_after`, `has_more` (https://docs.stripe.com/api/pagination).
enum StripeAPI {
    static func answer(_ request: SandboxRequest, user: Int, store: inout ObjectStore) -> SandboxResponse {
        // /stripe/v1/{resource}[/{id}]
        let segments = Array(request.segments.dropFirst())
        guard request.method == "GET" else {
            return failure(405, "method_not_allowed", "Only GET is served.")
        }
        guard segments.count >= 2, segments[0] == "v1", let stream = SandboxStream(rawValue: segments[1]),
            stream.service == "stripe"
        else {
            return failure(404, "resource_missing", "Unrecognized request URL (GET: \(request.path)).")
        }
        let key = CollectionKey(user: user, stream: stream, parent: 0)
        return segments.count == 2
            ? list(request, key, &store) : object(segments[2], key, &store)
    }

    private static func list(
        _ request: SandboxRequest, _ key: CollectionKey, _ store: inout ObjectStore
    ) -> SandboxResponse {
        let limit = request.query["limit"].map { Int($0) ?? 0 } ?? 10
        guard (1...100).contains(limit) else {
            return failure(400, "parameter_invalid_integer", "This value must be between 1 and 100.", "limit")
        }
        let states = store.objects(key)
        var index = states.count - 1
        if let after = request.query["starting_after"] {
            guard let found = find(after, key, states) else {
                let resource = String(key.stream.rawValue.dropLast())
                return failure(400, "resource_missing", "No such \(resource): '\(after)'", "starting_after")
            }
            index = found - 1
        }
        var items: [String] = []
        while index >= 0, items.count <= limit {
            let state = states[index]
            if !state.isDeleted, matches(state.created, request.query) {
                items.append(ObjectBytes.json(key, index, state))
            }
            index -= 1
        }
        let hasMore = items.count > limit
        return SandboxResponse(
            json: """
                {"object":"list","url":"/v1/\(key.stream.rawValue)","has_more":\(hasMore),\
                "data":[\(items.prefix(limit).joined(separator: ","))]}
                """)
    }

    private static func object(_ id: String, _ key: CollectionKey, _ store: inout ObjectStore)
        -> SandboxResponse
    {
        let states = store.objects(key)
        for (index, state) in states.enumerated() where ObjectBytes.identifier(key, index) == id {
            guard state.isDeleted else { return SandboxResponse(json: ObjectBytes.json(key, index, state)) }
            let kind = key.stream.rawValue.dropLast()
            return SandboxResponse(json: "{\"id\":\"\(id)\",\"object\":\"\(kind)\",\"deleted\":true}")
        }
        return failure(404, "resource_missing", "No such object: '\(id)'", "id")
    }

    /// A deleted object is no valid place to go on from.
    private static func find(_ id: String, _ key: CollectionKey, _ states: [ObjectState]) -> Int? {
        states.indices.reversed().first { index in
            !states[index].isDeleted && ObjectBytes.identifier(key, index) == id
        }
    }

    private static func matches(_ created: Int64, _ query: [String: String]) -> Bool {
        func bound(_ name: String) -> Int64? { query["created[\(name)]"].flatMap { Int64($0) } }
        if let value = bound("gte"), created < value { return false }
        if let value = bound("gt"), created <= value { return false }
        if let value = bound("lte"), created > value { return false }
        if let value = bound("lt"), created >= value { return false }
        return true
    }

    static func failure(
        _ status: Int, _ code: String, _ message: String, _ parameter: String? = nil
    ) -> SandboxResponse {
        let param = parameter.map { ",\"param\":\"\($0)\"" } ?? ""
        return SandboxResponse(
            status: status,
            json: """
                {"error":{"type":"invalid_request_error","code":"\(code)","message":"\(message)"\(param)}}
                """)
    }
}

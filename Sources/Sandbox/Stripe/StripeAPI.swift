// SPDX-License-Identifier: Apache-2.0

/// Stripe's list and retrieve endpoints: newest first, `starting_after`, `has_more`
/// (https://docs.stripe.com/api/pagination).
struct StripeAPI {
    let store: ObjectStore
    let bytes: ObjectBytes
    let eras: TokenEras
    var twist: PageTwist?
    /// How objects are written in the version that the request names.
    var shape = ObjectBytes.Shape.usual

    /// The API's version of requests that name none.
    static let version = "2024-06-20"

    /// From this version on the period of a subscription stands at its items, and an invoice shows no payment intent, but a
    /// confirmation secret.
    static let basil = "2025-03-31"

    static func version(of request: SandboxRequest) -> String { request.header("Stripe-Version") ?? version }

    static func shape(of request: SandboxRequest) -> ObjectBytes.Shape {
        version(of: request) >= basil ? .usual : .unversioned
    }

    private static let parameters: Set<String> = ["limit", "starting_after", "ending_before", "created"]
    private static let bounds = ["gt", "gte", "lt", "lte"]

    /// `/stripe/v1/{resource}[/{id}]` for a user whose key is right.
    func answer(_ request: SandboxRequest, user: Int) -> SandboxResponse {
        let segments = request.segments.dropFirst()
        if request.method == "GET", segments.first == "v1", segments.dropFirst().first == "events" {
            return events(request, user: user)
        }
        guard request.method == "GET", (2...3).contains(segments.count), segments.first == "v1",
            let stream = SandboxStream(request.segments[2], of: .stripe)
        else {
            return Self.failure(
                404, nil, "Unrecognized request URL (\(request.method): /\(segments.joined(separator: "/")))."
            )
        }
        let collection = store[CollectionKey(user: user, stream: stream)]
        do throws(Refusal) {
            return segments.count == 2
                ? try list(request.query, collection) : try object(request.segments[3], collection)
        } catch {
            return error.response
        }
    }

    /// The resource and what is done with it, such as `customers.list`.
    static func endpoint(_ request: SandboxRequest) -> String? {
        let segments = request.segments
        guard (3...4).contains(segments.count), segments[1] == "v1",
            segments[2] == "events" || SandboxStream(segments[2], of: .stripe) != nil
        else { return nil }
        switch (request.method, segments.count) {
        case ("GET", 3): return segments[2] + ".list"
        case ("GET", 4): return segments[2] + ".get"
        case ("POST", 3) where segments[2] == "subscriptions": return "subscriptions.create"
        case ("POST", 4) where segments[2] == "subscriptions": return "subscriptions.update"
        case ("DELETE", 4) where segments[2] == "subscriptions": return "subscriptions.cancel"
        default: return nil
        }
    }

    struct Refusal: Error {
        let response: SandboxResponse

        init(_ status: Int, _ code: String?, _ message: String, _ parameter: String? = nil) {
            response = failure(status, code, message, parameter)
        }
    }

    private func list(_ query: [String: String], _ collection: Collection) throws(Refusal) -> SandboxResponse
    {
        try checkNames(query, collection.key.stream)
        let isListed = try filter(query, collection)
        let limit = try integer("limit", in: query) ?? 10
        guard limit >= 1 else {
            throw Refusal(
                400, "parameter_invalid_integer", "This value must be greater than or equal to 1.", "limit")
        }
        guard limit <= 100 else {
            throw Refusal(
                400, "parameter_invalid_integer",
                "This value must be less than or equal to 100 (it currently is '\(limit)').", "limit")
        }
        var (low, high) = try createdRange(query, collection)
        if let id = query["ending_before"] {
            guard query["starting_after"] == nil else {
                throw Refusal(
                    400, nil, "You may only specify one of these parameters: ending_before, starting_after.",
                    nil)
            }
            low = max(low, try position(of: id, collection, "ending_before", isListed) + 1)
            return older(collection, low, high, limit, isListed)
        }
        if let id = query["starting_after"] {
            let position = try position(of: id, collection, "starting_after", isListed)
            switch twist {
            case .firstAgain: break
            case .repeated: return repeated(collection, endingAt: position, limit, isListed)
            case .empty, nil: high = min(high, position)
            }
        }
        if twist == .empty { return page(collection, [], hasMore: true) }
        var items: [Int] = []
        var index = high - 1
        while index >= low, items.count <= limit {
            if isListed(index) { items.append(index) }
            index -= 1
        }
        return page(collection, items.prefix(limit), hasMore: items.count > limit)
    }

    /// The page before an object: the oldest of what is newer, still newest first.
    private func older(
        _ collection: Collection, _ low: Int, _ high: Int, _ limit: Int, _ isListed: (Int) -> Bool
    ) -> SandboxResponse {
        var items: [Int] = []
        var index = low
        while index < high, items.count <= limit {
            if isListed(index) { items.append(index) }
            index += 1
        }
        return page(collection, items.prefix(limit).reversed(), hasMore: items.count > limit)
    }

    /// The page that the client just had: its last object is the one that it asked to go on after.
    private func repeated(
        _ collection: Collection, endingAt position: Int, _ limit: Int, _ isListed: (Int) -> Bool
    ) -> SandboxResponse {
        var items: [Int] = []
        for index in position..<collection.count where items.count < limit && isListed(index) {
            items.append(index)
        }
        return page(collection, items.reversed(), hasMore: true)
    }

    private func page(
        _ collection: Collection, _ items: some Sequence<Int>, hasMore: Bool
    ) -> SandboxResponse {
        SandboxResponse(
            json: """
                {"object":"list","url":"/v1/\(collection.key.stream.rawValue)","has_more":\(hasMore),\
                "data":[\(items.map { bytes.json(collection, $0, shape) }.joined(separator: ","))]}
                """)
    }

    private func object(_ id: String, _ collection: Collection) throws(Refusal) -> SandboxResponse {
        let index = bytes.index(of: id, in: collection)
        if let index, collection.isLive(index) {
            return SandboxResponse(json: bytes.json(collection, index, shape))
        }
        // A cancelled subscription stays; of what is deleted, Stripe remembers customers.
        if let index, collection.key.stream == .subscriptions {
            return SandboxResponse(json: bytes.json(collection, index, shape))
        }
        guard index != nil, collection.key.stream == .customers else {
            throw missing(id, collection, 404, "id")
        }
        return SandboxResponse(json: #"{"id":"\#(id)","object":"customer","deleted":true}"#)
    }

    private func position(
        of id: String, _ collection: Collection, _ parameter: String, _ isListed: (Int) -> Bool
    ) throws(Refusal) -> Int {
        // A deleted object is no place to go on from.
        guard let index = bytes.index(of: id, in: collection), collection.isLive(index) || isListed(index)
        else {
            throw missing(id, collection, 400, parameter)
        }
        return index
    }

    private func missing(
        _ id: String, _ collection: Collection, _ status: Int, _ parameter: String
    ) -> Refusal {
        Refusal(status, "resource_missing", "No such \(collection.key.stream.noun): '\(id)'", parameter)
    }

    /// Which objects a list has: the live ones, and of subscriptions those with the status asked for.
    private func filter(_ query: [String: String], _ collection: Collection) throws(Refusal) -> (Int) -> Bool
    {
        guard let status = query["status"] else { return collection.isLive }
        switch status {
        case "all": return { _ in true }
        case "canceled": return { !collection.isLive($0) }
        case "active": return collection.isLive
        default: throw Refusal(400, nil, "The sandbox filters by all, active and canceled.", "status")
        }
    }

    func checkNames(_ query: [String: String], _ stream: SandboxStream?) throws(Refusal) {
        var known = Self.parameters.union(Self.bounds.map { "created[\($0)]" })
        known.insert("expand[]")
        switch stream {
        case .subscriptions: known.insert("status")
        case nil: known.formUnion(["type", "types[]"])
        default: break
        }
        guard let unknown = query.keys.sorted().first(where: { !known.contains($0) }) else { return }
        throw Refusal(400, "parameter_unknown", "Received unknown parameter: \(unknown)", unknown)
    }

    /// The numbers of the objects that were created in the range asked for.
    private func createdRange(
        _ query: [String: String], _ collection: Collection
    ) throws(Refusal) -> (low: Int, high: Int) {
        var (first, end) = (Int.min, Int.max)
        if let exact = try integer("created", in: query) { (first, end) = (exact, exact + 1) }
        if let value = try integer("created[gte]", in: query) { first = max(first, value) }
        if let value = try integer("created[gt]", in: query) { first = max(first, value + 1) }
        if let value = try integer("created[lt]", in: query) { end = min(end, value) }
        if let value = try integer("created[lte]", in: query) { end = min(end, value + 1) }
        return (
            collection.firstIndex(createdAtOrAfter: Int64(first)),
            collection.firstIndex(createdAtOrAfter: Int64(end))
        )
    }

    func integer(_ name: String, in query: [String: String]) throws(Refusal) -> Int? {
        guard let text = query[name] else { return nil }
        // The bound keeps sums of what is asked for in range.
        guard let value = Int(text), (-(1 << 53)...1 << 53).contains(value) else {
            throw Refusal(400, "parameter_invalid_integer", "Invalid integer: \(text)", name)
        }
        return value
    }

    /// Stripe's error body; the type follows from the status.
    static func failure(
        _ status: Int, _ code: String?, _ message: String, _ parameter: String? = nil,
        decline: String? = nil, type given: String? = nil
    ) -> SandboxResponse {
        let type =
            given ?? (status >= 500 ? "api_error" : status == 402 ? "card_error" : "invalid_request_error")
        let codeText = code.map { code in
            let page = code.split(separator: "_").joined(separator: "-")
            return #""code":"\#(code)","doc_url":"https://stripe.com/docs/error-codes/\#(page)","#
        }
        let parameterText = parameter.map { "\"param\":\(JSONText.quoted($0))," }
        return SandboxResponse(
            status: status,
            json: """
                {"error":{\(codeText ?? "")\(decline.map { "\"decline_code\":\"\($0)\"," } ?? "")"message":\(JSONText.quoted(message)),\
                \(parameterText ?? "")"type":"\(type)"}}
                """)
    }

    /// The refusal of a key that is missing or wrong.
    static func unauthorized(_ key: String?) -> SandboxResponse {
        var response = failure(
            401, nil,
            key.map { "Invalid API Key provided: \($0.prefix(8))****" }
                ?? "You did not provide an API key. Provide it as 'Authorization: Bearer YOUR_SECRET_KEY'.")
        response.headers.append(("WWW-Authenticate", "Bearer realm=\"Stripe\""))
        return response
    }
}

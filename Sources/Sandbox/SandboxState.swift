// SPDX-License-Identifier: Apache-2.0

import Model

/// The whole sandbox as a value: a request goes in, a response comes out.
struct SandboxState {
    private let configuration: SandboxConfiguration
    private var store: ObjectStore
    private var faults = FaultPlan()
    private var ledger = RequestLedger()
    private var revoked: Set<Int> = []
    /// Raised when all sync tokens are made to expire.
    private var era = 0
    private let bench = BenchmarkList()

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
        store = ObjectStore(configuration)
    }

    mutating func editSomewhere() { store.editSomewhere() }

    mutating func answer(_ request: SandboxRequest, at now: Timestamp) -> SandboxResponse {
        switch request.segments.first {
        case "stripe", "google-calendar": return serve(request, at: now)
        case "bench": return bench.answer(request)
        case "_control": return control(request)
        default:
            return SandboxResponse(
                status: 404,
                json: #"{"error":"paths begin with /stripe, /google-calendar, /bench or /_control"}"#)
        }
    }

    private mutating func serve(_ request: SandboxRequest, at now: Timestamp) -> SandboxResponse {
        let service = request.segments[0]
        let user = user(of: request, service: service)
        var response: SandboxResponse
        var met: Fault?
        if let user {
            let stream = streamName(request)
            met = faults.next(service: service, stream: stream, user: user)
            response = met.map { faulty($0, request, service, user) } ?? plain(request, service, user)
        } else {
            response =
                service == "stripe"
                ? StripeAPI.failure(401, "invalid_api_key", "Invalid API Key provided.")
                : GoogleCalendarAPI.failure(401, "authError", "Invalid Credentials")
        }
        response.headers.append(("Request-Id", "req_\(ledger.total + 1)"))
        let sequence = store.sequence
        ledger.add { number in
            RequestLedger.Entry(
                number: number, at: now, method: request.method, path: request.path, query: request.queryText,
                user: user, status: response.status, bytes: response.body.count, sequence: sequence,
                fault: met?.kind.rawValue)
        }
        return response
    }

    private mutating func plain(_ request: SandboxRequest, _ service: String, _ user: Int) -> SandboxResponse
    {
        service == "stripe"
            ? StripeAPI.answer(request, user: user, store: &store)
            : GoogleCalendarAPI.answer(request, user: user, store: &store, era: era)
    }

    private mutating func faulty(
        _ fault: Fault, _ request: SandboxRequest, _ service: String, _ user: Int
    ) -> SandboxResponse {
        var response = plain(request, service, user)
        switch fault.kind {
        case .status:
            response =
                service == "stripe"
                ? StripeAPI.failure(fault.status, "sandbox_fault", "A fault on demand.")
                : GoogleCalendarAPI.failure(fault.status, "sandboxFault", "A fault on demand.")
            if let wait = fault.retryAfter { response.headers.append(("Retry-After", wait)) }
        case .hang: response.delivery = .hang
        case .reset: response.delivery = .reset
        case .truncated: response.delivery = .truncated
        case .slow: response.delivery = .delayed(milliseconds: fault.milliseconds)
        case .html:
            response = SandboxResponse(
                contentType: "text/html", body: Array("<!doctype html><title>Sign in</title>".utf8))
        case .stalePage, .repeatedToken:
            // Stripe's next page follows from the last id, so a page that names itself as the next is the same page.
            let first = SandboxRequest(
                method: request.method, uri: "\(request.path)?\(withoutPosition(request))",
                authorization: request.authorization)
            if fault.kind == .stalePage || service == "stripe" {
                response = plain(first, service, user)
            } else if let token = request.query["pageToken"] {
                response.body = Self.replacingToken(in: response.body, with: token)
            }
        case .emptyNext:
            let body =
                service == "stripe"
                ? #"{"object":"list","url":"/","has_more":true,"data":[]}"#
                : "{\"kind\":\"calendar#events\",\"nextPageToken\":\"\(request.query["pageToken"] ?? "p.-1.0")\",\"items\":[]}"
            response = SandboxResponse(json: body)
        }
        return response
    }

    private func withoutPosition(_ request: SandboxRequest) -> String {
        request.queryText.split(separator: "&")
            .filter { !$0.hasPrefix("starting_after=") && !$0.hasPrefix("pageToken=") }
            .joined(separator: "&")
    }

    private static func replacingToken(in body: [UInt8], with token: String) -> [UInt8] {
        let text = String(decoding: body, as: UTF8.self)
        for name in ["\"nextPageToken\":\"", "\"nextSyncToken\":\""] {
            guard let start = text.firstRange(of: name),
                let end = text[start.upperBound...].firstIndex(of: "\"")
            else { continue }
            return Array((text[..<start.lowerBound] + "\"nextPageToken\":\"\(token)" + text[end...]).utf8)
        }
        return body
    }

    private func streamName(_ request: SandboxRequest) -> String {
        switch request.segments.last {
        case "calendarList": "calendars"
        case "events": "events"
        default: request.segments.count > 2 ? request.segments[2] : ""
        }
    }

    private func user(of request: SandboxRequest, service: String) -> Int? {
        let prefix = service == "stripe" ? "sk_test_u_" : "ya29.u_"
        guard let token = request.bearer, token.hasPrefix(prefix),
            let user = Int(token.dropFirst(prefix.count)),
            (1...max(1, configuration.users)).contains(user), !revoked.contains(user)
        else { return nil }
        return user
    }

    // MARK: - Control

    private mutating func control(_ request: SandboxRequest) -> SandboxResponse {
        switch (request.method, request.segments.dropFirst().first) {
        case ("POST", "edit"): return edit(request)
        case ("POST", "faults"): return addFault(request)
        case ("DELETE", "faults"):
            faults.clear()
            return SandboxResponse(json: "{}")
        case ("POST", "expire"):
            era += 1
            return SandboxResponse(json: "{\"era\":\(era)}")
        case ("POST", "revoke"):
            guard let users = users(request) else {
                return badControl("user is 'all' or u_1 … u_\(configuration.users)")
            }
            revoked.formUnion(users)
            return SandboxResponse(json: "{}")
        case ("GET", "objects"): return objects(request)
        case ("GET", "ledger"):
            let after = Int64(request.integer("after") ?? 0)
            let entries = ledger.after(after, limit: request.integer("limit") ?? 10_000)
            return SandboxResponse(
                contentType: "application/x-ndjson", body: Array(entries.map { $0.json + "\n" }.joined().utf8)
            )
        case ("GET", "stats"):
            return SandboxResponse(
                json: """
                    {"requests":\(ledger.total),"forgotten":\(ledger.dropped),"changes":\(store.sequence),\
                    "users":\(configuration.users),"objects":\(configuration.objects)}
                    """)
        default:
            return badControl("unknown; there are edit, faults, expire, revoke, objects, ledger and stats")
        }
    }

    private mutating func edit(_ request: SandboxRequest) -> SandboxResponse {
        guard let users = users(request) else {
            return badControl("user is 'all' or u_1 … u_\(configuration.users)")
        }
        var streams: [SandboxStream] = [.customers, .products, .invoices, .events]
        if let name = request.query["stream"] {
            guard let stream = SandboxStream(rawValue: name) else {
                return badControl("stream '\(name)' is unknown")
            }
            streams = [stream]
        }
        for user in users {
            for stream in streams {
                for key in store.keys(user: user, stream: stream) {
                    store.edit(
                        key, creates: request.integer("creates") ?? 0,
                        updates: request.integer("updates") ?? 0,
                        deletes: request.integer("deletes") ?? 0)
                }
            }
        }
        return SandboxResponse(json: "{\"changes\":\(store.sequence)}")
    }

    private mutating func addFault(_ request: SandboxRequest) -> SandboxResponse {
        let kinds = Fault.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        guard let kind = request.query["kind"].flatMap(Fault.Kind.init(rawValue:)) else {
            return badControl("kind is one of \(kinds)")
        }
        faults.add(
            Fault(
                kind: kind, service: request.query["service"], stream: request.query["stream"],
                user: request.query["user"].flatMap { Int($0.dropFirst(2)) },
                status: request.integer("status") ?? 500, retryAfter: request.query["retry_after"],
                milliseconds: request.integer("milliseconds") ?? 1_000, skip: request.integer("skip") ?? 0,
                times: request.integer("times") ?? 1))
        return SandboxResponse(json: "{}")
    }

    /// Live objects with the ids that Lockstep gives them, a line each.
    private mutating func objects(_ request: SandboxRequest) -> SandboxResponse {
        guard let user = users(request)?.first,
            let stream = request.query["stream"].flatMap(SandboxStream.init)
        else {
            return badControl(
                "needs user=u_1 … and stream=\(SandboxStream.allCases.map(\.rawValue).joined(separator: "|"))"
            )
        }
        let moment = request.query["at"].flatMap { Int64($0) }
        let calendars = store.objects(CollectionKey(user: user, stream: .calendars, parent: 0))
        var body = ""
        for key in store.keys(user: user, stream: stream) {
            if stream == .events, calendars[key.parent].isDeleted { continue }
            let states = moment.map { store.objects(key, at: $0) } ?? store.objects(key)
            let parent = CollectionKey(user: user, stream: .calendars, parent: 0)
            let prefix = stream == .events ? ObjectBytes.identifier(parent, key.parent) + "/" : ""
            for (index, state) in states.enumerated() where !state.isDeleted {
                let id = JSONText.escaped(prefix + ObjectBytes.identifier(key, index))
                body += "{\"external_id\":\"\(id)\",\"data\":\(ObjectBytes.json(key, index, state))}\n"
            }
        }
        return SandboxResponse(contentType: "application/x-ndjson", body: Array(body.utf8))
    }

    private func users(_ request: SandboxRequest) -> [Int]? {
        guard let text = request.query["user"] else { return nil }
        if text == "all" { return Array(1...max(1, configuration.users)) }
        guard text.hasPrefix("u_"), let user = Int(text.dropFirst(2)),
            (1...max(1, configuration.users)).contains(user)
        else { return nil }
        return [user]
    }

    private func badControl(_ reason: String) -> SandboxResponse {
        SandboxResponse(status: 400, json: "{\"error\":\"\(JSONText.escaped(reason))\"}")
    }
}

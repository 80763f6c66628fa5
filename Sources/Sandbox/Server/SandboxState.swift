// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The whole sandbox as a value: a request goes in, a response comes out.
struct SandboxState: Sendable {
    let configuration: SandboxConfiguration
    let bytes: ObjectBytes
    var store: ObjectStore
    var faults = FaultPlan()
    var ledger: RequestLedger
    var eras = TokenEras()
    /// Users whose keys are refused.
    var revoked: Set<Int> = []
    private(set) var bench = BenchmarkList()
    private var pages = PageCounter()

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
        bytes = ObjectBytes(configuration)
        store = ObjectStore(configuration)
        ledger = RequestLedger(capacity: configuration.ledgerCapacity)
    }

    mutating func answer(_ request: SandboxRequest, at now: RequestTime) -> SandboxResponse {
        let first = request.segments.first ?? ""
        var response: SandboxResponse
        if let service = SandboxService(rawValue: first) {
            response = serve(request, service, at: now)
        } else if first == "bench" {
            response = bench.answer(request)
        } else if first == "_control" {
            response = control(request)
        } else {
            response = SandboxResponse(
                status: 404,
                json: #"{"error":"paths begin with /stripe, /google-calendar, /bench or /_control"}"#)
        }
        response.date = store.now
        return response
    }

    private mutating func serve(
        _ request: SandboxRequest, _ service: SandboxService, at now: RequestTime
    ) -> SandboxResponse {
        let user = user(of: request, service)
        let endpoint = Self.endpoint(of: request, service)
        let key = user.flatMap { target(of: request, service, user: $0) }
        var fault: Fault?
        if let key {
            let cursor = request.query["starting_after"] ?? request.query["pageToken"]
            let page = pages.page(key, cursor: cursor)
            fault = faults.next(FaultPlan.Target(key: key, page: page))
        }
        var response = answer(request, service, user, twist: fault?.kind.twist)
        if let fault { apply(fault, service, to: &response) }
        response.headers.append(("Request-Id", "req_\(ledger.total + 1)"))
        let (status, sent) =
            switch response.delivery {
            case .hang, .reset: (0, 0)
            case .truncated: (response.status, response.body.readableBytes / 2)
            case .normal, .delayed: (response.status, response.body.readableBytes)
            }
        let sequence = store.sequence
        ledger.add { number in
            RequestLedger.Entry(
                number: number, at: now, service: service, endpoint: endpoint, method: request.method,
                path: RequestLedger.cut(request.path), query: RequestLedger.cut(request.queryText),
                user: user, stream: key?.stream, status: status, bytes: sent, sequence: sequence,
                fault: fault?.kind.rawValue, write: response.write)
        }
        return response
    }

    private func answer(
        _ request: SandboxRequest, _ service: SandboxService, _ user: Int?, twist: PageTwist?
    ) -> SandboxResponse {
        switch (service, user) {
        case (.stripe, let user?):
            return StripeAPI(store: store, bytes: bytes, twist: twist).answer(request, user: user)
        case (.stripe, nil): return StripeAPI.unauthorized(request.bearer)
        case (.googleCalendar, let user?):
            return GoogleCalendarAPI(store: store, bytes: bytes, eras: eras, twist: twist)
                .answer(request, user: user)
        case (.googleCalendar, nil):
            var response = GoogleRefusal.unauthorized.response
            response.headers.append(
                ("WWW-Authenticate", #"Bearer realm="https://accounts.google.com/", error="invalid_token""#))
            return response
        }
    }

    private func apply(_ fault: Fault, _ service: SandboxService, to response: inout SandboxResponse) {
        switch fault.kind {
        case .status:
            switch service {
            case .stripe:
                response = StripeAPI.failure(
                    fault.status, fault.status == 429 ? "rate_limit" : nil, "A fault on demand.")
            case .googleCalendar: response = GoogleRefusal.fault(fault.status).response
            }
            if let body = fault.body { response.body = ByteBuffer(string: body) }
            if let wait = fault.retryAfter { response.headers.append(("Retry-After", wait)) }
        case .html:
            response = SandboxResponse(
                contentType: "text/html; charset=utf-8",
                body: ByteBuffer(
                    string: fault.body ?? "<!doctype html><html><title>Sign in</title><h1>Sign in</h1></html>"
                ))
        case .hang: response.delivery = .hang
        case .reset: response.delivery = .reset
        case .truncated: response.delivery = .truncated
        case .slow: response.delivery = .delayed(milliseconds: fault.milliseconds)
        case .repeatedToken, .emptyNext, .stalePage: break
        }
    }

    /// The user whose key the request carries.
    private func user(of request: SandboxRequest, _ service: SandboxService) -> Int? {
        guard let key = request.bearer, key.hasPrefix(service.keyPrefix),
            let user = configuration.user(named: key.dropFirst(service.keyPrefix.utf8.count)),
            !revoked.contains(user)
        else { return nil }
        return user
    }

    /// What the request asks for, by the name in the provider's documentation; nil for an unknown path.
    private static func endpoint(of request: SandboxRequest, _ service: SandboxService) -> String? {
        switch service {
        case .stripe: StripeAPI.endpoint(request)
        case .googleCalendar: GoogleCalendarAPI.endpoint(request)
        }
    }

    /// The list that the request is about, whether or not it has it right.
    private func target(
        of request: SandboxRequest, _ service: SandboxService, user: Int
    ) -> CollectionKey? {
        let segments = request.segments
        switch service {
        case .stripe:
            guard segments.count >= 3, let stream = SandboxStream(rawValue: segments[2]),
                stream.service == service
            else { return nil }
            return CollectionKey(user: user, stream: stream)
        case .googleCalendar:
            let calendars = CollectionKey(user: user, stream: .calendars)
            guard segments.count >= 6, segments[3] == "calendars", segments[5] == "events" else {
                return segments.last == "calendarList" ? calendars : nil
            }
            let number = bytes.index(of: segments[4], in: store[calendars])
            return CollectionKey(user: user, stream: .events, parent: number ?? 0)
        }
    }
}

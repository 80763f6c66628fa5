// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The whole sandbox as a value: a request goes in, a response comes out.
struct SandboxState: Sendable {
    let configuration: SandboxConfiguration
    let bytes: ObjectBytes
    var store: ObjectStore
    var faults = FaultPlan()
    var limits = RateLimits()
    var ledger: RequestLedger
    var eras = TokenEras()
    var grants: OAuthGrants
    var clients = OAuthClients()
    var idempotency = IdempotencyKeys()
    var mailWatches: [Int: MailWatch] = [:]
    var webhooks = Webhooks()
    /// Users whose tokens are refused.
    var revoked: Set<Int> = []
    private(set) var bench = BenchmarkList()
    private var pages = PageCounter()

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
        bytes = ObjectBytes(configuration)
        store = ObjectStore(configuration)
        ledger = RequestLedger(capacity: configuration.ledgerCapacity)
        grants = OAuthGrants(seed: configuration.seed)
        if configuration.keepsLimits {
            for service in SandboxService.allCases { limits.set(RateLimits.documented(service), of: service) }
        }
    }

    mutating func answer(_ request: SandboxRequest, at now: RequestTime) -> SandboxResponse {
        let first = request.segments.first ?? ""
        var response: SandboxResponse
        if let service = SandboxService(rawValue: first) {
            response = serve(request, service, at: now)
        } else if first == "bench" {
            response = bench.answer(request)
        } else if first == "_control" {
            response = control(request, at: now)
        } else {
            let known = SandboxService.allCases.map { "/\($0.rawValue)" } + ["/bench", "/_control"]
            response = SandboxResponse(
                status: 404, json: #"{"error":"paths begin with one of \#(known.joined(separator: ", "))"}"#)
        }
        if response.date == nil { response.date = store.now }
        return response
    }

    /// What is known of a request before it is answered.
    struct Route {
        let service: SandboxService
        let oauth: OAuthEndpoint?
        let endpoint: String?
        let caller: Caller
        let user: Int?
        let key: CollectionKey?
        let stream: SandboxStream?
    }

    private mutating func serve(
        _ request: SandboxRequest, _ service: SandboxService, at now: RequestTime
    ) -> SandboxResponse {
        let route = route(request, service, at: now)
        let fault = fault(for: request, route)
        var response: SandboxResponse
        if let fault, !fault.isExecuted {
            response = SandboxResponse()
        } else if let oauth = route.oauth {
            response = authorize(oauth, request, service, at: now)
        } else if let refusal = refusal(route, at: now) {
            response = Self.limited(refusal)
        } else {
            response = answer(request, route, twist: fault?.kind.twist, at: now)
        }
        if let fault { apply(fault, service, to: &response) }
        if service == .stripe { finishStripe(request, route, fault, &response) }
        response.headers.append(("Request-Id", "req_\(ledger.total + 1)"))
        record(request, route, fault, response, at: now)
        return response
    }

    private func route(
        _ request: SandboxRequest, _ service: SandboxService, at now: RequestTime
    ) -> Route {
        if let oauth = OAuthEndpoint(request, service) {
            return Route(
                service: service, oauth: oauth, endpoint: oauth.rawValue, caller: .unknown,
                user: user(ofOAuth: request), key: nil, stream: nil)
        }
        let caller = caller(of: request, service, at: now.monotonic)
        let user = caller.user
        var target: (key: CollectionKey, stream: SandboxStream)?
        if let user { target = self.target(of: request, service, user: user) }
        return Route(
            service: service, oauth: nil, endpoint: Self.endpoint(of: request, service), caller: caller,
            user: user, key: target?.key, stream: target?.stream)
    }

    /// The fault that the request meets. One without a user meets none, except at an authorization server.
    private mutating func fault(for request: SandboxRequest, _ route: Route) -> Fault? {
        guard route.oauth != nil || (route.user != nil && route.endpoint != nil) else { return nil }
        var page = 1
        if let key = route.key {
            let cursor =
                request.query["starting_after"] ?? request.query["pageToken"]
                ?? (route.service == .slack ? request.parameters?["cursor"] : nil)
            page = pages.page(key, cursor: cursor)
        }
        return faults.next(
            FaultPlan.Target(
                service: route.service, endpoint: route.endpoint, stream: route.stream, user: route.user,
                page: page))
    }

    private mutating func refusal(_ route: Route, at now: RequestTime) -> RateLimits.Refusal? {
        guard !limits.rules.isEmpty, let user = route.user, let endpoint = route.endpoint else { return nil }
        let units = route.service == .gmail ? GmailAPI.units(endpoint) : 1
        return limits.admit(route.service, endpoint, user: user, units: units, at: now.monotonic)
    }

    private mutating func answer(
        _ request: SandboxRequest, _ route: Route, twist: PageTwist?, at now: RequestTime
    ) -> SandboxResponse {
        switch route.service {
        case .stripe: return stripe(request, route.caller, twist: twist)
        case .googleCalendar: return calendar(request, route, twist: twist, at: now)
        case .gmail: return gmail(request, route, twist: twist, at: now)
        case .slack: return slack(request, route.caller, twist: twist)
        case .oauth:
            return SandboxResponse(
                status: 404, json: #"{"error":"there are /oauth/authorize, /oauth/token, /oauth/revoke"}"#)
        }
    }

    private mutating func record(
        _ request: SandboxRequest, _ route: Route, _ fault: Fault?, _ response: SandboxResponse,
        at now: RequestTime
    ) {
        let (status, sent) =
            switch response.delivery {
            case .hang, .reset: (0, 0)
            case .truncated: (response.status, response.body.readableBytes / 2)
            case .normal, .delayed: (response.status, response.body.readableBytes)
            }
        let sequence = store.sequence
        ledger.add { number in
            RequestLedger.Entry(
                number: number, at: now, service: route.service, endpoint: route.endpoint,
                method: request.method, path: RequestLedger.cut(request.path),
                query: RequestLedger.cut(request.queryText), user: route.user ?? response.user,
                stream: route.stream, status: status, bytes: sent, sequence: sequence,
                fault: fault?.kind.rawValue, write: response.write)
        }
    }
}

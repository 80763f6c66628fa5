// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Who asks for what, and how a service refuses.
extension SandboxState {
    /// Runs a request to one of Google's APIs for a user whose token has a scope with one of these words.
    func google(
        _ caller: Caller, scopes words: [String], _ body: (Int) throws(GoogleRefusal) -> SandboxResponse
    ) -> SandboxResponse {
        do throws(GoogleRefusal) {
            guard case .account(let user, let scopes) = caller else { throw .unauthorized }
            if let scopes, !scopes.contains(where: { scope in words.contains { scope.contains($0) } }) {
                throw .insufficientPermissions
            }
            return try body(user)
        } catch {
            var response = error.response
            if error.status == 401 {
                response.headers.append(
                    (
                        "WWW-Authenticate",
                        #"Bearer realm="https://accounts.google.com/", error="invalid_token""#
                    ))
            }
            return response
        }
    }

    /// The user of the request's token: of one that was issued, or of one that everybody knows.
    func caller(of request: SandboxRequest, _ service: SandboxService, at now: Int64) -> Caller {
        guard let key = request.bearer else { return .unknown }
        var caller = grants.caller(key, of: service, at: now)
        if caller == nil, let prefix = service.keyPrefix, key.hasPrefix(prefix),
            let user = configuration.user(named: key.dropFirst(prefix.utf8.count))
        {
            caller = .account(user, scopes: nil)
        }
        guard let caller else { return .unknown }
        return caller.user.map(revoked.contains) == true ? .revoked : caller
    }

    /// What the request asks for, by the name in the provider's documentation; nil for an unknown path.
    static func endpoint(of request: SandboxRequest, _ service: SandboxService) -> String? {
        switch service {
        case .stripe: StripeAPI.endpoint(request)
        case .googleCalendar: GoogleCalendarAPI.endpoint(request)
        case .slack: SlackMethod(request)?.rawValue
        case .gmail: GmailAPI.endpoint(request)
        case .oauth: nil
        }
    }

    /// The list that the request is about, whether or not it has it right.
    func target(
        of request: SandboxRequest, _ service: SandboxService, user: Int
    ) -> (key: CollectionKey, stream: SandboxStream)? {
        let segments = request.segments
        func list(_ stream: SandboxStream, _ parent: Int = 0) -> (CollectionKey, SandboxStream) {
            (CollectionKey(user: user, stream: stream, parent: parent), stream)
        }
        switch service {
        case .stripe:
            guard segments.count >= 3, let stream = SandboxStream(segments[2], of: service) else {
                return nil
            }
            return list(stream)
        case .googleCalendar:
            guard segments.count >= 6, segments[3] == "calendars", segments[5] == "events" else {
                return segments.last == "calendarList" ? list(.calendars) : nil
            }
            let calendars = store[CollectionKey(user: user, stream: .calendars)]
            return list(.events, bytes.index(of: segments[4], in: calendars) ?? 0)
        case .slack:
            guard let stream = SlackMethod(request)?.stream else { return nil }
            guard stream.parent != nil else { return list(stream) }
            let channels = store[CollectionKey(user: user, stream: .channels)]
            let channel = request.parameters?["channel"].flatMap { bytes.index(of: $0, in: channels) }
            return list(stream, channel ?? 0)
        case .gmail: return GmailAPI.stream(request).map { list($0) }
        case .oauth: return nil
        }
    }

    func apply(_ fault: Fault, _ service: SandboxService, to response: inout SandboxResponse) {
        switch fault.kind {
        case .status:
            let write = response.write
            switch service {
            case .stripe:
                response = StripeAPI.failure(
                    fault.status, fault.error ?? (fault.status == 429 ? "rate_limit" : nil),
                    "A fault on demand.")
            case .googleCalendar, .gmail:
                response = GoogleRefusal.fault(fault.status, fault.error).response
            case .slack: response = SlackRefusal.fault(fault.status, fault.error).response
            case .oauth:
                response = SandboxResponse(
                    status: fault.status,
                    json: #"{"error":\#(JSONText.quoted(fault.error ?? "server_error"))}"#)
            }
            response.write = write
            if let body = fault.body { response.body = ByteBuffer(string: body) }
            if let wait = fault.retryAfter { response.headers.append(("Retry-After", wait)) }
        case .html:
            let write = response.write
            response = SandboxResponse(
                contentType: "text/html; charset=utf-8",
                body: ByteBuffer(
                    string: fault.body ?? "<!doctype html><html><title>Sign in</title><h1>Sign in</h1></html>"
                ))
            response.write = write
        case .hang: response.delivery = .hang
        case .reset: response.delivery = .reset
        case .truncated: response.delivery = .truncated
        case .slow: response.delivery = .delayed(milliseconds: fault.milliseconds)
        case .repeatedToken, .emptyNext, .stalePage: break
        }
    }

    /// How a service says that a limit was met. Google uses two statuses, Stripe names no time.
    static func limited(_ refusal: RateLimits.Refusal) -> SandboxResponse {
        let rule = refusal.rule
        switch rule.service {
        case .slack: return SlackRefusal.rateLimited(seconds: refusal.seconds).response
        case .stripe:
            var response = StripeAPI.failure(429, "rate_limit", "Request rate limit exceeded.")
            response.headers.append(
                (
                    "Stripe-Rate-Limited-Reason", rule.endpoint == nil ? "global-rate" : "endpoint-rate"
                ))
            return response
        case .googleCalendar, .gmail, .oauth:
            return rule.scope == .user
                ? GoogleRefusal.fault(403, "userRateLimitExceeded").response
                : GoogleRefusal.fault(429, "rateLimitExceeded").response
        }
    }
}

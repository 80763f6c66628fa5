// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// A request to a sandbox's control: what to send, without the sending.
public struct SandboxControlRequest: Sendable, Equatable {
    /// The HTTP method, in capitals.
    public let method: String
    /// Path and query, to be put behind the sandbox's address.
    public let target: String
    /// JSON, or empty.
    public let body: [UInt8]

    init(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: [(String, Value?)] = []
    ) {
        self.method = method
        let pairs = query.compactMap { name, value in value.map { "\(name)=\(PercentEncoding.encoded($0))" } }
        target = "/_control/\(path)" + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
        let members = body.compactMap { name, value in value.map { "\"\(name)\":\($0.json)" } }
        self.body = members.isEmpty ? [] : Array("{\(members.joined(separator: ","))}".utf8)
    }

    enum Value {
        case text(String)
        case number(Int)

        var json: String {
            switch self {
            case .text(let text): JSONText.quoted(text)
            case .number(let number): "\(number)"
            }
        }
    }

    /// Makes, changes and deletes objects that the seed picks; events in each calendar.
    ///
    /// Without a user, of all users; without a service or stream, of all but calendars, channels and labels.
    /// With an id, of that one object.
    public static func edit(
        user: String? = nil, service: String? = nil, stream: String? = nil, id: String? = nil,
        creates: Int = 0, updates: Int = 0, deletes: Int = 0
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "edit",
            body: [
                ("user", user.map(Value.text)), ("service", service.map(Value.text)),
                ("stream", stream.map(Value.text)), ("id", id.map(Value.text)),
                ("creates", .number(creates)), ("updates", .number(updates)), ("deletes", .number(deletes)),
            ])
    }

    /// Makes so many random changes, creations and deletions, as the seed picks them.
    public static func randomEdits(
        _ count: Int, seed: Int = 0, user: String? = nil, service: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "edit",
            body: [
                ("random", .number(count)), ("seed", .number(seed)), ("user", user.map(Value.text)),
                ("service", service.map(Value.text)),
            ])
    }

    /// Makes sync tokens expire: of one user, or of all.
    public static func expireSyncTokens(user: String? = nil) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "expire", body: [("tokens", .text("sync")), ("user", user.map(Value.text))])
    }

    /// Makes page tokens expire: of one user, or of all.
    public static func expirePageTokens(user: String? = nil) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "expire", body: [("tokens", .text("page")), ("user", user.map(Value.text))])
    }

    /// Makes requests fail: those that match, after the first `skip` of them, `times` times.
    ///
    /// `error` is the provider's own word for what is wrong. `executes` says whether the request takes effect
    /// although its answer is another; usually it does when the answer is lost, and not when it is refused.
    /// `kind` is one of `status`, `hang`, `reset`, `truncated`, `html`, `repeated_token`, `empty_next`,
    /// `stale_page`, `slow`;
    /// `page` counts the pages of an enumeration from 1.
    public static func fault(
        kind: String, user: String? = nil, service: String? = nil, endpoint: String? = nil,
        stream: String? = nil, page: Int? = nil, skip: Int = 0, times: Int = 1, status: Int? = nil,
        retryAfter: String? = nil, body: String? = nil, error: String? = nil, executes: Bool? = nil,
        milliseconds: Int? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "faults",
            body: [
                ("kind", .text(kind)), ("user", user.map(Value.text)), ("service", service.map(Value.text)),
                ("endpoint", endpoint.map(Value.text)), ("error", error.map(Value.text)),
                ("executes", executes.map { .number($0 ? 1 : 0) }),
                ("stream", stream.map(Value.text)), ("page", page.map(Value.number)), ("skip", .number(skip)),
                ("times", .number(times)), ("status", status.map(Value.number)),
                ("retry_after", retryAfter.map(Value.text)), ("body", body.map(Value.text)),
                ("milliseconds", milliseconds.map(Value.number)),
            ])
    }

    /// Forgets the faults that wait.
    public static let clearFaults = SandboxControlRequest("DELETE", "faults")

    /// Refuses a user's keys.
    public static func revoke(user: String) -> SandboxControlRequest {
        SandboxControlRequest("POST", "revoke", body: [("user", .text(user))])
    }

    /// Accepts a user's keys again.
    public static func restore(user: String) -> SandboxControlRequest {
        SandboxControlRequest("POST", "restore", body: [("user", .text(user))])
    }

    /// Lists live objects, a line `{"external_id":"…","data":…}` each, now or after a change.
    ///
    /// The service is needed where two have a stream of that name.
    public static func objects(
        user: String, service: String? = nil, stream: String, at change: Int? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "GET", "objects",
            query: [
                ("user", user), ("service", service), ("stream", stream), ("at", change.map { "\($0)" }),
            ])
    }

    /// Lists the changes of objects after a number, a line each.
    public static func changes(after number: Int = 0) -> SandboxControlRequest {
        SandboxControlRequest("GET", "changes", query: [("after", "\(number)")])
    }

    /// Lists the requests after a number, a line each: those that match.
    public static func ledger(
        after number: Int = 0, service: String? = nil, endpoint: String? = nil, user: String? = nil,
        status: Int? = nil, key: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "GET", "ledger",
            query: [
                ("after", "\(number)"), ("service", service), ("endpoint", endpoint), ("user", user),
                ("status", status.map { "\($0)" }), ("key", key),
            ])
    }

    /// The highest number of matching requests in any window of so many milliseconds, as `highest`; with a
    /// rate per second also the smallest burst, as `burst`, for which no window W has more than
    /// `rate * W + burst`.
    public static func window(
        milliseconds: Int, rate: Double? = nil, service: String? = nil, endpoint: String? = nil,
        user: String? = nil, status: Int? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "GET", "window",
            query: [
                ("ms", "\(milliseconds)"), ("rate", rate.map { "\($0)" }), ("service", service),
                ("endpoint", endpoint), ("user", user), ("status", status.map { "\($0)" }),
            ])
    }

    /// Makes the documented limits of a service take effect, or none.
    public static func limits(service: String, isOn: Bool) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "limits",
            body: [("service", .text(service)), ("mode", .text(isOn ? "documented" : "off"))])
    }

    /// Adds a limit: so many requests in any window of `milliseconds`, of each user or of all together.
    public static func limit(
        service: String, endpoint: String? = nil, count: Int, milliseconds: Int, ofAllUsers: Bool = false
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "limits",
            body: [
                ("service", .text(service)), ("endpoint", endpoint.map(Value.text)),
                ("count", .number(count)),
                ("milliseconds", .number(milliseconds)),
                ("scope", .text(ofAllUsers ? "service" : "user")),
            ])
    }

    /// Sends a service's notifications to an address: of `slack`, `stripe` or `gmail` (where a user has called
    /// watch). Each twice, or so many at a time in reverse order, on demand.
    public static func webhook(
        service: String, url: String, secret: String? = nil, user: String? = nil, duplicates: Bool = false,
        reversed: Int = 1
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "webhooks",
            body: [
                ("service", .text(service)), ("url", .text(url)), ("secret", secret.map(Value.text)),
                ("user", user.map(Value.text)), ("duplicates", .number(duplicates ? 1 : 0)),
                ("reversed", .number(reversed)),
            ])
    }

    /// Counts of requests, changes and faults.
    public static let stats = SandboxControlRequest("GET", "stats")
}

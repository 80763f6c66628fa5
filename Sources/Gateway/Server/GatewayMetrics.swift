// SPDX-License-Identifier: Apache-2.0

public import Model

/// Counts what a gateway does, for a metrics endpoint. Labels have few values: routes as they were declared, services that there
/// are, words of the code.
public final class GatewayMetrics: Sendable {
    /// One of the two listeners.
    enum Side: String, CaseIterable {
        case `public`, `private`
    }

    /// What came of a step by which an account is connected.
    enum Connection: String {
        /// The browser was sent to the provider, or got a form.
        case begun
        case connected
        /// The user, or the provider, said no.
        case denied
        /// A link, a form or a callback that does not count.
        case refused
        /// It was our fault, or the provider's.
        case failed
    }

    private struct RequestKey: Hashable {
        let side: Side
        let route: String
        let method: String
        let status: String
    }

    private struct DeliveryKey: Hashable {
        let service: String
        let outcome: String
        let reason: String
    }

    private struct ConnectKey: Hashable {
        let service: String
        let outcome: String
    }

    private struct State {
        var requests: [RequestKey: Histogram] = [:]
        var deliveries: [DeliveryKey: Int] = [:]
        var connects: [ConnectKey: Int] = [:]
        var refusals: [String: Int] = [:]
        var connections: [Side: Int] = [:]
    }

    /// From a millisecond to what a browser waits for.
    private static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// The words of problems that a limit is behind.
    private static let limits: Set<String> = [
        "body_too_large", "compressed_body", "busy", "rate_limited", "too_many_failures",
    ]

    private let services: Set<String>
    private let state = LockedBox(State())

    /// Names of other services than these are counted as `unknown`: anybody may send any name.
    public init(services: [String] = []) {
        self.services = Set(services)
    }

    // MARK: - Counting

    /// A request was answered; `route` is nil when there is none of its path.
    func answered(_ side: Side, route: String?, method: String, status: Int, in duration: Duration) {
        let key = RequestKey(
            side: side, route: route ?? "none",
            method: ["GET", "HEAD", "POST"].contains(method) ? method : "other", status: "\(status / 100)xx")
        state.withLock { $0.requests[key, default: Histogram(bounds: Self.bounds)].observe(duration) }
    }

    /// A request was refused with a problem; what is behind no limit is not counted here.
    func refused(_ problem: Problem) {
        if Self.limits.contains(problem.code) { refused(for: problem.code) }
    }

    /// Something was cut off because of a limit; `reason` is a word of the code.
    func refused(for reason: String) {
        state.withLock { $0.refusals[reason, default: 0] += 1 }
    }

    /// A connection was opened, or with -1 closed.
    func connections(_ side: Side, changedBy change: Int) {
        state.withLock { $0.connections[side, default: 0] += change }
    }

    /// A notification was answered; `reason` says why it was refused.
    func delivered(_ service: String, outcome: String, reason: String = "") {
        let key = DeliveryKey(service: known(service), outcome: outcome, reason: reason)
        state.withLock { $0.deliveries[key, default: 0] += 1 }
    }

    /// A step by which an account is connected has ended.
    func connecting(_ service: String, _ outcome: Connection) {
        let key = ConnectKey(service: known(service), outcome: outcome.rawValue)
        state.withLock { $0.connects[key, default: 0] += 1 }
    }

    private func known(_ service: String) -> String { services.contains(service) ? service : "unknown" }

    // MARK: - Telling

    /// What was counted since the process began, for an endpoint.
    public var metrics: [Metric] {
        let state = state.withLock { $0 }
        return [
            Metric(
                "lockstep_gateway_request_seconds", .histogram,
                "Requests by their route, and the time until the answer began.",
                Self.samples(state.requests) { key in
                    [
                        "side": key.side.rawValue, "route": key.route, "method": key.method,
                        "status": key.status,
                    ]
                } reading: {
                    .histogram($0)
                }),
            Metric(
                "lockstep_gateway_webhooks_total", .counter,
                "Notifications by what became of them, and why they were refused.",
                Self.samples(state.deliveries) { key in
                    ["service": key.service, "outcome": key.outcome, "reason": key.reason]
                } reading: {
                    .number(Double($0))
                }),
            Metric(
                "lockstep_gateway_connects_total", .counter, "Steps by which accounts are connected.",
                Self.samples(state.connects) { key in
                    ["service": key.service, "outcome": key.outcome]
                } reading: {
                    .number(Double($0))
                }),
            Metric(
                "lockstep_gateway_refused_total", .counter, "Requests and connections refused for a limit.",
                Self.samples(state.refusals) {
                    ["reason": $0]
                } reading: {
                    .number(Double($0))
                }),
            Metric(
                "lockstep_gateway_connections", .gauge, "Open connections.",
                Side.allCases.map {
                    .init(["side": $0.rawValue], .number(Double(state.connections[$0] ?? 0)))
                }),
            Metric(
                "lockstep_gateway_live_pages", .gauge, "Pages that are kept fresh now.", LiveFeed.openCount),
        ]
    }

    /// The values in the order of their labels, so that two readings look alike.
    private static func samples<Key, Value>(
        _ values: [Key: Value], labels: (Key) -> [String: String], reading: (Value) -> Metric.Reading
    ) -> [Metric.Sample] {
        values.map { (labels($0.key), reading($0.value)) }
            .sorted { left, right in
                left.0.sorted { $0.key < $1.key }.map(\.value).lexicographicallyPrecedes(
                    right.0.sorted { $0.key < $1.key }.map(\.value))
            }.map { Metric.Sample($0.0, $0.1) }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model

/// A standing in words, the same in commands and on pages.
extension LimitStanding {
    /// The limit's name, with its endpoint where it has one.
    public var name: String {
        switch subject {
        case .breaker: "circuit breaker"
        case .integration: "refusals"
        case .limit(let rule, let endpoint): endpoint.map { "\(rule.name) \($0)" } ?? rule.name
        }
    }

    /// Whose requests count.
    public var concerns: String {
        switch subject {
        case .breaker: "the service"
        case .integration: "the integration"
        case .limit(let rule, _): rule.scope == .app ? "all integrations" : "the integration"
        }
    }

    /// What it allows; a dash where the provider alone decides.
    public var allows: String {
        if case .limit(let rule, _) = subject { "\(rule.quantity)" } else { "-" }
    }

    /// What stands in a request's way now; `open` when nothing does.
    public var state: String {
        var parts: [String] = []
        if let closedFor { parts.append("closed for \(Self.seconds(closedFor))") }
        if nextUnitIn > .zero { parts.append("next request in \(Self.seconds(nextUnitIn))") }
        if share < 1 { parts.append("slowed to \(Int(share * 100)) %") }
        if let left { parts.append("\(left) left") }
        if let running { parts.append("\(running) running") }
        return parts.isEmpty ? "open" : parts.joined(separator: ", ")
    }

    private static func seconds(_ wait: Duration) -> String {
        wait < .seconds(10)
            ? "\((wait.seconds * 10).rounded(.up) / 10) s" : "\(Int(wait.seconds.rounded(.up))) s"
    }
}

extension RateLimiter {
    /// How what all integrations of a service share stands: its circuit breaker, and those of `rules` that count for the whole
    /// application.
    public func standings(
        of rules: [LimitRule], inService service: String, endpoints: [String] = []
    ) async throws(LimitError) -> [LimitStanding] {
        // No integration has this number; what one has of its own is left out.
        try await standings(
            of: rules.filter { $0.scope == .app }, in: LimitScope(service: service, integrationID: 0),
            endpoints: endpoints
        ).filter { $0.subject != .integration }
    }
}

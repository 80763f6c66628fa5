// SPDX-License-Identifier: Apache-2.0

import Model

/// What the settle script is told: one word for the breaker, and one for the gate and each limit of the request.
struct SettlementNotes: Equatable {
    /// `ok`, `failed` or `-`.
    let breaker: String
    /// The gate's word, then those of the limits in their order.
    private(set) var words: [String]

    /// Whether there is anything to tell.
    var isWorthTelling: Bool { breaker != "-" || words.contains { $0 != "-" } }

    init(_ grant: LimitGrant, _ outcome: LimitOutcome) {
        let uses = grant.demand.uses
        breaker =
            switch (outcome.health, grant.breaker) {
            case (.failed, _): "failed"
            case (.answered, .listening): "ok"
            case (.answered, .closed), (.unknown, _): "-"
            }
        words = ["-"] + uses.map { $0.rule.quantity.isConcurrency ? "release" : "-" }
        for quota in outcome.quotas {
            let position = quota.limit.flatMap { Self.position(named: $0, uses) } ?? 0
            let reset =
                switch quota.reset {
                case .after(let wait): "\(max(0, wait.wholeMicroseconds))"
                case .at(let instant): "@\(instant.microseconds)"
                }
            words[position] = "left:\(quota.remaining):\(reset)"
        }
        // A refusal weighs more than what a header says is left.
        guard let refusal = outcome.refusal else { return }
        let position = refusal.limit.flatMap { Self.position(named: $0, uses) } ?? Self.narrowest(uses)
        words[position] = refusal.wait.map { "block:\(max(0, $0.wholeMicroseconds))" } ?? "slow"
    }

    /// The position of a rate by its limit's name; the gate is position 0.
    private static func position(named name: String, _ uses: [LimitUse]) -> Int? {
        uses.firstIndex { $0.rule.name == name && !$0.rule.quantity.isConcurrency }.map { $0 + 1 }
    }

    /// The scope of a refusal that names none: the endpoint of the integration, then the integration, and the whole
    /// application only where the connector knows no narrower limit.
    private static func narrowest(_ uses: [LimitUse]) -> Int {
        let rates = uses.enumerated().filter { !$0.element.rule.quantity.isConcurrency }
        func first(_ isIt: (LimitRule) -> Bool) -> Int? {
            rates.first { isIt($0.element.rule) }.map { $0.offset + 1 }
        }
        if let endpoint = first({ $0.scope == .integration && $0.isPerEndpoint }) { return endpoint }
        if rates.isEmpty || first({ $0.scope == .integration }) != nil { return 0 }
        return first(\.isPerEndpoint) ?? first { _ in true } ?? 0
    }
}

extension LimitQuantity {
    var isConcurrency: Bool {
        if case .concurrency = self { true } else { false }
    }
}

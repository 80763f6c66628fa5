// SPDX-License-Identifier: Apache-2.0

import Model

/// What the settle script is told: one word for the breaker, and one note for the gate and each limit of the request.
struct SettlementNotes: Equatable {
    /// `ok`, `failed` or `-`.
    let breaker: String
    /// The gate's note, then those of the limits in their order: words with spaces between them.
    private(set) var words: [String]

    /// Whether there is anything to tell.
    var isWorthTelling: Bool { breaker != "-" || words.contains { $0 != "-" } }

    /// Whether permits of concurrencies go back, and there is nothing else to tell.
    var areReleases: Bool { breaker == "-" && words.allSatisfy { $0 == "-" || $0 == Self.release } }

    /// The note that gives the permit of a concurrency back.
    static let release = "release"

    init(_ grant: LimitGrant, _ outcome: LimitOutcome) {
        let uses = grant.demand.uses
        breaker =
            switch (outcome.health, grant.breaker) {
            case (.failed, _): "failed"
            case (.answered, .listening): "ok"
            case (.answered, .closed), (.unknown, _): "-"
            }
        words = ["-"] + uses.map { $0.rule.quantity.isConcurrency ? Self.release : "-" }
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
        if let refusal = outcome.refusal {
            let empty = refusal.limit == nil ? Self.emptied(uses, outcome.charges) : nil
            let position =
                refusal.limit.flatMap { Self.position(named: $0, uses) } ?? empty?.position
                ?? Self.narrowest(uses)
            let wait = refusal.wait ?? empty?.wait
            if let wait {
                words[position] = "block:\(max(0, wait.wholeMicroseconds))"
            } else {
                // How long to wait is then known from what is left, if from anything.
                words[position] = words[position] == "-" ? "slow" : "slow \(words[position])"
            }
        }
        for charge in outcome.charges {
            guard let position = Self.position(named: charge.limit, uses),
                let word = Self.word(charge, uses[position - 1])
            else { continue }
            words[position] = words[position] == "-" ? word : "\(word) \(words[position])"
        }
    }

    /// The word of a charge; nil for one that changes nothing. What was charged at admission is made what the request
    /// took, and the bucket is never fuller than the provider says.
    private static func word(_ charge: LimitOutcome.Charge, _ use: LimitUse) -> String? {
        guard case .rate(let units, let period, let burst) = use.rule.quantity else { return nil }
        let step = period.seconds * 1e6 / Double(units)
        let more = charge.actual.map { $0 - use.cost } ?? 0
        var missing = 0.0
        if let available = charge.available, available < burst {
            let restored = charge.restoredPerSecond.map { $0 > 0 ? 1e6 / $0 : step } ?? step
            missing = Double(burst - available) * max(step, restored)
        }
        guard more != 0 || missing > 0 else { return nil }
        // What Lua's numbers hold exactly, whatever a response says: thirty years.
        let furthest = 1e15
        return "cost:\(more):\(Int((Double(more) * step).clamped(to: -furthest...furthest))):"
            + "\(Int(min(missing, furthest)))"
    }

    /// The limit whose units the refused request was short of, where the response says so, and when they are back.
    private static func emptied(
        _ uses: [LimitUse], _ charges: [LimitOutcome.Charge]
    ) -> (position: Int, wait: Duration)? {
        for charge in charges {
            guard let position = position(named: charge.limit, uses), let available = charge.available,
                let restored = charge.restoredPerSecond, restored > 0
            else { continue }
            let missing = uses[position - 1].cost - available
            guard missing > 0 else { continue }
            let seconds = min(Double(missing) / restored, 3_600)
            return (position, .microseconds(Int64(seconds * 1e6)))
        }
        return nil
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

extension Double {
    fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
        min(max(self, range.lowerBound), range.upperBound)
    }
}

extension LimitOutcome {
    /// The same outcome without what it gives back. Told a second time, when nobody knows whether the first was heard: twice
    /// charged costs time, twice given back breaks the limit.
    public func withoutRefunds(of grant: LimitGrant) -> LimitOutcome {
        var outcome = self
        outcome.charges = charges.map { charge in
            charge.surplus(over: grant) < 0
                ? Charge(
                    limit: charge.limit, actual: nil, available: charge.available,
                    restoredPerSecond: charge.restoredPerSecond) : charge
        }
        return outcome
    }

    /// Whether the cluster would ask too much if it did not hear of this: a refusal, or a request that took more than it
    /// was charged for.
    public func isUrgent(for grant: LimitGrant) -> Bool {
        if refusal != nil { return true }
        return charges.contains { $0.surplus(over: grant) > 0 }
    }
}

extension LimitOutcome.Charge {
    /// What the request took beyond what its grant was charged; less than zero when it took less.
    fileprivate func surplus(over grant: LimitGrant) -> Int {
        let use = grant.demand.uses.first { $0.rule.name == limit }
        return (actual ?? 0) - (use?.cost ?? 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Counts over the last moments, in 64 pieces: never lets more than the limit through in any window.
struct SlidingWindow: Sendable {
    private static let pieces: Int64 = 64

    let limit: Int
    /// Microseconds.
    let length: Int64
    private var counts: [(piece: Int64, count: Int)] = []
    private var total = 0

    init(limit: Int, length: Int64) {
        self.limit = limit
        self.length = max(Self.pieces, length)
    }

    private var piece: Int64 { length / Self.pieces }

    /// Nil when the request passes and counts; else the microseconds after which one like it may.
    mutating func admit(_ cost: Int, at now: Int64) -> Int64? {
        let current = now / piece
        // A piece counts until its last instant is a whole window old.
        while let oldest = counts.first, current - oldest.piece > Self.pieces {
            total -= oldest.count
            counts.removeFirst()
        }
        guard total + cost <= limit else {
            var excess = total + cost - limit
            for entry in counts {
                excess -= entry.count
                if excess <= 0 { return (entry.piece + Self.pieces + 1) * piece - now }
            }
            return length
        }
        if counts.last?.piece == current {
            counts[counts.count - 1].count += cost
        } else {
            counts.append((current, cost))
        }
        total += cost
        return nil
    }
}

/// A limit on what one key may do.
struct LimitRule: Sendable, Equatable {
    /// What shares the limit.
    enum Scope: String, Sendable, CaseIterable {
        case user
        case service
    }

    let service: SandboxService
    /// Nil: all endpoints together.
    var endpoint: String?
    var scope = Scope.user
    let limit: Int
    /// Microseconds.
    let length: Int64
    /// Whether requests cost what the provider says, instead of one each.
    var isInUnits = false
}

/// The limits that the sandbox keeps; none until it is told.
struct RateLimits: Sendable {
    struct Refusal: Sendable, Equatable {
        let rule: LimitRule
        /// Whole seconds, at least one.
        let seconds: Int
    }

    private struct Key: Hashable {
        let rule: Int
        let endpoint: String?
        let user: Int?
    }

    private(set) var rules: [LimitRule] = []
    private var windows: [Key: SlidingWindow] = [:]
    private(set) var refusals = 0

    /// Rules for one service, instead of those before.
    mutating func set(_ rules: [LimitRule], of service: SandboxService) {
        self.rules = self.rules.filter { $0.service != service } + rules
        windows = [:]
    }

    /// One more rule.
    mutating func add(_ rule: LimitRule) {
        rules.append(rule)
        windows = [:]
    }

    /// Nil when the request passes all rules. A refused request counts for none that refuses it.
    mutating func admit(
        _ service: SandboxService, _ endpoint: String, user: Int, units: Int, at now: Int64
    ) -> Refusal? {
        for (number, rule) in rules.enumerated() where rule.service == service {
            guard rule.endpoint == nil || rule.endpoint == endpoint else { continue }
            let key = Key(
                rule: number, endpoint: rule.endpoint, user: rule.scope == .user ? user : nil)
            let wait = windows[key, default: SlidingWindow(limit: rule.limit, length: rule.length)]
                .admit(rule.isInUnits ? units : 1, at: now)
            if let wait {
                refusals += 1
                return Refusal(rule: rule, seconds: Int(max(1, (wait + 999_999) / 1_000_000)))
            }
        }
        return nil
    }

    /// What the provider's documentation says.
    static func documented(_ service: SandboxService) -> [LimitRule] {
        let second: Int64 = 1_000_000
        switch service {
        case .slack:
            return SlackMethod.allCases.map {
                LimitRule(service: .slack, endpoint: $0.rawValue, limit: $0.perMinute, length: 60 * second)
            }
        case .stripe: return [LimitRule(service: .stripe, limit: 25, length: second)]
        case .gmail:
            return [
                LimitRule(service: .gmail, limit: 15_000, length: 60 * second, isInUnits: true),
                LimitRule(
                    service: .gmail, scope: .service, limit: 1_200_000, length: 60 * second, isInUnits: true),
            ]
        case .googleCalendar:
            return [
                LimitRule(service: .googleCalendar, limit: 600, length: 60 * second),
                LimitRule(service: .googleCalendar, scope: .service, limit: 10_000, length: 60 * second),
            ]
        case .oauth: return []
        }
    }
}

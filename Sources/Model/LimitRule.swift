// SPDX-License-Identifier: Apache-2.0

/// One limit that a provider sets to requests, and whom it counts together.
public struct LimitRule: Sendable, Hashable {
    /// Whose requests count against a limit together.
    public enum Scope: String, Sendable, CaseIterable {
        /// Those of all integrations of the service: the provider counts the application.
        case app
        /// Those of one integration.
        case integration
    }

    /// The limit's name within its service: `requests`, `tier2`, `units`.
    public let name: String
    /// Whom the limit counts together.
    public let scope: Scope
    /// Whether each endpoint has a limit of its own, as Slack's methods have.
    public let isPerEndpoint: Bool
    /// How much is allowed.
    public let quantity: LimitQuantity

    /// A limit of a service, as its connector knows it.
    public init(name: String, scope: Scope, isPerEndpoint: Bool = false, quantity: LimitQuantity) {
        self.name = name
        self.scope = scope
        self.isPerEndpoint = isPerEndpoint
        self.quantity = quantity
    }

    /// The same limit with another quantity.
    public func allowing(_ quantity: LimitQuantity) -> LimitRule {
        LimitRule(name: name, scope: scope, isPerEndpoint: isPerEndpoint, quantity: quantity)
    }
}

/// How much a limit allows.
public enum LimitQuantity: Sendable, Hashable {
    /// In any time of length W at most `units * W / period + burst` units start.
    case rate(units: Int, period: Duration, burst: Int)
    /// At most so many requests at a time.
    case concurrency(Int)

    /// The largest number of units, requests or burst.
    public static let maximum = 1_000_000_000
    /// The shortest and the longest period of a rate.
    public static let periods: ClosedRange<Duration> = .milliseconds(1) ... .seconds(31 * 86_400)
    /// What a text of a rate has to look like.
    public static let rateForm = "UNITS/PERIOD, such as 50/s, 1200/min, 5000/h or 100/10s"

    /// A rate whose burst, when none is given, is what a fifth of a second allows, at least 1.
    ///
    /// Nil for numbers that are not positive or over `maximum`, and for periods outside `periods`.
    public static func rate(_ units: Int, per period: Duration, burst: Int? = nil) -> LimitQuantity? {
        guard (1...maximum).contains(units), periods.contains(period) else { return nil }
        let burst = burst ?? standardBurst(units, period)
        guard (1...maximum).contains(burst) else { return nil }
        return .rate(units: units, period: period, burst: burst)
    }

    /// Reads `50/s`, `1200/min`, `5000/h`, `10000/d` or `100/10s`; nil for anything else.
    public static func rate(text: String, burst: Int? = nil) -> LimitQuantity? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let units = wholeNumber(parts[0]) else { return nil }
        let digits = parts[1].prefix { $0.isASCII && $0.isNumber }
        guard let count = digits.isEmpty ? 1 : wholeNumber(digits) else { return nil }
        let seconds: Int
        switch parts[1].dropFirst(digits.count) {
        case "s": seconds = 1
        case "min": seconds = 60
        case "h": seconds = 3_600
        case "d": seconds = 86_400
        default: return nil
        }
        guard count <= maximum / seconds else { return nil }
        return rate(units, per: .seconds(count * seconds), burst: burst)
    }

    private static func wholeNumber(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 10, text.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return Int(text)
    }

    private static func standardBurst(_ units: Int, _ period: Duration) -> Int {
        max(1, Int(min(Double(units) / period.seconds / 5, Double(maximum))))
    }
}

extension LimitQuantity: CustomStringConvertible {
    /// As configuration writes it: `50/s burst 10`, `4 at a time`.
    public var description: String {
        switch self {
        case .rate(let units, let period, let burst):
            let (text, seconds) = (period.seconds, Int(period.seconds))
            let unit =
                switch seconds {
                case 1 where text == 1: "s"
                case 60: "min"
                case 3_600: "h"
                case 86_400: "d"
                default: "\(seconds)s"
                }
            return "\(units)/\(unit) burst \(burst)"
        case .concurrency(let count): return "\(count) at a time"
        }
    }
}

/// What one request takes from one limit.
public struct LimitUse: Sendable, Hashable {
    /// The limit.
    public let rule: LimitRule
    /// How many units the request costs; 1 for most. Concurrency counts requests, whatever they cost.
    public let cost: Int

    /// A use of `cost` units, at least 1.
    public init(_ rule: LimitRule, cost: Int = 1) {
        precondition(cost >= 1, "a request costs at least one unit")
        self.rule = rule
        self.cost = cost
    }
}

extension Duration {
    /// The duration in seconds, with fractions.
    public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

// SPDX-License-Identifier: Apache-2.0

/// Quantities that an operator sets in place of those of connectors.
public struct LimitOverrides: Sendable, Equatable {
    /// One entry of the setting.
    public struct Entry: Sendable, Equatable {
        /// The service.
        public let service: String
        /// The name of the limit in the service's manifest.
        public let limit: String
        /// What it allows now.
        public let quantity: LimitQuantity
    }

    /// What an entry has to look like.
    public static let form =
        "service.limit=UNITS/PERIOD, with ' burst N' if wished, or service.limit=N for a concurrency; "
        + "entries are separated by commas, such as stripe.requests=20/s burst 5"

    /// The entries in the order of the setting.
    public let entries: [Entry]

    /// No overrides by default.
    public init(_ entries: [Entry] = []) {
        self.entries = entries
    }

    /// Reads one entry; nil when it is not in that form.
    public static func entry(_ text: String) -> Entry? {
        let halves = text.split(separator: "=", maxSplits: 1)
        guard halves.count == 2 else { return nil }
        let name = halves[0].split(separator: ".", maxSplits: 1)
        guard name.count == 2, name.allSatisfy({ !$0.isEmpty && !$0.contains(" ") }) else { return nil }
        let words = halves[1].split(separator: " ")
        let quantity: LimitQuantity?
        switch words.count {
        case 1 where words[0].contains("/"): quantity = .rate(text: String(words[0]))
        case 1: quantity = number(words[0]).flatMap { $0 <= 100_000 ? .concurrency($0) : nil }
        case 3 where words[1] == "burst":
            quantity = number(words[2]).flatMap { .rate(text: String(words[0]), burst: $0) }
        default: quantity = nil
        }
        return quantity.map { Entry(service: String(name[0]), limit: String(name[1]), quantity: $0) }
    }

    /// The uses with the quantities that are in force.
    public func applied(to uses: [LimitUse], of service: String) -> [LimitUse] {
        if entries.isEmpty { return uses }
        return uses.map { use in
            guard let entry = entries.last(where: { $0.service == service && $0.limit == use.rule.name })
            else { return use }
            return LimitUse(use.rule.allowing(entry.quantity), cost: use.cost)
        }
    }

    /// Entries that name no limit of any service, or another kind of limit than that: a sentence for each.
    public func problems(limits: (_ service: String) -> [LimitRule]?) -> [String] {
        entries.compactMap { entry in
            guard let rules = limits(entry.service) else { return "'\(entry.service)' has no connector" }
            guard let rule = rules.first(where: { $0.name == entry.limit }) else {
                let names = rules.map(\.name).joined(separator: ", ")
                return
                    "\(entry.service) has no limit '\(entry.limit)'; it has: \(names.isEmpty ? "none" : names)"
            }
            switch (rule.quantity, entry.quantity) {
            case (.rate, .rate), (.concurrency, .concurrency): return nil
            case (.rate, .concurrency): return "\(entry.service).\(entry.limit) is a rate, such as 20/s"
            case (.concurrency, .rate): return "\(entry.service).\(entry.limit) is a concurrency, such as 4"
            }
        }
    }

    private static func number(_ text: Substring) -> Int? {
        guard text.utf8.count <= 10, text.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int(text),
            value >= 1
        else { return nil }
        return value
    }
}

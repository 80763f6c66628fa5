// SPDX-License-Identifier: Apache-2.0

/// One line of the configuration as it took effect, fit for a screen: secrets are replaced already.
public struct EffectiveSetting: Sendable, Equatable {
    /// Where a value came from.
    public enum Source: String, Sendable {
        case environment, `default`
        case unset = "not set"
    }

    /// The variable's name.
    public let name: String
    /// The value, redacted; empty when there is none.
    public let value: String
    /// Where the value comes from.
    public let source: Source

    /// `value` has to be redacted already where it is a secret.
    public init(name: String, value: String, source: Source) {
        self.name = name
        self.value = value
        self.source = source
    }
}

extension Sequence<EffectiveSetting> {
    /// The settings as aligned lines under a heading, for a terminal.
    public func table() -> String {
        let rows = [("NAME", "VALUE", "FROM")] + map { ($0.name, $0.value, $0.source.rawValue) }
        let names = rows.map(\.0.count).max() ?? 0
        let values = rows.map(\.1.count).max() ?? 0
        return rows.map { name, value, source in
            let nameGap = String(repeating: " ", count: names - name.count + 2)
            let valueGap = String(repeating: " ", count: values - value.count + 2)
            return name + nameGap + value + valueGap + source
        }.joined(separator: "\n")
    }
}

// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// The units of durations in configuration, the smallest first.
    private static let textUnits: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// Reads a whole number with one unit, such as `500ms`, `30s`, `5m`, `2h` or `1d`; nil for anything else.
    ///
    /// A bare number is not a duration: whether it meant seconds or milliseconds would be a guess.
    public init?(settingText text: String) {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        // Nine digits of days stay far from overflow.
        guard (1...9).contains(digits.count), let count = Int64(String(decoding: digits, as: UTF8.self)),
            let unit = Self.textUnits.first(where: { $0.name == String(text.dropFirst(digits.count)) })
        else { return nil }
        self = .milliseconds(count * unit.milliseconds)
    }

    /// The duration in the largest unit that holds it exactly; what is finer than a millisecond is cut.
    public var settingText: String {
        let milliseconds = components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
        guard milliseconds != 0,
            let unit = Self.textUnits.last(where: { milliseconds % $0.milliseconds == 0 })
        else { return "0s" }
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

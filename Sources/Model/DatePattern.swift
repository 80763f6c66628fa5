// SPDX-License-Identifier: Apache-2.0

/// A date format of a provider's own, as `strftime` directives: `%Y %m %d %H %M %S`, `%f` (a fraction of a second, 1 to 9
/// digits; 6 are written), `%z` (`Z`, `+hhmm` or `+hh:mm`) and `%%`. All other text stands for itself.
public struct DatePattern: Sendable, Hashable {
    private enum Part: Sendable, Hashable {
        case literal(String)
        case digits(Field, Int)
        case fraction
        case zone
    }

    private enum Field: Sendable, Hashable {
        case year, month, day, hour, minute, second
    }

    /// The pattern as it was written.
    public let text: String
    /// The offset from UTC of dates whose pattern has no `%z`.
    private let offsetMinutes: Int
    private let parts: [Part]

    /// Whether the dates themselves tell their zone.
    public var hasZone: Bool { parts.contains(.zone) }

    /// The smallest step between two dates of this pattern.
    public var resolution: Duration {
        if parts.contains(.fraction) { return .microseconds(1) }
        if parts.contains(.digits(.second, 2)) { return .seconds(1) }
        if parts.contains(.digits(.minute, 2)) { return .seconds(60) }
        return parts.contains(.digits(.hour, 2)) ? .seconds(3_600) : .seconds(86_400)
    }

    /// Nil for an unknown directive, and unless year, month and day are each there once.
    public init?(_ text: String, offsetMinutes: Int = 0) {
        var parts: [Part] = []
        var literal = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            guard character == "%", let directive = rest.popFirst() else {
                if character == "%" { return nil }
                literal.append(character)
                continue
            }
            if directive == "%" {
                literal.append("%")
                continue
            }
            let known: [Character: Part] = [
                "Y": .digits(.year, 4), "m": .digits(.month, 2), "d": .digits(.day, 2),
                "H": .digits(.hour, 2),
                "M": .digits(.minute, 2), "S": .digits(.second, 2), "f": .fraction, "z": .zone,
            ]
            guard let part = known[directive], !parts.contains(part) else { return nil }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(part)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        guard parts.contains(.digits(.year, 4)), parts.contains(.digits(.month, 2)),
            parts.contains(.digits(.day, 2))
        else { return nil }
        self.text = text
        self.offsetMinutes = offsetMinutes
        self.parts = parts
    }

    /// The instant of a date that is written in this way; nil for any other text.
    public func timestamp(_ text: String) -> Timestamp? {
        var rest = Array(text.utf8)[...]
        var values: [Field: Int] = [:]
        var fraction: Int64 = 0
        var offset = offsetMinutes
        for part in parts {
            switch part {
            case .literal(let literal):
                guard rest.starts(with: literal.utf8) else { return nil }
                rest = rest.dropFirst(literal.utf8.count)
            case .digits(let field, let count):
                guard let value = Self.number(&rest, count) else { return nil }
                values[field] = value
            case .fraction:
                guard let value = Self.fraction(&rest) else { return nil }
                fraction = value
            case .zone:
                guard let value = Self.zone(&rest) else { return nil }
                offset = value
            }
        }
        guard rest.isEmpty, let year = values[.year], let month = values[.month], let day = values[.day],
            (1...12).contains(month), (1...CivilDate.length(ofMonth: month, year: year)).contains(day)
        else { return nil }
        let (hour, minute, second) = (values[.hour] ?? 0, values[.minute] ?? 0, values[.second] ?? 0)
        guard hour < 24, minute < 60, second < 60 else { return nil }
        let days = CivilDate.days(year: year, month: month, day: day)
        let ofDay = Int64(hour * 3_600 + minute * 60 + second - offset * 60)
        return Timestamp(microseconds: (days * 86_400 + ofDay) * 1_000_000 + fraction)
    }

    /// The instant written in this way; what is finer than the pattern is cut.
    public func text(_ instant: Timestamp) -> String {
        let local = instant.microseconds.saturatingSum(with: Int64(offsetMinutes) * 60_000_000)
        let (seconds, micros) = local.floorDivided(by: 1_000_000)
        let (dayNumber, ofDay) = seconds.floorDivided(by: 86_400)
        let date = CivilDate.date(days: dayNumber)
        return parts.reduce(into: "") { text, part in
            switch part {
            case .literal(let literal): text += literal
            case .fraction: text += Self.padded(Int(micros), 6)
            case .zone:
                let size = abs(offsetMinutes)
                text +=
                    (offsetMinutes < 0 ? "-" : "+") + Self.padded(size / 60, 2) + ":"
                    + Self.padded(size % 60, 2)
            case .digits(let field, let width):
                let value =
                    switch field {
                    case .year: date.year
                    case .month: date.month
                    case .day: date.day
                    case .hour: Int(ofDay / 3_600)
                    case .minute: Int(ofDay / 60 % 60)
                    case .second: Int(ofDay % 60)
                    }
                text += Self.padded(value, width)
            }
        }
    }

    /// The offset from UTC that `UTC`, `Z`, `+02:00` or `-0330` stands for, in minutes; nil for anything else.
    public static func offset(_ text: String) -> Int? {
        if text == "UTC" { return 0 }
        var rest = Array(text.utf8)[...]
        guard let minutes = zone(&rest), rest.isEmpty else { return nil }
        return minutes
    }

    private static func number(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> Int? {
        let digits = rest.prefix(count)
        guard digits.count == count else { return nil }
        var value = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        rest = rest.dropFirst(count)
        return value
    }

    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        var scale: Int64 = 100_000
        var count = 0
        while count < 9, let digit = number(&rest, 1) {
            value += Int64(digit) * scale
            scale /= 10
            count += 1
        }
        return count > 0 ? value : nil
    }

    private static func zone(_ rest: inout ArraySlice<UInt8>) -> Int? {
        guard let first = rest.popFirst() else { return nil }
        if first == UInt8(ascii: "Z") { return 0 }
        guard first == UInt8(ascii: "+") || first == UInt8(ascii: "-"), let hours = number(&rest, 2) else {
            return nil
        }
        if rest.first == UInt8(ascii: ":") { rest = rest.dropFirst() }
        guard let minutes = number(&rest, 2), hours < 24, minutes < 60 else { return nil }
        return (first == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Dates of the proleptic Gregorian calendar as day numbers (Howard Hinnant's civil algorithms).
public enum CivilDate {
    /// Days since 1970-01-01 of a valid date.
    public static func days(year: Int, month: Int, day: Int) -> Int64 {
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = shifted.floorDivided(by: 400).quotient
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The date of a day number, the inverse of `days`.
    public static func date(days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted.floorDivided(by: 146_097).quotient
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * monthIndex + 2) / 5 + 1)
        let month = Int(monthIndex < 10 ? monthIndex + 3 : monthIndex - 9)
        return (Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), month, day)
    }

    /// The number of days of a month, 28 to 31.
    public static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Timestamp {
    /// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)` (RFC 3339, section 5.6), a zone included.
    ///
    /// Returns nil for anything else: a missing zone, an impossible date, a leap second, trailing bytes.
    /// Digits beyond microseconds are cut.
    public init?(rfc3339 text: some Sequence<UInt8>) {
        var reader = DigitReader(text)
        guard let year = reader.digits(4), reader.take("-"),
            let month = reader.digits(2), reader.take("-"),
            let day = reader.digits(2), reader.takeAny("Tt "),
            let hour = reader.digits(2), reader.take(":"),
            let minute = reader.digits(2), reader.take(":"),
            let second = reader.digits(2),
            let fraction = reader.fraction(),
            let offsetMinutes = reader.zone(),
            reader.atEnd,
            (1...12).contains(month), (1...CivilDate.length(ofMonth: month, year: year)).contains(day),
            hour < 24, minute < 60, second < 60
        else { return nil }
        let days = CivilDate.days(year: year, month: month, day: day)
        let ofDay = Int64(hour * 3_600 + minute * 60 + second - offsetMinutes * 60)
        self.init(microseconds: (days * 86_400 + ofDay) * 1_000_000 + fraction)
    }

    /// Nil for text that is no date and time with an offset as RFC 3339, section 5.6 says.
    public init?(rfc3339 text: String) {
        self.init(rfc3339: text.utf8)
    }

    /// The instant as `YYYY-MM-DDThh:mm:ss[.ffffff]Z`; the fraction is absent when zero.
    public var rfc3339: String {
        let (totalSeconds, micros) = microseconds.floorDivided(by: 1_000_000)
        let (dayNumber, ofDay) = totalSeconds.floorDivided(by: 86_400)
        let (year, month, day) = CivilDate.date(days: dayNumber)
        let clock = [ofDay / 3_600, ofDay / 60 % 60, ofDay % 60].map { Self.padded(Int($0), 2) }
        let fraction = micros == 0 ? "" : "." + Self.padded(Int(micros), 6)
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
            + "T\(clock.joined(separator: ":"))\(fraction)Z"
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Reads fixed-width numbers from ASCII; every failure is a nil or a false, never a trap.
private struct DigitReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ text: some Sequence<UInt8>) {
        bytes = Array(text.prefix(64))
    }

    var atEnd: Bool { index == bytes.count }

    mutating func digits(_ count: Int) -> Int? {
        guard index + count <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[index..<index + count] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        index += count
        return value
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        takeAny(String(character))
    }

    mutating func takeAny(_ characters: String) -> Bool {
        guard index < bytes.count, characters.utf8.contains(bytes[index]) else { return false }
        index += 1
        return true
    }

    /// Microseconds of an optional fraction; nil when the point has no digit behind it.
    mutating func fraction() -> Int64? {
        guard take(".") else { return 0 }
        var value: Int64 = 0
        var scale: Int64 = 100_000
        var count = 0
        while let digit = digits(1) {
            value += Int64(digit) * scale
            scale /= 10
            count += 1
        }
        return count > 0 ? value : nil
    }

    /// The offset from UTC in minutes; nil when there is no valid zone.
    mutating func zone() -> Int? {
        if takeAny("Zz") { return 0 }
        let sign: Int
        if take("+") {
            sign = 1
        } else if take("-") {
            sign = -1
        } else {
            return nil
        }
        guard let hours = digits(2), take(":"), let minutes = digits(2), hours < 24, minutes < 60 else {
            return nil
        }
        return sign * (hours * 60 + minutes)
    }
}

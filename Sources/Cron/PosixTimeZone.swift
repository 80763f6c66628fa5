// SPDX-License-Identifier: Apache-2.0

import Model

/// The rule of a zone file for the years behind its table, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
struct PosixTimeZone: Sendable, Hashable {
    struct Daylight: Sendable, Hashable {
        let offset: Int64
        let start: Edge
        let end: Edge
    }

    /// A day of the year, and a wall clock time that may lie days before or after its midnight.
    struct Edge: Sendable, Hashable {
        enum Day: Sendable, Hashable {
            /// `Jn`, 1 to 365: February 29 is never counted.
            case julian(Int)
            /// `n`, 0 to 365: February 29 is counted.
            case zeroBased(Int)
            /// `Mm.w.d`: weekday d of week w of month m; week 5 is the last one.
            case weekday(month: Int, week: Int, weekday: Int)
        }

        let day: Day
        let time: Int64

        /// The local second, as if in UTC, of the edge in a year.
        func localSecond(inYear year: Int) -> Int64 {
            dayNumber(inYear: year) * 86_400 + time
        }

        private func dayNumber(inYear year: Int) -> Int64 {
            let newYear = CivilDate.days(year: year, month: 1, day: 1)
            switch day {
            case .zeroBased(let index):
                return newYear + Int64(index)
            case .julian(let index):
                let leaps = index >= 60 && CivilDate.length(ofMonth: 2, year: year) == 29
                return newYear + Int64(index - 1) + (leaps ? 1 : 0)
            case .weekday(let month, let week, let weekday):
                let first = CivilDay(number: CivilDate.days(year: year, month: month, day: 1))
                var index = (weekday - first.weekday + 7) % 7 + (week - 1) * 7
                if index >= first.monthLength { index -= 7 }
                return first.number + Int64(index)
            }
        }
    }

    /// Seconds to add to UTC outside of daylight saving time.
    let standard: Int64
    let daylight: Daylight?

    /// The changes of the years around an instant, ascending, with the offset that holds from each on.
    func changes(around second: Int64) -> [(instant: Int64, offset: Int64)] {
        guard let daylight else { return [] }
        let year = CivilDate.date(days: second.dividedDown(by: 86_400).quotient).year
        var changes: [(instant: Int64, offset: Int64)] = []
        for year in (year - 2)...(year + 2) {
            changes.append((daylight.end.localSecond(inYear: year) - daylight.offset, standard))
            changes.append((daylight.start.localSecond(inYear: year) - standard, daylight.offset))
        }
        // Zones with daylight saving time all year end and start it in the same instant; the start wins.
        changes.sort { left, right in
            left.instant != right.instant
                ? left.instant < right.instant : left.offset == standard && right.offset != standard
        }
        var merged: [(instant: Int64, offset: Int64)] = []
        for change in changes {
            if merged.last?.instant == change.instant { merged.removeLast() }
            if merged.last?.offset != change.offset { merged.append(change) }
        }
        return merged
    }
}

extension PosixTimeZone {
    /// Reads the text of a zone file's footer; nil when it is not a rule that RFC 8536 allows.
    init?(_ text: some Sequence<UInt8>) {
        var scanner = RuleScanner(bytes: Array(text))
        guard scanner.skipName(), let west = scanner.time() else { return nil }
        standard = -west
        if scanner.atEnd {
            daylight = nil
            return
        }
        guard scanner.skipName() else { return nil }
        var daylightOffset = standard + 3_600
        if !scanner.take(",") {
            guard let west = scanner.time(), scanner.take(",") else { return nil }
            daylightOffset = -west
        }
        guard let start = scanner.edge(), scanner.take(","), let end = scanner.edge(), scanner.atEnd else {
            return nil
        }
        daylight = Daylight(offset: daylightOffset, start: start, end: end)
    }
}

private struct RuleScanner {
    let bytes: [UInt8]
    var index = 0

    var atEnd: Bool { index == bytes.count }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, UInt32(bytes[index]) == character.value else { return false }
        index += 1
        return true
    }

    /// An abbreviation: letters, or anything within angle brackets.
    mutating func skipName() -> Bool {
        if take("<") {
            guard let close = bytes[index...].firstIndex(of: UInt8(ascii: ">")) else { return false }
            index = close + 1
            return true
        }
        let letters = bytes[index...].prefix {
            ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z")
        }
        index += letters.count
        return letters.count >= 3
    }

    mutating func number(upTo limit: Int) -> Int? {
        let digits = bytes[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard (1...3).contains(digits.count) else { return nil }
        let value = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard value <= limit else { return nil }
        index += digits.count
        return value
    }

    /// `[+-]h[:m[:s]]` in seconds; rules reach over a week in either direction.
    mutating func time() -> Int64? {
        let isNegative = take("-")
        if !isNegative { _ = take("+") }
        guard let hours = number(upTo: 167) else { return nil }
        var seconds = hours * 3_600
        if take(":") {
            guard let minutes = number(upTo: 59) else { return nil }
            seconds += minutes * 60
            if take(":") {
                guard let rest = number(upTo: 59) else { return nil }
                seconds += rest
            }
        }
        return Int64(isNegative ? -seconds : seconds)
    }

    mutating func edge() -> PosixTimeZone.Edge? {
        guard let day = day() else { return nil }
        guard take("/") else { return PosixTimeZone.Edge(day: day, time: 7_200) }
        return time().map { PosixTimeZone.Edge(day: day, time: $0) }
    }

    private mutating func day() -> PosixTimeZone.Edge.Day? {
        if take("J") {
            return number(upTo: 365).flatMap { $0 >= 1 ? .julian($0) : nil }
        }
        guard take("M") else { return number(upTo: 365).map { .zeroBased($0) } }
        guard let month = number(upTo: 12), month >= 1, take("."),
            let week = number(upTo: 5), week >= 1, take("."),
            let weekday = number(upTo: 6)
        else { return nil }
        return .weekday(month: month, week: week, weekday: weekday)
    }
}

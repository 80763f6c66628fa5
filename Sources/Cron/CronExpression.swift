// SPDX-License-Identifier: Apache-2.0

public import Model

/// A schedule in Vixie cron's language, with `L`, `W`, `#`, `H` and an optional field of seconds.
///
/// Daylight saving time: a schedule whose second, minute and hour are all fixed runs once for each of its
/// local times: at the first valid instant when the time falls into a gap, at the first of two when it is
/// repeated. A schedule with a wildcard (`*`, `*/n`) in one of these fields follows the clock: it runs
/// whenever the local time matches, in both halves of an overlap and never inside a gap.
///
/// As in Vixie cron, a day must satisfy both day fields when one of them begins with `*`, and either of
/// them otherwise.
public struct CronExpression: Sendable, Hashable {
    /// The longest text that is read; a schedule of any use is far shorter.
    public static let maximumLength = 256

    /// The expression as it was written, without outer blanks.
    public let text: String

    let seconds: CronValues
    let minutes: CronValues
    let hours: CronValues
    let daysOfMonth: CronValues
    let months: CronValues
    let daysOfWeek: CronValues

    private static let shorthands: [String: String] = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    /// Reads 5 fields (minute to day of week), 6 fields (second first) or a shorthand such as `@daily`.
    ///
    /// `hashSeed` fixes what `H` stands for: the same seed always gives the same times, and different seeds
    /// spread. Throws when a field is wrong, and when no day of the calendar can ever match.
    public init(_ text: String, hashSeed: String = "") throws(CronError) {
        let fields = try Self.fields(of: text)
        self.text = Self.words(of: text).joined(separator: " ")
        seconds = try FieldParser.parse(fields[0], as: .second, hashSeed: hashSeed)
        minutes = try FieldParser.parse(fields[1], as: .minute, hashSeed: hashSeed)
        hours = try FieldParser.parse(fields[2], as: .hour, hashSeed: hashSeed)
        daysOfMonth = try FieldParser.parse(fields[3], as: .dayOfMonth, hashSeed: hashSeed)
        months = try FieldParser.parse(fields[4], as: .month, hashSeed: hashSeed)
        daysOfWeek = try FieldParser.parse(fields[5], as: .dayOfWeek, hashSeed: hashSeed)
        let start = CivilDate.days(year: 2000, month: 1, day: 1)
        guard firstDay(from: start, before: start + CalendarSearch.cycle) != nil else {
            throw CronError(
                .impossibleDate, field: CronField.dayOfMonth.name,
                "no year has a day that satisfies '\(self.text)'",
                allowed: "a day that exists in one of the months, such as 28 or L for February")
        }
    }

    /// The first instant strictly after `instant` at which the schedule runs, in whole seconds. Nil only
    /// when that instant would lie beyond what `Timestamp` can hold.
    public func next(after instant: Timestamp, in zone: TimeZoneRules) -> Timestamp? {
        CalendarSearch(expression: self, zone: zone).next(after: instant)
    }

    /// The instants at which the schedule runs after `start` and up to `end` inclusive, the earliest first
    /// and at most `limit` of them.
    public func occurrences(
        after start: Timestamp, through end: Timestamp, limit: Int, in zone: TimeZoneRules
    ) -> [Timestamp] {
        let search = CalendarSearch(expression: self, zone: zone)
        var found: [Timestamp] = []
        var last = start
        while found.count < limit, let next = search.next(after: last), next <= end {
            found.append(next)
            last = next
        }
        return found
    }

    /// Whether the schedule follows the clock rather than naming fixed times of the day.
    var followsClock: Bool { seconds.isWildcard || minutes.isWildcard || hours.isWildcard }

    /// The first matching day number in a range.
    func firstDay(from start: Int64, before end: Int64) -> Int64? {
        var number = start
        while number < end {
            let day = CivilDay(number: number)
            guard months.contains(day.month) else {
                number = day.nextMonth
                continue
            }
            if matches(day) { return number }
            number += daysToNextCandidate(day)
        }
        return nil
    }

    /// Days to skip when only plain numbers of the month can match: a leap day on a Sunday is decades away.
    private func daysToNextCandidate(_ day: CivilDay) -> Int64 {
        guard daysOfMonth.days.isEmpty, daysOfMonth.isWildcard || daysOfWeek.isWildcard else { return 1 }
        guard let next = daysOfMonth.first(from: day.day + 1), next <= day.monthLength else {
            return day.nextMonth - day.number
        }
        return Int64(next - day.day)
    }

    private func matches(_ day: CivilDay) -> Bool {
        let inMonth = daysOfMonth.contains(day.day) || daysOfMonth.days.contains { $0.matches(day) }
        let inWeek = daysOfWeek.contains(day.weekday) || daysOfWeek.days.contains { $0.matches(day) }
        return daysOfMonth.isWildcard || daysOfWeek.isWildcard ? inMonth && inWeek : inMonth || inWeek
    }

    /// The first matching second of a day, from `second` on.
    func firstSecond(from second: Int) -> Int? {
        guard let hour = hours.first(from: second / 3_600) else { return nil }
        guard hour == second / 3_600 else { return start(ofHour: hour) }
        if let minute = minutes.first(from: second / 60 % 60) {
            guard minute == second / 60 % 60 else { return start(ofMinute: minute, hour: hour) }
            if let found = seconds.first(from: second % 60) { return hour * 3_600 + minute * 60 + found }
            if let later = minutes.first(from: minute + 1) { return start(ofMinute: later, hour: hour) }
        }
        return hours.first(from: hour + 1).flatMap { start(ofHour: $0) }
    }

    private func start(ofHour hour: Int) -> Int? {
        minutes.first(from: 0).flatMap { start(ofMinute: $0, hour: hour) }
    }

    private func start(ofMinute minute: Int, hour: Int) -> Int? {
        seconds.first(from: 0).map { hour * 3_600 + minute * 60 + $0 }
    }

    private static func words(of text: String) -> [Substring] {
        text.split { $0 == " " || $0 == "\t" }
    }

    /// The six fields of a text, the seconds included.
    private static func fields(of text: String) throws(CronError) -> [String] {
        let forms = "5 fields (minute hour day-of-month month day-of-week), 6 with seconds first, or @daily"
        guard text.utf8.count <= maximumLength else {
            throw CronError(.fieldCount, "the text is longer than \(maximumLength) bytes", allowed: forms)
        }
        // Checked first, so that the errors below may quote the text.
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else {
            throw CronError(.syntax, "the text has a line break or a character beyond ASCII", allowed: forms)
        }
        var words = words(of: text)
        if let first = words.first, first.hasPrefix("@") {
            let known = shorthands.keys.sorted().joined(separator: ", ")
            guard words.count == 1, let meaning = shorthands[first.lowercased()] else {
                throw CronError(
                    .unknownShorthand, "'\(words.joined(separator: " ").prefix(32))' is not a shorthand",
                    allowed: known)
            }
            words = Self.words(of: meaning)
        }
        guard words.count == 5 || words.count == 6 else {
            throw CronError(.fieldCount, "found \(words.count) fields", allowed: forms)
        }
        return (words.count == 5 ? ["0"] : []) + words.map(String.init)
    }
}

extension CronExpression: CustomStringConvertible {
    /// The expression as it was written.
    public var description: String { text }
}

// SPDX-License-Identifier: Apache-2.0

import Cron
import Model
import Testing

/// One line of the table: after `from`, the expression next runs at `next`.
struct Occurrence: Sendable, CustomTestStringConvertible {
    let text: String
    let zone: String
    let from: String
    let next: String

    init(_ text: String, _ zone: String, _ from: String, _ next: String) {
        self.text = text
        self.zone = zone
        self.from = from
        self.next = next
    }

    var testDescription: String { "\(text) in \(zone) after \(from)" }
}

@Suite struct `The next occurrence` {
    @Test(arguments: plain + calendar + farAway)
    func `is the first match in UTC`(_ line: Occurrence) throws {
        try check(line)
    }

    @Test(arguments: gaps)
    func `of a fixed time in a gap is the first valid instant`(_ line: Occurrence) throws {
        try check(line)
    }

    @Test(arguments: overlaps)
    func `of a fixed time in an overlap is the first of two`(_ line: Occurrence) throws {
        try check(line)
    }

    @Test(arguments: wildcards)
    func `of a wildcard follows the clock`(_ line: Occurrence) throws {
        try check(line)
    }

    @Test func `is strictly later, to the microsecond`() throws {
        let daily = try CronExpression("@daily")
        let midnight = try #require(Timestamp(rfc3339: "2026-01-02T00:00:00Z"))

        let justBefore = Timestamp(microseconds: midnight.microseconds - 1)
        #expect(daily.next(after: justBefore, in: .utc) == midnight)
        #expect(daily.next(after: midnight, in: .utc)?.rfc3339 == "2026-01-03T00:00:00Z")
        let justAfter = Timestamp(microseconds: midnight.microseconds + 1)
        #expect(daily.next(after: justAfter, in: .utc)?.rfc3339 == "2026-01-03T00:00:00Z")
    }

    @Test func `exists at the ends of time or is absent`() throws {
        let daily = try CronExpression("@daily")
        let berlin = try TimeZoneRules(named: "Europe/Berlin")

        #expect(daily.next(after: Timestamp(microseconds: .max), in: berlin) == nil)
        #expect(daily.next(after: Timestamp(microseconds: .min), in: berlin) != nil)
    }

    @Test func `repeats as a list with a limit and an inclusive end`() throws {
        let hourly = try CronExpression("@hourly")
        let start = try #require(Timestamp(rfc3339: "2026-01-01T00:00:00Z"))
        let end = try #require(Timestamp(rfc3339: "2026-01-01T03:00:00Z"))

        let all = hourly.occurrences(after: start, through: end, limit: 100, in: .utc)
        let two = hourly.occurrences(after: start, through: end, limit: 2, in: .utc)
        let none = hourly.occurrences(after: end, through: start, limit: 100, in: .utc)

        #expect(all.map(\.rfc3339).map { $0.dropFirst(11) } == ["01:00:00Z", "02:00:00Z", "03:00:00Z"])
        #expect(two == Array(all.prefix(2)))
        #expect(none.isEmpty)
    }

    private func check(_ line: Occurrence) throws {
        let expression = try CronExpression(line.text)
        let zone = try TimeZoneRules(named: line.zone)
        let from = try #require(Timestamp(rfc3339: line.from))

        let next = expression.next(after: from, in: zone)

        #expect(next?.rfc3339 == line.next)
    }
}

private let plain = [
    Occurrence("*/15 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"),
    Occurrence("0 0-2 5 9 *", "UTC", "2024-11-21T01:01:00Z", "2025-09-05T00:00:00Z"),
    Occurrence("0 0 13 * FRI", "UTC", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z"),
    Occurrence("0 0 1,15 * *", "UTC", "2026-02-15T00:00:00Z", "2026-03-01T00:00:00Z"),
    Occurrence("0 0 * * 7", "UTC", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z"),
    Occurrence("0 0 * * MON-FRI", "UTC", "2026-11-27T12:00:00Z", "2026-11-30T00:00:00Z"),
    Occurrence("15/35 20-35/15 * * * *", "UTC", "2012-07-09T23:35:51Z", "2012-07-10T00:20:15Z"),
    Occurrence("@hourly", "UTC", "2026-11-23T13:00:00Z", "2026-11-23T14:00:00Z"),
    Occurrence("@daily", "UTC", "2026-11-23T13:00:00Z", "2026-11-24T00:00:00Z"),
    Occurrence("@Midnight", "UTC", "2026-11-23T13:00:00Z", "2026-11-24T00:00:00Z"),
    Occurrence("@weekly", "UTC", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"),
    Occurrence("@monthly", "UTC", "2026-11-22T00:00:00Z", "2026-12-01T00:00:00Z"),
    Occurrence("@yearly", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    Occurrence("@annually", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    Occurrence("  5   4\t3 2 *  ", "UTC", "2026-01-01T00:00:00Z", "2026-02-03T04:05:00Z"),
    Occurrence("59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
    Occurrence("*/10 * * * * *", "UTC", "2026-12-31T23:59:50Z", "2027-01-01T00:00:00Z"),
    Occurrence("* * * * * *", "UTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
    Occurrence("30 5 4 3 2 *", "UTC", "2026-01-01T00:00:00Z", "2026-02-03T04:05:30Z"),
    Occurrence("0 12 * jan,JUL Mon", "UTC", "2026-02-01T00:00:00Z", "2026-07-06T12:00:00Z"),
    Occurrence("0 0 * jun-aug *", "UTC", "2026-08-31T00:00:00Z", "2027-06-01T00:00:00Z"),
    Occurrence("5,10-20/5,50 1 * * *", "UTC", "2026-01-01T01:15:00Z", "2026-01-01T01:20:00Z"),
    Occurrence("5,10-20/5,50 1 * * *", "UTC", "2026-01-01T01:20:00Z", "2026-01-01T01:50:00Z"),
    Occurrence("0 20/2 * * *", "UTC", "2026-01-01T22:00:00Z", "2026-01-02T20:00:00Z"),
    Occurrence("*/60 * * * *", "UTC", "2026-01-01T22:00:00Z", "2026-01-01T23:00:00Z"),
]

private let calendar = [
    // Sunday is 0 and 7, and closes a range of names.
    Occurrence("0 0 * * 0", "UTC", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z"),
    Occurrence("0 0 * * 5-7", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
    Occurrence("0 0 * * SAT-SUN", "UTC", "2026-11-29T00:00:00Z", "2026-12-05T00:00:00Z"),
    Occurrence("0 0 * * sun-tue", "UTC", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"),
    Occurrence("0 0 * * 1/2", "UTC", "2026-11-27T00:00:00Z", "2026-11-30T00:00:00Z"),
    Occurrence("0 0 * * */7", "UTC", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z"),
    // Both day fields: either of them, unless one begins with a star.
    Occurrence("0 0 13 * FRI", "UTC", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z"),
    Occurrence("0 0 1-7 * MON", "UTC", "2026-11-07T00:00:00Z", "2026-11-09T00:00:00Z"),
    Occurrence("0 0 */2 * MON", "UTC", "2026-11-01T00:00:00Z", "2026-11-09T00:00:00Z"),
    Occurrence("0 0 10 * */3", "UTC", "2026-01-01T00:00:00Z", "2026-01-10T00:00:00Z"),
    Occurrence("0 0 31 4 MON", "UTC", "2026-01-01T00:00:00Z", "2026-04-06T00:00:00Z"),
    // Months without the day.
    Occurrence("0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"),
    Occurrence("0 0 30 * *", "UTC", "2026-01-30T00:00:00Z", "2026-03-30T00:00:00Z"),
    Occurrence("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
    // Last days.
    Occurrence("0 0 L * *", "UTC", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z"),
    Occurrence("0 0 l 2 *", "UTC", "2026-01-01T00:00:00Z", "2026-02-28T00:00:00Z"),
    Occurrence("0 0 L-3 * *", "UTC", "2026-02-01T00:00:00Z", "2026-02-25T00:00:00Z"),
    Occurrence("0 0 L-30 * *", "UTC", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    Occurrence("0 0 15,L * *", "UTC", "2026-04-15T00:00:00Z", "2026-04-30T00:00:00Z"),
    Occurrence("0 0 LW * *", "UTC", "2026-10-01T00:00:00Z", "2026-10-30T00:00:00Z"),
    Occurrence("0 9 * * FRIL", "UTC", "2026-11-01T00:00:00Z", "2026-11-27T09:00:00Z"),
    Occurrence("0 9 * * 7L", "UTC", "2026-11-01T00:00:00Z", "2026-11-29T09:00:00Z"),
    Occurrence("0 9 * * 0L", "UTC", "2026-11-30T00:00:00Z", "2026-12-27T09:00:00Z"),
    // Nearest workdays: the 1st on a Saturday, the 15th on a Sunday, the 31st on a Sunday.
    Occurrence("0 0 1W * *", "UTC", "2026-07-31T12:00:00Z", "2026-08-03T00:00:00Z"),
    Occurrence("0 0 15W * *", "UTC", "2026-11-01T00:00:00Z", "2026-11-16T00:00:00Z"),
    Occurrence("0 0 15W * *", "UTC", "2026-08-01T00:00:00Z", "2026-08-14T00:00:00Z"),
    Occurrence("0 0 31W * *", "UTC", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"),
    Occurrence("0 0 31W * *", "UTC", "2026-06-01T00:00:00Z", "2026-07-31T00:00:00Z"),
    // The nth weekday; a fifth one is in some months only.
    Occurrence("0 9 * * MON#2", "UTC", "2026-11-01T00:00:00Z", "2026-11-09T09:00:00Z"),
    Occurrence("0 9 * * 7#1", "UTC", "2026-11-02T00:00:00Z", "2026-12-06T09:00:00Z"),
    Occurrence("0 9 * * thu#5", "UTC", "2026-11-01T00:00:00Z", "2026-12-31T09:00:00Z"),
    Occurrence("0 9 * * MON#1,FRIL", "UTC", "2026-11-02T09:00:00Z", "2026-11-27T09:00:00Z"),
]

private let farAway = [
    // 1900, 2100 and 2200 are no leap years; 2000 is.
    Occurrence("0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
    Occurrence("0 0 29 2 *", "UTC", "1896-02-29T00:00:00Z", "1904-02-29T00:00:00Z"),
    Occurrence("0 0 29 2 *", "UTC", "1996-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
    // February 29 on a Sunday returns after 28 years, over a century without a leap day after 40.
    Occurrence("0 0 29 2 */7", "UTC", "2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z"),
    Occurrence("0 0 29 2 */7", "UTC", "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"),
    Occurrence("0 0 1 1 *", "UTC", "9998-06-01T00:00:00Z", "9999-01-01T00:00:00Z"),
    Occurrence("0 0 * * 4", "UTC", "1969-12-25T00:00:00Z", "1970-01-01T00:00:00Z"),
    Occurrence("0 2 * * *", "Europe/Berlin", "2500-07-01T12:00:00Z", "2500-07-02T00:00:00Z"),
    Occurrence("0 2 * * *", "Europe/Berlin", "2500-12-01T12:00:00Z", "2500-12-02T01:00:00Z"),
    // Before the first change of its table, New York kept local mean time, -4:56:02.
    Occurrence("0 12 * * *", "America/New_York", "1850-01-01T00:00:00Z", "1850-01-01T16:56:02Z"),
]

private let gaps = [
    Occurrence("0 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z"),
    Occurrence("30 1 * * *", "Europe/London", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
    Occurrence("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
    Occurrence("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"),
    Occurrence("0 9 * * *", "America/Santiago", "2026-09-05T20:00:00Z", "2026-09-06T12:00:00Z"),
    // Many fixed times of one gap run once, and an instant that matches anyway does not run twice.
    Occurrence("0,15,30,45 2 * * *", "America/New_York", "2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"),
    Occurrence("30 2 * * *", "America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"),
    Occurrence("30 2 * * *", "America/New_York", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"),
    Occurrence("0 2,3 * * *", "America/New_York", "2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"),
    // A gap of half an hour: 02:00 to 02:30 does not exist.
    Occurrence("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"),
    Occurrence("45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:45:00Z"),
    // Samoa left out December 30, 2011.
    Occurrence("0 0 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00Z"),
    Occurrence("0 0 30 12 *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2012-12-29T10:00:00Z"),
    Occurrence("0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z"),
    // Behind the table of the zone file, by the rule of its footer.
    Occurrence("30 2 * * *", "Europe/Berlin", "2099-03-28T12:00:00Z", "2099-03-29T01:00:00Z"),
]

private let overlaps = [
    Occurrence("30 1 * * *", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"),
    Occurrence("30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
    Occurrence("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z"),
    Occurrence("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"),
    Occurrence("0 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"),
    Occurrence("0 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"),
    Occurrence("0 0-23 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
    // A daily run at midnight of the day whose last hour is repeated.
    Occurrence("0 0 * * *", "America/Santiago", "2026-04-04T12:00:00Z", "2026-04-05T04:00:00Z"),
    Occurrence("30 23 * * *", "America/Santiago", "2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"),
    // Kwajalein repeated most of September 30, 1969.
    Occurrence("0 12 * * *", "Pacific/Kwajalein", "1969-09-30T02:00:00Z", "1969-10-02T00:00:00Z"),
]

private let wildcards = [
    Occurrence("0 * * * *", "America/New_York", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
    Occurrence("0 * * * *", "America/New_York", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"),
    Occurrence("*/15 * * * *", "America/New_York", "2026-11-01T05:45:00Z", "2026-11-01T06:00:00Z"),
    Occurrence("*/15 * * * *", "America/New_York", "2026-03-08T06:45:00Z", "2026-03-08T07:00:00Z"),
    Occurrence("*/30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z"),
    Occurrence("*/30 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T06:00:00Z"),
    Occurrence("0 */2 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T08:00:00Z"),
    Occurrence("0 * * * *", "Australia/Lord_Howe", "2026-04-04T14:30:00Z", "2026-04-04T15:30:00Z"),
    Occurrence("*/20 * * * * *", "Asia/Kathmandu", "2026-04-04T14:30:50Z", "2026-04-04T14:31:00Z"),
    Occurrence("0 * * * *", "Asia/Kathmandu", "2026-04-04T14:00:00Z", "2026-04-04T14:15:00Z"),
]

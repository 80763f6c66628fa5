// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import Cron

/// Compares the search with a scan of every minute, which knows nothing of stretches and bit sets.
@Suite struct `The search and a scan of every minute` {
    /// A zone and an instant shortly before something unusual happens to its clocks.
    static let places: [(zone: String, start: String)] = [
        ("UTC", "2028-02-20T00:00:00Z"),
        ("America/New_York", "2026-03-06T00:00:00Z"),
        ("America/New_York", "2026-10-30T00:00:00Z"),
        ("Europe/Dublin", "2026-03-27T00:00:00Z"),
        ("Europe/Dublin", "2060-10-29T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-02T00:00:00Z"),
        ("Australia/Lord_Howe", "2055-10-01T00:00:00Z"),
        ("Africa/Casablanca", "2026-02-13T00:00:00Z"),
        ("America/Nuuk", "2026-03-26T00:00:00Z"),
        ("Asia/Gaza", "2026-10-20T00:00:00Z"),
        ("Pacific/Apia", "2011-12-28T00:00:00Z"),
        ("Pacific/Kwajalein", "1969-09-28T00:00:00Z"),
        ("Antarctica/Troll", "2026-03-27T00:00:00Z"),
        ("America/St_Johns", "2026-03-06T00:00:00Z"),
        ("Africa/Cairo", "2026-04-22T00:00:00Z"),
        ("America/Santiago", "2026-09-03T00:00:00Z"),
        ("Asia/Beirut", "2026-03-27T00:00:00Z"),
        ("America/Asuncion", "2024-03-22T00:00:00Z"),
        ("Pacific/Chatham", "2026-04-03T00:00:00Z"),
        ("America/Caracas", "2016-04-29T00:00:00Z"),
        ("Asia/Pyongyang", "2018-05-03T00:00:00Z"),
        ("Europe/Istanbul", "2016-03-25T00:00:00Z"),
    ]

    @Test(arguments: places)
    func `find the same instants over a year`(_ zoneName: String, _ startText: String) throws {
        let zone = try TimeZoneRules(named: zoneName)
        let start = try #require(Timestamp(rfc3339: startText))
        let year = LocalYear(zone: zone, start: start.seconds / 60)
        var generator = SplitMix(seed: UInt64(bitPattern: start.seconds))

        for _ in 0..<8 {
            let sample = SampleExpression(using: &generator)
            let expected = sample.scan(year, limit: 1_000)
            let expression: CronExpression
            do {
                expression = try CronExpression(sample.text)
            } catch {
                #expect(error.code == .impossibleDate, "\(sample.text): \(error)")
                #expect(expected.isEmpty, "\(sample.text)")
                continue
            }
            let found = expression.occurrences(
                after: start, through: Timestamp(seconds: year.end * 60), limit: 1_000, in: zone)

            #expect(zip(found, found.dropFirst()).allSatisfy(<))
            let difference = Set(found.map { $0.seconds / 60 }).symmetricDifference(expected).sorted()
            let first = difference.first.map { Timestamp(seconds: $0 * 60).rfc3339 } ?? ""
            #expect(difference.isEmpty, "\(sample.text) in \(zoneName) at \(first)")
        }
    }

    @Test func `agree wherever the search begins`() throws {
        let zone = try TimeZoneRules(named: "America/New_York")
        let fixed = try CronExpression("10,40 1,2,3 * * *")
        let start = try #require(Timestamp(rfc3339: "2026-10-31T00:00:00Z"))
        let end = start.advanced(by: .seconds(3 * 86_400))
        let all = fixed.occurrences(after: start, through: end, limit: 100, in: zone)

        for second in stride(from: start.seconds, to: end.seconds - 86_400, by: 97) {
            let instant = Timestamp(seconds: second)
            #expect(fixed.next(after: instant, in: zone) == all.first { $0 > instant })
        }
    }
}

/// The local minute of every minute of a year, and how far the clocks had come before it.
private struct LocalYear {
    let start: Int64
    let end: Int64
    private(set) var locals: [Int64] = []
    /// The local minute that had been reached before the first one, exclusive.
    let reached: Int64

    init(zone: TimeZoneRules, start: Int64) {
        self.start = start
        end = start + 366 * 1_440
        var offset: Int64?
        func local(_ minute: Int64) -> Int64 {
            // Clocks change at quarters of an hour; asking once for each keeps the scan quick.
            if minute % 15 == 0 || offset == nil {
                offset = Int64(zone.offset(at: Timestamp(seconds: minute * 60))) / 60
            }
            return minute + (offset ?? 0)
        }
        // The minute `start` itself is excluded from the search, so that it counts as reached.
        reached = (start - 4 * 1_440...start).map(local).max().map { $0 + 1 } ?? 0
        locals.reserveCapacity(366 * 1_440)
        for minute in start + 1...end { locals.append(local(minute)) }
    }
}

/// A random expression together with the plain sets that it means.
private struct SampleExpression {
    let text: String
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let followsClock: Bool
    private let daysNarrowed: Bool

    init(using generator: inout SplitMix) {
        var texts: [String] = []
        func field(_ range: ClosedRange<Int>, from drawn: ClosedRange<Int>? = nil, starOdds: Int) -> Set<Int>
        {
            if Int.random(in: 0..<10, using: &generator) < starOdds {
                texts.append("*")
                return Set(range)
            }
            let low = Int.random(in: drawn ?? range, using: &generator)
            let high = Int.random(in: low...(drawn ?? range).upperBound, using: &generator)
            let step = Int.random(in: 1...min(range.count, 9), using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0:
                texts.append("*/\(step)")
                return Set(stride(from: range.lowerBound, through: range.upperBound, by: step))
            case 1:
                texts.append("\(low)-\(high)")
                return Set(low...high)
            case 2:
                texts.append("\(low)-\(high)/\(step)")
                return Set(stride(from: low, through: high, by: step))
            case 3:
                texts.append("\(high),\(low)")
                return [low, high]
            default:
                texts.append("\(low)")
                return [low]
            }
        }
        minutes = field(0...59, starOdds: 1)
        // Most changes of the clocks happen in the first hours of a day.
        hours = field(0...23, from: Bool.random(using: &generator) ? 0...3 : nil, starOdds: 2)
        days = field(1...31, starOdds: 6)
        months = field(1...12, starOdds: 8)
        weekdays = field(0...6, starOdds: 6)
        text = texts.joined(separator: " ")
        followsClock = texts[0].hasPrefix("*") || texts[1].hasPrefix("*")
        daysNarrowed = texts[2].hasPrefix("*") || texts[4].hasPrefix("*")
    }

    /// The minutes of a year in which the schedule runs, at most `limit` of them.
    func scan(_ year: LocalYear, limit: Int) -> Set<Int64> {
        let ofDay = (0..<1_440).map { minutes.contains($0 % 60) && hours.contains($0 / 60) }
        var dayMatches: [Int64: Bool] = [:]
        func matches(_ local: Int64) -> Bool {
            let minute = (local % 1_440 + 1_440) % 1_440
            guard ofDay[Int(minute)] else { return false }
            let number = (local - minute) / 1_440
            if let known = dayMatches[number] { return known }
            let date = CivilDate.date(days: number)
            let inMonth = days.contains(date.day)
            let inWeek = weekdays.contains(Int(((number + 4) % 7 + 7) % 7))
            let result =
                months.contains(date.month)
                && (daysNarrowed ? inMonth && inWeek : inMonth || inWeek)
            dayMatches[number] = result
            return result
        }
        var found: Set<Int64> = []
        var reached = year.reached
        for (index, local) in year.locals.enumerated() {
            if found.count == limit { break }
            let runs =
                followsClock || local == reached
                ? matches(local) : local > reached && (reached...local).contains(where: matches)
            if runs { found.insert(year.start + 1 + Int64(index)) }
            reached = max(reached, local + 1)
        }
        return found
    }
}

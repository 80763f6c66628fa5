// SPDX-License-Identifier: Apache-2.0

import Cron
import Model
import Testing

@Suite struct `Reading an expression` {
    @Test(arguments: refused)
    func `names the field, the problem and what is allowed`(_ text: String, _ start: String) {
        #expect {
            try CronExpression(text)
        } throws: { error in
            guard let error = error as? CronError else { return false }
            #expect(error.message.hasPrefix(start), "\(error.message)")
            #expect(error.message.contains("; allowed: "))
            #expect(error.field == nil || error.message.hasPrefix(error.field ?? ""))
            return true
        }
    }

    @Test(arguments: ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31W 2 *", "0 0 30 feb */2"])
    func `refuses days that no year has`(_ text: String) throws {
        let error = try #require(throws: CronError.self) { try CronExpression(text) }

        #expect(error.code == .impossibleDate)
    }

    @Test func `keeps the text in one line`() throws {
        #expect(try CronExpression("  0  0\t* * 7 ").text == "0 0 * * 7")
        #expect("\(try CronExpression("@Daily"))" == "@Daily")
    }

    @Test func `never traps on arbitrary text`() {
        let pieces = [
            "*", "/", "-", ",", "0", "7", "59", "L", "W", "#", "H", "(", ")", " ", "MON", "9999", "@",
        ]
        var generator = SplitMix(seed: 7)
        var accepted = 0

        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...14, using: &generator))
                .map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            do {
                _ = try CronExpression(text + " * * * *")
                accepted += 1
            } catch {
                #expect(error.message.utf8.count < 300)
            }
        }

        #expect(accepted > 0)
    }
}

@Suite struct `H in an expression` {
    @Test func `gives the same time for a seed, for ever`() throws {
        let start = try #require(Timestamp(rfc3339: "2026-01-01T00:00:00Z"))
        let times = try ["", "stripe", "slack"].map { seed in
            try CronExpression("H H * * *", hashSeed: seed).next(after: start, in: .utc)?.rfc3339
        }

        #expect(times == ["2026-01-01T04:25:00Z", "2026-01-01T11:41:00Z", "2026-01-01T23:24:00Z"])
    }

    @Test func `spreads seeds evenly over the minutes`() throws {
        let start = try #require(Timestamp(rfc3339: "2026-01-01T00:00:00Z"))
        var minutes = [Int](repeating: 0, count: 60)

        for index in 0..<6_000 {
            let hourly = try CronExpression("H * * * *", hashSeed: "integration-\(index)")
            let next = try #require(hourly.next(after: start, in: .utc))
            minutes[Int(next.seconds / 60 % 60)] += 1
        }

        #expect(minutes.allSatisfy { (50...160).contains($0) }, "\(minutes)")
    }

    @Test(arguments: 0..<50)
    func `stays within its range and keeps its step`(_ index: Int) throws {
        let start = try #require(Timestamp(rfc3339: "2026-01-31T23:59:59Z"))
        let end = try #require(Timestamp(rfc3339: "2026-02-28T23:59:59Z"))
        let seed = "seed \(index)"

        let quarters = try CronExpression("H/15 3 1 * *", hashSeed: seed)
            .occurrences(after: start, through: end, limit: 100, in: .utc).map { $0.seconds / 60 % 60 }
        #expect(quarters.count == 4)
        #expect(zip(quarters, quarters.dropFirst()).allSatisfy { $1 - $0 == 15 })

        let night = try CronExpression("0 H(2-5) * * *", hashSeed: seed)
            .occurrences(after: start, through: end, limit: 100, in: .utc).map { $0.seconds / 3_600 % 24 }
        #expect(night.count == 28)
        #expect(Set(night).count == 1 && night.allSatisfy { (2...5).contains($0) })

        // A hashed day of month exists in February too.
        let monthly = try CronExpression("0 0 H * *", hashSeed: seed)
        #expect(monthly.occurrences(after: start, through: end, limit: 100, in: .utc).count == 1)
    }
}

private let refused: [(String, String)] = [
    ("", "found 0 fields; allowed: 5 fields"),
    ("* * * *", "found 4 fields"),
    ("* * * * * * *", "found 7 fields"),
    ("@fortnightly", "'@fortnightly' is not a shorthand; allowed: @annually, @daily"),
    ("@reboot", "'@reboot' is not a shorthand"),
    ("@daily 5", "'@daily 5' is not a shorthand"),
    ("60 * * * *", "minute: 60 is out of range; allowed: 0-59"),
    ("99999 * * * *", "minute: '99999' is not understood"),
    ("-1 * * * *", "minute: '-1' is not understood"),
    ("60 * * * * *", "second: 60 is out of range"),
    ("* 24 * * *", "hour: 24 is out of range; allowed: 0-23"),
    ("* * 0 * *", "day of month: 0 is out of range"),
    ("* * 32 * *", "day of month: 32 is out of range"),
    ("* * 32W * *", "day of month: 32 is out of range"),
    ("* * * 0 *", "month: 0 is out of range; allowed: 1-12 or JAN-DEC"),
    ("* * * 13 *", "month: 13 is out of range"),
    ("* * * * 8", "day of week: 8 is out of range"),
    ("* * * * MON#6", "day of week: #6 is not between #1 and #5"),
    ("* * * * MON#0", "day of week: #0 is not between #1 and #5"),
    ("* * * * #2", "day of week: '#2' is not understood"),
    ("* * * * L", "day of week: 'L' is not understood"),
    ("* * * * MON-WEDL", "day of week: 'MON-WEDL' is not understood"),
    ("* * L-31 * *", "day of month: no month has a day 31 days before its last"),
    ("* * LX * *", "day of month: 'LX' is not understood"),
    ("* * * * FRI-MON", "day of week: the range FRI-MON runs backwards"),
    ("30-10 * * * *", "minute: the range 30-10 runs backwards"),
    ("*/0 * * * *", "minute: the step 0 is not between 1 and 60"),
    ("*/90 * * * *", "minute: the step 90 is not between 1 and 60"),
    ("*/ * * * *", "minute: '*/' has no number behind the slash"),
    ("1,,2 * * * *", "minute: an element of the list is empty"),
    ("1, * * * *", "minute: an element of the list is empty"),
    ("1- * * * *", "minute: '1-' is not understood"),
    ("*5 * * * *", "minute: '*5' is not understood"),
    ("MON * * * *", "minute: 'MON' is not understood"),
    ("* * * MON *", "month: 'MON' is not understood"),
    ("* * * * MONDAY", "day of week: 'MONDAY' is not understood"),
    ("* * ? * *", "day of month: '?' is not understood"),
    ("H(5 * * * *", "minute: 'H(5' is not understood"),
    ("H(9-5) * * * *", "minute: 'H(9-5)' is not understood"),
    ("H(0-9)/11 * * * *", "minute: the step 11 is not between 1 and 10"),
    ("0 0 * * *\n", "the text has a line break"),
    ("0 0 * * ſun", "the text has a line break or a character beyond ASCII"),
    (String(repeating: "0,", count: 200) + "0 * * * *", "the text is longer than 256 bytes"),
]

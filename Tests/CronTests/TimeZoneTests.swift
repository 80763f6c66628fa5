// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import Testing

@testable import Cron

@Suite struct `Time zones` {
    private static let zdump = "/usr/bin/zdump"

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: zdump)))
    func `change their offsets when the C library says so`() throws {
        let table = try String(contentsOfFile: "/usr/share/zoneinfo/zone1970.tab", encoding: .utf8)
        let all = table.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .compactMap { $0.split(separator: "\t").dropFirst(2).first }.map(String.init)
        #expect(all.count > 250)
        // Every fourth zone keeps the test short, and those whose clocks are odd are always there.
        let odd = [
            "Africa/Casablanca", "Africa/El_Aaiun", "America/Nuuk", "Antarctica/Troll", "Asia/Gaza",
            "Asia/Tehran",
            "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein",
        ]
        let names = odd + stride(from: 0, to: all.count, by: 4).map { all[$0] }.filter { !odd.contains($0) }
        var changes: [String: Set<Int64>] = [:]

        for line in try dumpedLines(of: names) {
            let zone = try zone(line.zone)
            #expect(zone.offset(at: Timestamp(seconds: line.second)) == line.offset, "\(line)")
            changes[line.zone, default: []].insert(line.second)
        }

        // And they do not change otherwise.
        let start = CivilDate.days(year: 1950, month: 1, day: 1) * 86_400
        let end = CivilDate.days(year: 2049, month: 1, day: 1) * 86_400
        for name in names {
            let rules = try zone(name)
            var stretch = rules.stretch(at: start)
            while stretch.end < end {
                let next = rules.stretch(at: stretch.end)
                #expect(next.start == stretch.end)
                if next.offset != stretch.offset {
                    #expect(changes[name]?.contains(next.start) == true, "\(name) at \(next.start)")
                }
                stretch = next
            }
        }
    }

    @Test func `follow the rule of the footer for centuries`() throws {
        let dublin = try TimeZoneRules(named: "Europe/Dublin")

        for year in [2038, 2100, 2399, 5000] {
            let summer = CivilDate.days(year: year, month: 7, day: 1) * 86_400
            let winter = CivilDate.days(year: year, month: 1, day: 1) * 86_400
            #expect(dublin.offset(at: Timestamp(seconds: summer)) == 3_600)
            #expect(dublin.offset(at: Timestamp(seconds: winter)) == 0)
        }
    }

    @Test(arguments: ["UTC", "Etc/UTC"])
    func `of UTC need no database`(_ name: String) throws {
        let zone = try TimeZoneRules(named: name, directory: "/nonexistent")

        #expect(zone.offset(at: .now()) == 0)
        #expect(zone.name == name)
    }

    @Test(arguments: [
        "", "Mars/Olympus", "europe/berlin", "../../../etc/passwd", "/etc/localtime", "Europe", "Europe/",
        "Europe/Ber lin", "Europe/Berlin\0", "Zürich",
    ])
    func `that do not exist are refused with an example`(_ name: String) throws {
        let error = try #require(throws: CronError.self) { try TimeZoneRules(named: name) }

        #expect(error.code == .unknownTimeZone)
        #expect(error.message.hasPrefix("time zone: "))
        #expect(error.message.hasSuffix("such as UTC or Europe/Berlin"))
    }

    @Test func `that are not zone files are refused`() throws {
        let error = try #require(throws: CronError.self) {
            try TimeZoneRules(named: "zone1970", directory: NSTemporaryDirectory())
        }
        #expect(error.code == .unknownTimeZone)

        let table = try #require(throws: CronError.self) {
            try TimeZoneRules(named: "leapseconds", directory: "/usr/share/zoneinfo")
        }
        #expect(table.code == .unreadableTimeZone)
        #expect(table.message.contains("damaged"))
    }

    @Test(arguments: ["Europe/Berlin", "Pacific/Apia"])
    func `in damaged files never trap`(_ name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)")))
        let winter = try CronExpression("30 2 * * *")
        var generator = SplitMix(seed: 11)

        for length in 0..<bytes.count {
            #expect(throws: CronError.self) { try ZoneFile(name: name, bytes: Array(bytes.prefix(length))) }
        }
        for _ in 0..<600 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                damaged[Int.random(in: 0..<bytes.count, using: &generator)] = .random(
                    in: 0...255, using: &generator)
            }
            guard let file = Result(catching: { try ZoneFile(name: name, bytes: damaged) }).success else {
                continue
            }
            let zone = TimeZoneRules(name: name, file: file)
            let next = winter.next(after: Timestamp(seconds: 1_790_000_000), in: zone)
            #expect(next.map { $0.seconds > 1_790_000_000 } ?? true)
        }
    }

    private func zone(_ name: String) throws -> TimeZoneRules {
        if let known = Self.known.withLock({ $0[name] }) { return known }
        let read = try TimeZoneRules(named: name)
        Self.known.withLock { $0[name] = read }
        return read
    }

    private static let known = LockedBox<[String: TimeZoneRules]>([:])

    private struct DumpedLine: CustomStringConvertible {
        let zone: String
        let second: Int64
        let offset: Int
        var description: String { "\(zone) at \(second): \(offset)" }
    }

    /// Each change of 1950 to 2048 as the C library sees it, with the second before it.
    private func dumpedLines(of names: [String]) throws -> [DumpedLine] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.zdump)
        process.arguments = ["-V", "-c", "1950,2049"] + names
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return String(decoding: output, as: UTF8.self).split(separator: "\n").compactMap { line in
            // Europe/Berlin  Sun Mar 29 00:59:59 2026 UT = Sun Mar 29 01:59:59 2026 CET isdst=0 gmtoff=3600
            let words = line.split(separator: " ")
            guard words.count == 16, let month = months.firstIndex(of: String(words[2])),
                let day = Int(words[3]), let year = Int(words[5]),
                let offset = Int(words[15].dropFirst("gmtoff=".count))
            else { return nil }
            let clock = words[4].split(separator: ":").compactMap { Int64($0) }
            let ofDay = clock.reduce(0) { $0 * 60 + $1 }
            let days = CivilDate.days(year: year, month: month + 1, day: day)
            return DumpedLine(zone: String(words[0]), second: days * 86_400 + ofDay, offset: offset)
        }
    }
}

@Suite struct `The rule of a footer` {
    @Test(arguments: [
        // text, instant, offset
        ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", -18_000),
        ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -14_400),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T00:59:59Z", 0),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T01:00:00Z", 3_600),
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04T15:00:00Z", 37_800),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3_600),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7_200),
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 10_800),
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27T23:59:59Z", 7_200),
        // Day 60 is March 1 in every year with J, February 29 without in a leap year.
        ("AAA0BBB,J60/0,J300/0", "2028-02-29T23:59:59Z", 0),
        ("AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z", 3_600),
        ("AAA0BBB,59/0,300/0", "2028-02-29T00:00:00Z", 3_600),
        ("AAA0BBB,59/0,300/0", "2027-02-28T23:59:59Z", 0),
        // Daylight saving time all year.
        ("XXX3EDT4,0/0,J365/23", "2026-01-01T03:00:00Z", -14_400),
        ("XXX3EDT4,0/0,J365/23", "2026-12-31T23:30:00Z", -14_400),
        ("UTC0", "2026-12-31T23:30:00Z", 0),
        ("<+0545>-5:45", "2026-12-31T23:30:00Z", 20_700),
    ])
    func `gives the offset`(_ text: String, _ instant: String, _ offset: Int) throws {
        let rule = try #require(PosixTimeZone(text.utf8))
        let second = try #require(Timestamp(rfc3339: instant)).seconds

        let change = rule.changes(around: second).last { $0.instant <= second }

        #expect(change?.offset ?? rule.standard == Int64(offset))
    }

    @Test(arguments: [
        "", "A0", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J5", "EST5EDT,J366,J5", "EST5EDT,M3.2.0,M11.1.0x", "<+1",
        "EST999",
        "EST5:60",
    ])
    func `is refused when it is none`(_ text: String) {
        #expect(PosixTimeZone(text.utf8) == nil)
    }
}

extension Result {
    fileprivate var success: Success? {
        if case .success(let value) = self { value } else { nil }
    }
}

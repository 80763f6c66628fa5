// SPDX-License-Identifier: Apache-2.0

import Cron
import Foundation
import Model
import Testing

/// `Vectors/cron.tsv`: expression, zone, from (exclusive), next or `never`.
@Suite struct `The shared vectors` {
    struct Line: Sendable, CustomTestStringConvertible {
        let text: String
        let zone: String
        let from: String
        let next: String

        var testDescription: String { "\(text) in \(zone) after \(from)" }
    }

    static func lines() throws -> [Line] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Vectors/cron.tsv")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }
            .map { line in
                let cells = line.split(separator: "\t").map(String.init)
                try #require(cells.count == 4, "\(line)")
                return Line(text: cells[0], zone: cells[1], from: cells[2], next: cells[3])
            }
    }

    @Test func `are all there`() throws {
        #expect(try Self.lines().count == 26)
    }

    @Test(arguments: try lines())
    func `hold`(_ line: Line) throws {
        let zone = try TimeZoneRules(named: line.zone)
        let from = try #require(Timestamp(rfc3339: line.from))
        guard line.next != "never" else {
            let error = try #require(throws: CronError.self) { try CronExpression(line.text) }
            #expect(error.code == .impossibleDate)
            return
        }
        #expect(try CronExpression(line.text).next(after: from, in: zone)?.rfc3339 == line.next)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cron
import Model

/// How long the next time of a schedule takes to find.
enum CronBench {
    private static let lines = [
        ("*/15 * * * *", "UTC"), ("30 1 * * *", "America/New_York"), ("0 9 * * MON#2,FRIL", "Europe/Berlin"),
        ("0 0 LW * *", "Australia/Lord_Howe"), ("*/20 * * * * *", "Asia/Kathmandu"),
        ("0 0 29 2 *", "Europe/London"), ("0 0 29 2 */7", "America/Santiago"),
        ("0 0 L 2 */7", "Africa/Casablanca"),
    ]

    static func run() throws {
        Report.title("(cron) next time of a schedule, from 2,000 instants over 20 years each")
        var worst = 0.0
        for (text, name) in lines {
            let expression = try CronExpression(text)
            let zone = try TimeZoneRules(named: name)
            let clock = ContinuousClock()
            var found = 0
            let elapsed = clock.measure {
                for step in 0..<2_000 {
                    let instant = Timestamp(seconds: 1_767_225_600 + Int64(step) * 315_569)
                    if expression.next(after: instant, in: zone) != nil { found += 1 }
                }
            }
            guard found == 2_000 else {
                throw BenchFailure("\(text): \(found) of 2,000 instants have a next time")
            }
            let each = Double(elapsed.wholeMicroseconds) / 2_000
            worst = max(worst, each)
            Report.line("\(text) in \(name)", each, "µs", target: "target under 50")
        }
        guard worst < 50 else { throw BenchFailure("the slowest takes \(worst) µs, over the limit of 50 µs") }
    }
}

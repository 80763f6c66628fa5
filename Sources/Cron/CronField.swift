// SPDX-License-Identifier: Apache-2.0

/// The static description of one position of a cron expression.
struct CronField: Sendable {
    /// Which forms beyond numbers a field understands.
    enum Kind: Sendable { case plain, dayOfMonth, dayOfWeek }

    let name: String
    var kind = Kind.plain
    let range: ClosedRange<Int>
    /// The values that `H` may choose: only those that exist in every month.
    let hashRange: ClosedRange<Int>
    /// Three-letter names in upper case; the first one stands for `firstNamed`.
    var names: [String] = []
    var firstNamed = 0
    let allowed: String

    static let second = CronField(
        name: "second", range: 0...59, hashRange: 0...59, allowed: "0-59, lists, ranges, steps, H")
    static let minute = CronField(
        name: "minute", range: 0...59, hashRange: 0...59, allowed: "0-59, lists, ranges, steps, H")
    static let hour = CronField(
        name: "hour", range: 0...23, hashRange: 0...23, allowed: "0-23, lists, ranges, steps, H")
    static let dayOfMonth = CronField(
        name: "day of month", kind: .dayOfMonth, range: 1...31, hashRange: 1...28,
        allowed: "1-31, lists, ranges, steps, H, L, L-3, LW, 15W")
    static let month = CronField(
        name: "month", range: 1...12, hashRange: 1...12,
        names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        firstNamed: 1, allowed: "1-12 or JAN-DEC, lists, ranges, steps, H")
    /// 7 is Sunday like 0, so that `FRI-SUN` and `5-7` read as ranges.
    static let dayOfWeek = CronField(
        name: "day of week", kind: .dayOfWeek, range: 0...7, hashRange: 0...6,
        names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        allowed: "0-7 or SUN-SAT, lists, ranges, steps, H, FRIL, MON#2")

    /// The values that `*` and an open `5/10` run over: Sunday once.
    var openRange: ClosedRange<Int> { kind == .dayOfWeek ? 0...6 : range }

    func error(_ code: CronError.Code, _ problem: String) -> CronError {
        CronError(code, field: name, problem, allowed: allowed)
    }
}

/// What one field of an expression accepts.
struct CronValues: Sendable, Hashable {
    /// Bit n stands for the value n.
    var bits: UInt64 = 0
    /// Whether the text begins with `*`. As in Vixie cron this, and not the set of values, decides how the
    /// two day fields combine and whether the schedule follows the clock or fixed times.
    var isWildcard = false
    /// Accepted days that depend on the month at hand.
    var days: [CalendarDay] = []

    func contains(_ value: Int) -> Bool { bits & (1 << UInt64(value)) != 0 }

    /// The smallest accepted value that is not below `value`.
    func first(from value: Int) -> Int? {
        guard value < 64 else { return nil }
        let rest = bits >> UInt64(value)
        return rest == 0 ? nil : value + rest.trailingZeroBitCount
    }
}

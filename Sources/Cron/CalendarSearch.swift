// SPDX-License-Identifier: Apache-2.0

import Model

/// Finds the instants of one expression in one zone.
///
/// Time is walked in stretches of constant offset. Within a stretch local time is plain arithmetic; what
/// happens between two stretches is the rule for gaps and overlaps.
struct CalendarSearch {
    /// Days after which the Gregorian calendar repeats, weekdays included: what does not match within one
    /// cycle never does.
    static let cycle: Int64 = 146_097

    private static let day: Int64 = 86_400
    /// Instants are searched within what a `Timestamp` holds, with room for an offset.
    private static let limits = (Int64.min / 1_000_000 + 4 * day)...(Int64.max / 1_000_000 - 4 * day)

    let expression: CronExpression
    let zone: TimeZoneRules

    func next(after instant: Timestamp) -> Timestamp? {
        var second = max(instant.seconds + 1, Self.limits.lowerBound)
        let horizon = min(second + Self.cycle * Self.day, Self.limits.upperBound)
        while second < horizon {
            var stretch = zone.stretch(at: second)
            // Years without a matching day are passed at once, not clock change by clock change. Two days before and three
            // behind are more than any offset and any gap.
            let today = (second + stretch.offset).dividedDown(by: Self.day).quotient
            guard let match = expression.firstDay(from: today - 2, before: today + Self.cycle + 4) else {
                return nil
            }
            if (match - 3) * Self.day > second {
                second = (match - 3) * Self.day
                guard second < horizon else { return nil }
                stretch = zone.stretch(at: second)
            }
            if let found = first(from: second, in: stretch, before: min(stretch.end, horizon)) {
                return Timestamp(seconds: found)
            }
            second = stretch.end
        }
        return nil
    }

    private func first(from second: Int64, in stretch: OffsetStretch, before end: Int64) -> Int64? {
        var local = second + stretch.offset
        if !expression.followsClock, stretch.start > Int64.min {
            let reached = localTimeReached(before: stretch.start)
            // The clock jumped forward over [reached, local): what should have run there runs now, once.
            if second == stretch.start, reached < local, firstLocal(from: reached, before: local) != nil {
                return second
            }
            // The clock went back: local times below `reached` have had their turn.
            local = max(local, reached)
        }
        return firstLocal(from: local, before: end + stretch.offset).map { $0 - stretch.offset }
    }

    /// The local time that the clocks of the zone had reached when a stretch began, as an exclusive bound.
    ///
    /// More than the previous stretch counts: zones have changed their offset twice within days. No two
    /// offsets are 48 hours apart, so older changes cannot matter.
    private func localTimeReached(before start: Int64) -> Int64 {
        var reached = Int64.min
        var edge = start
        repeat {
            let earlier = zone.stretch(at: edge - 1)
            reached = max(reached, edge + earlier.offset)
            edge = earlier.start
        } while edge > start - 2 * Self.day
        return reached
    }

    /// The first matching local time in a range, in seconds as if the zone were UTC.
    private func firstLocal(from start: Int64, before end: Int64) -> Int64? {
        guard start < end else { return nil }
        var (day, ofDay) = start.dividedDown(by: Self.day)
        let lastDay = (end - 1).dividedDown(by: Self.day).quotient
        while let match = expression.firstDay(from: day, before: lastDay + 1) {
            if match != day { ofDay = 0 }
            if let second = expression.firstSecond(from: Int(ofDay)) {
                let found = match * Self.day + Int64(second)
                return found < end ? found : nil
            }
            (day, ofDay) = (match + 1, 0)
        }
        return nil
    }
}

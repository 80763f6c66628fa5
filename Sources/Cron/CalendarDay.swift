// SPDX-License-Identifier: Apache-2.0

import Model

/// A day that is known only once the month is: the `L`, `W` and `#` forms.
enum CalendarDay: Sendable, Hashable {
    /// `L` and `L-n`: the last day of the month, or n days before it.
    case last(minus: Int)
    /// `LW`: the last Monday to Friday of the month.
    case lastWorkday
    /// `15W`: the Monday to Friday nearest to that day, within the month.
    case nearestWorkday(to: Int)
    /// `FRIL`: the last such weekday of the month.
    case lastWeekday(Int)
    /// `MON#2`: the nth such weekday of the month.
    case nthWeekday(Int, Int)

    func matches(_ date: CivilDay) -> Bool {
        switch self {
        case .last(let distance):
            date.day == date.monthLength - distance
        case .lastWorkday:
            date.day == Self.workday(nearestTo: date.monthLength, in: date)
        case .nearestWorkday(let day):
            day <= date.monthLength && date.day == Self.workday(nearestTo: day, in: date)
        case .lastWeekday(let weekday):
            date.weekday == weekday && date.day + 7 > date.monthLength
        case .nthWeekday(let weekday, let index):
            date.weekday == weekday && (date.day - 1) / 7 + 1 == index
        }
    }

    /// The Monday to Friday nearest to a day of the month of `date`. It never leaves the month: a Saturday
    /// the 1st moves to Monday the 3rd, a Sunday the 31st to Friday the 29th.
    private static func workday(nearestTo day: Int, in date: CivilDay) -> Int {
        switch date.weekday(ofDay: day) {
        case 6: day > 1 ? day - 1 : day + 2
        case 0: day < date.monthLength ? day + 1 : day - 2
        default: day
        }
    }
}

/// One calendar day with what the day fields ask about it.
struct CivilDay {
    let number: Int64
    let year: Int
    let month: Int
    let day: Int
    /// 0 is Sunday.
    let weekday: Int
    let monthLength: Int

    init(number: Int64) {
        self.number = number
        (year, month, day) = CivilDate.date(days: number)
        weekday = Int((number + 4).dividedDown(by: 7).remainder)
        monthLength = CivilDate.length(ofMonth: month, year: year)
    }

    func weekday(ofDay other: Int) -> Int {
        ((weekday + other - day) % 7 + 7) % 7
    }

    /// The number of the first day of the next month.
    var nextMonth: Int64 { number + Int64(monthLength - day + 1) }
}

extension Int64 {
    /// Division that rounds down, for instants before 1970.
    func dividedDown(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

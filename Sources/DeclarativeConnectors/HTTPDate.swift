// SPDX-License-Identifier: Apache-2.0

import Model

/// Dates of HTTP headers: IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Nil for anything else; the two obsolete forms have not been sent for decades.
    static func parse(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]),
            let month = months.firstIndex(of: String(parts[2])), let year = Int(parts[3]),
            (1970...9999).contains(year), (1...CivilDate.length(ofMonth: month + 1, year: year)).contains(day)
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int($0) }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]),
            (0...60).contains(clock[2])
        else { return nil }
        let days = CivilDate.days(year: year, month: month + 1, day: day)
        return Timestamp(seconds: days * 86_400 + Int64(clock[0] * 3_600 + clock[1] * 60 + clock[2]))
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date that is compared with the response's own `Date`.
enum RetryAfter {
    /// Between one second and one hour; nil when there is no such header, or it says nothing usable. A date is of use only
    /// beside the provider's own: this machine's clock may be wrong.
    static func wait(_ value: String?, date: String?) -> Duration? {
        guard let value else { return nil }
        let seconds: Int64
        if let number = Int64(value) {
            seconds = number
        } else if let number = Double(value), number.isFinite, number < 1e9 {
            seconds = Int64(number.rounded(.up))
        } else if let until = HTTPDate.parse(value), let now = date.flatMap(HTTPDate.parse) {
            seconds = until.seconds - now.seconds
        } else {
            return nil
        }
        return .seconds(min(max(seconds, 1), 3_600))
    }
}

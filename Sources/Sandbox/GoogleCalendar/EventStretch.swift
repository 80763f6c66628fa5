// SPDX-License-Identifier: Apache-2.0

import Model

/// The events that a list with `timeMin` and `timeMax` has: those that end after the one and begin before the other.
struct EventStretch {
    private let begin: Timestamp?
    private let end: Timestamp?

    /// Nil when the query has neither.
    init?(_ query: [String: String]) throws(GoogleRefusal) {
        begin = try Self.time(query["timeMin"], "timeMin")
        end = try Self.time(query["timeMax"], "timeMax")
        guard begin != nil || end != nil else { return nil }
        if let begin, let end, begin >= end {
            throw GoogleRefusal.invalid("timeMax", "The specified time range is empty.", "timeRangeEmpty")
        }
    }

    /// Whether an event, as its JSON has it, is among them. A deleted one has no time.
    func holds(_ event: String) -> Bool {
        guard let starts = Self.time(of: "start", event), let ends = Self.time(of: "end", event) else {
            return false
        }
        return begin.map { ends > $0 } ?? true && end.map { starts < $0 } ?? true
    }

    private static func time(_ text: String?, _ name: String) throws(GoogleRefusal) -> Timestamp? {
        guard let text else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw GoogleRefusal.invalid(name, "Bad Request", "badRequest")
        }
        return time
    }

    /// A whole day begins at midnight, UTC.
    private static func time(of member: String, _ event: String) -> Timestamp? {
        guard let place = event.firstRange(of: #""\#(member)":{"#) else { return nil }
        let value = event[place.upperBound...].prefix { $0 != "}" }
        for name in ["dateTime", "date"] {
            guard let found = value.firstRange(of: #""\#(name)":""#) else { continue }
            let text = value[found.upperBound...].prefix { $0 != "\"" }
            return Timestamp(rfc3339: name == "date" ? "\(text)T00:00:00Z" : String(text))
        }
        return nil
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

extension Object {
    /// Changes with every version.
    private var etag: String { "\\\"\(updated * 1_000_000 + Int64(revision))\\\"" }

    mutating func calendar() -> String {
        let head = #"{"kind":"calendar#calendarListEntry","etag":"\#(etag)","id":"\#(id)""#
        if state.isDeleted { return head + #","deleted":true}"# }
        let summary = index == 0 ? "\"\(owner)\"" : pick(Self.meetings)
        return head + """
            ,"summary":\(summary),"timeZone":"Europe/Berlin","colorId":"\(1 + (index + revision) % 24)",\
            "backgroundColor":"#9fe1e7","foregroundColor":"#000000","selected":true,"accessRole":"owner",\
            "defaultReminders":[{"method":"popup","minutes":10}]\(index == 0 ? ",\"primary\":true" : ""),\
            "conferenceProperties":{"allowedConferenceSolutionTypes":["hangoutsMeet"]}}
            """
    }

    mutating func event() -> String {
        let head = #"{"kind":"calendar#event","etag":"\#(etag)","id":"\#(id)","status":""#
        let series = collection.series(of: index).map {
            #","recurringEventId":"\#(bytes.id(collection, $0))","#
                + #""originalStartTime":\#(collection.originalStart(index))"#
        }
        // Of what is cancelled the service promises no more than this.
        if state.isDeleted { return head + #"cancelled"\#(series ?? "")}"# }
        let change = Timestamp(seconds: updated).rfc3339Milliseconds
        let isTentative = oneIn(7)
        let seeded = pick(Self.meetings)
        let summary = member("summary") ?? seeded
        let usual = oneIn(3) ? #","description":"<b>Agenda<\/b>\n\u2022 \#(index)\u00a0items""# : ""
        let description = member("description").map { ",\"description\":\($0)" } ?? usual
        return head + """
            \(isTentative ? "tentative" : "confirmed")",\
            "htmlLink":"https://www.google.com/calendar/event?eid=\(id)",\
            "created":"\(Timestamp(seconds: created).rfc3339Milliseconds)","updated":"\(change)",\
            "summary":\(summary)\(description),"creator":{"email":"\(owner)","self":true},\
            "organizer":{"email":"\(owner)","displayName":\(pick(Self.people)),"self":true},\(when())\(series ?? ""),\
            "iCalUID":"\(id)@google.com","sequence":\(revision),"reminders":{"useDefault":true},\
            "eventType":"default"}
            """
    }

    /// A whole day, a time, or a series.
    private mutating func when() -> String {
        if let start = member("start"), let end = member("end") { return "\"start\":\(start),\"end\":\(end)" }
        let day = Collection.epoch / 86_400 + Int64(random.below(400)) - 200
        let date = Timestamp(seconds: day * 86_400).rfc3339.prefix(10)
        let next = Timestamp(seconds: (day + 1) * 86_400).rfc3339.prefix(10)
        let rule = #","recurrence":["RRULE:FREQ=WEEKLY;BYDAY=MO"]"#
        if oneIn(5) {
            return #""start":{"date":"\#(date)"},"end":{"date":"\#(next)"},"transparency":"transparent""#
                + (collection.isSeries(index) ? rule : "")
        }
        let hour = 10 + (random.below(8) + revision) % 8
        let times = """
            "start":{"dateTime":"\(date)T\(hour):00:00+02:00","timeZone":"Europe/Berlin"},\
            "end":{"dateTime":"\(date)T\(hour):45:00+02:00","timeZone":"Europe/Berlin"}
            """
        guard collection.series(of: index) == nil else { return times }
        return oneIn(6) || collection.isSeries(index) ? times + rule : times
    }
}

extension Timestamp {
    /// As Google writes instants: always with milliseconds.
    var rfc3339Milliseconds: String {
        let fraction = String(1_000 + (milliseconds % 1_000 + 1_000) % 1_000).dropFirst()
        return Timestamp(seconds: seconds).rfc3339.dropLast() + "." + fraction + "Z"
    }
}

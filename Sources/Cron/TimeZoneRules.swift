// SPDX-License-Identifier: Apache-2.0

public import Model

/// The offsets of a time zone from UTC, past and future, as the system's zone files state them.
///
/// Read without Foundation, whose calendars would cost a small process more memory than its work.
public struct TimeZoneRules: Sendable, Hashable {
    /// The IANA name, for example `Europe/Berlin`.
    public let name: String

    /// Instants at which the offset changes, ascending.
    private let changes: [Int64]
    /// The offset from each change on; one element longer, the first one holds before all changes.
    private let offsets: [Int32]
    /// The rule for instants after the last change.
    private let rule: PosixTimeZone?

    /// Coordinated Universal Time, which needs no file.
    public static let utc = TimeZoneRules(name: "UTC")

    /// Reads a zone of the system's database.
    ///
    /// `UTC` works without the database. Blocks for one small file: read it when a schedule is loaded, not
    /// for each slot.
    public init(named name: String, directory: String = "/usr/share/zoneinfo") throws(CronError) {
        if name == "UTC" || name == "Etc/UTC" {
            self.init(name: name)
            return
        }
        let file = try ZoneFile(named: name, directory: directory)
        self.init(name: name, file: file)
    }

    private init(name: String) {
        self.name = name
        changes = []
        offsets = [0]
        rule = nil
    }

    init(name: String, file: ZoneFile) {
        self.name = name
        var changes: [Int64] = []
        var offsets = [file.initialOffset]
        for (instant, offset) in zip(file.transitions, file.offsets) where offset != offsets.last {
            changes.append(instant)
            offsets.append(offset)
        }
        self.changes = changes
        self.offsets = offsets
        rule = file.rule
    }

    /// Seconds to add to UTC for local time at an instant.
    public func offset(at instant: Timestamp) -> Int {
        Int(stretch(at: instant.seconds).offset)
    }

    /// The stretch of constant offset around an instant. Its neighbours may have the same offset.
    func stretch(at second: Int64) -> OffsetStretch {
        // The number of changes that are not after the instant.
        var low = 0
        var high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] <= second { low = middle + 1 } else { high = middle }
        }
        let start = low == 0 ? Int64.min : changes[low - 1]
        if low < changes.count {
            return OffsetStretch(start: start, end: changes[low], offset: Int64(offsets[low]))
        }
        guard let rule else {
            return OffsetStretch(start: start, end: .max, offset: Int64(offsets[low]))
        }
        return ruled(rule, at: second, since: start, offset: Int64(offsets[low]))
    }

    /// The stretch after the last change of the table, where the rule holds.
    private func ruled(
        _ rule: PosixTimeZone, at second: Int64, since start: Int64, offset: Int64
    ) -> OffsetStretch {
        guard rule.daylight != nil else {
            return OffsetStretch(start: start, end: .max, offset: changes.isEmpty ? rule.standard : offset)
        }
        var stretch = OffsetStretch(start: start, end: .max, offset: offset)
        for change in rule.changes(around: second) where change.instant > start {
            if change.instant > second {
                stretch.end = change.instant
                break
            }
            stretch.start = change.instant
            stretch.offset = change.offset
        }
        return stretch
    }
}

/// A stretch of time in which local time is UTC plus a constant.
struct OffsetStretch: Equatable {
    /// The first second of it; `Int64.min` when there is none.
    var start: Int64
    /// The first second behind it; `Int64.max` when there is none.
    var end: Int64
    var offset: Int64
}

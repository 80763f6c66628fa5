// SPDX-License-Identifier: Apache-2.0

import Model

/// Events of a series: the last of each five events is a meeting of the first one's series that differs from it.
extension Collection {
    /// Whether an event is a series.
    func isSeries(_ index: Int) -> Bool {
        hasSeries && key.stream == .events && index % 5 == 0 && isSeeded(index)
    }

    /// The series from which an event differs on one day; nil for an event of its own.
    func series(of index: Int) -> Int? {
        guard index % 5 == 4, isSeries(index - 4), isSeeded(index) else { return nil }
        return index - 4
    }

    /// False for a meeting of a series that was deleted: it is kept as long as its series.
    func isReachable(_ index: Int) -> Bool { series(of: index).map(isLive) ?? true }

    /// When the meeting would be if it were like the others.
    func originalStart(_ index: Int) -> String {
        let date = Timestamp(seconds: Self.epoch + Int64(index) * 604_800).rfc3339.prefix(10)
        return #"{"dateTime":"\#(date)T10:00:00+02:00","timeZone":"Europe/Berlin"}"#
    }

    private func isSeeded(_ index: Int) -> Bool { written[index]?.members.isEmpty ?? true }
}

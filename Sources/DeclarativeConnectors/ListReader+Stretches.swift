// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// Lists that are read in stretches of time, one after the other.
extension ListReader {
    func firstWindow() -> ListPosition.Window? {
        guard case .window(let rule) = rule else { return nil }
        var start = rule.start
        if case .changes(let cursor) = purpose, let order = cursor.order {
            start = Timestamp(microseconds: order).advanced(
                by: .zero - rule.request.lag - (rule.request.stepBelow ?? .zero))
        }
        // The provider's clock is not known yet; what lies ahead of it is read again.
        return window(from: start, rule, end: Timestamp.now())
    }

    func windowFollowing(_ position: ListPosition) -> ListPosition.Window? {
        guard case .window(let rule) = rule, let window = position.window,
            let end = position.startedAt, window.end < end
        else { return nil }
        return self.window(from: window.end, rule, end: end)
    }

    /// The stretch of time that has been shown when the list is over at this position.
    func covered(until position: ListPosition, _ continuation: PageContinuation) -> TimeStretch? {
        guard isWhole, case .end = continuation, stream.stream.windowAbsence != nil else { return nil }
        if case .range(_, let stretch) = purpose { return stretch }
        guard case .changes = purpose, case .window(let rule) = stream.stream.incremental,
            let window = position.window, let begunAt
        else { return nil }
        // A bound may have been rounded when it was written.
        let format = rule.request.format
        let sent = [begunAt, window.end].compactMap {
            format.order(of: TimeText.scalar(TimeText.text($0, format), format))
        }
        guard sent.count == 2 else { return nil }
        return TimeStretch(
            since: max(begunAt, Timestamp(microseconds: sent[0])), until: Timestamp(microseconds: sent[1]))
    }

    private func window(
        from start: Timestamp, _ rule: IncrementalRule.TimeWindow, end: Timestamp
    ) -> ListPosition.Window {
        let last = max(end, start.advanced(by: .seconds(1)))
        return ListPosition.Window(start: start, end: min(start.advanced(by: rule.step), last))
    }
}

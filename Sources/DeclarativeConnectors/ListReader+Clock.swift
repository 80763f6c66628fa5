// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model

/// The provider's clock, never this machine's: when an enumeration began, and what a cursor may be.
extension ListReader {
    /// The `Date` of the first response, where something is counted from it: the provider's clock, never this machine's.
    func startOfEnumeration(
        _ response: HTTPResponse, _ position: ListPosition
    ) throws(ConnectorError) -> Timestamp? {
        let needsDate = Self.needsDate(stream.stream)
        guard needsDate || isBounded && position.place == nil else { return nil }
        guard let date = response.headers.first("Date").flatMap(HTTPDate.parse) else {
            guard needsDate else { return nil }
            throw ConnectorError(
                .contractViolation, code: "date_header_missing",
                userMessage: "\(stream.manifest.title) sent data in an unexpected form.",
                operatorDetail:
                    "stream \(stream.stream.name): the response has no Date header to make a cursor of")
        }
        return date
    }

    /// Whether the provider's clock has to be known when an enumeration begins.
    static func needsDate(_ stream: StreamManifest) -> Bool {
        if let deleted = stream.deletedList, deleted.until != nil || deleted.horizon != nil {
            return true
        }
        switch stream.incremental {
        case .time(let rule): return rule.source == .responseDate
        case .window: return true
        case .feed(let rule):
            if rule.horizon != nil { return true }
            if case .responseDate = rule.mark { return true }
            return rule.pin == nil
        case .none, .syncToken, .sortedDescending, .etag: return false
        }
    }

    /// Throws when the cursor is older than what the provider remembers.
    func checkHorizon(_ position: ListPosition) throws(ConnectorError) {
        guard case .changes(let cursor) = purpose, let order = cursor.order, let now = position.startedAt
        else {
            return
        }
        var horizons: [(since: Int64, length: Duration)] = []
        if let horizon = stream.stream.deletedList?.horizon {
            horizons.append((deletedUntil?.microseconds ?? order, horizon))
        }
        if case .feed(let rule) = rule, let horizon = rule.horizon { horizons.append((order, horizon)) }
        for horizon in horizons where horizon.since < now.advanced(by: .zero - horizon.length).microseconds {
            throw ConnectorError(
                .resyncRequired, code: "cursor_too_old",
                userMessage: "\(stream.manifest.title) asks to read everything again. The sync does so now.",
                operatorDetail:
                    "stream \(stream.stream.name): the cursor \(cursor.text) is older than the horizon")
        }
    }

    /// How far a record's time may lie ahead of the provider's own clock and still be taken as a cursor: a time that was
    /// written with a wrong zone is off by fourteen hours at most.
    private static let tolerance: Duration = .seconds(86_400)

    /// The largest value that may become a cursor. A record that says that it was changed in the year 9999 would silence
    /// all incremental syncs after it. Without the provider's clock nothing is known, and all may.
    func cursorLimit(_ response: HTTPResponse) -> Int64 {
        guard stream.stream.incremental.hasTime,
            let now = response.headers.first("Date").flatMap(HTTPDate.parse)
        else { return .max }
        return now.advanced(by: Self.tolerance).microseconds
    }

    /// Throws for a cursor that was stored and cannot be: whatever changes now would lie before it.
    func checkCursor(isWithin limit: Int64) throws(ConnectorError) {
        guard case .changes(let cursor) = purpose, let order = cursor.order, order > limit else { return }
        throw ConnectorError(
            .resyncRequired, code: "cursor_in_future",
            userMessage: "\(stream.manifest.title) is read again as a whole. The sync does so now.",
            operatorDetail:
                "stream \(stream.stream.name): the cursor \(cursor.text) lies more than a day ahead of the provider's "
                + "clock; no change would be seen until then")
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// How changes since the last sync are read.
enum IncrementalRule: Sendable {
    case none
    case time(TimeCursor)
    case window(TimeWindow)
    case syncToken(ValueSource, RequestParameter, TokenPage)
    /// The list comes newest first: read until a record is older than the cursor, by more than the lag.
    case sortedDescending(range: RangeParameters?, lag: Duration, format: ScalarRule.Kind)
    /// The first page is asked for on condition that it changed.
    case etag
    case feed(ChangeFeed)

    /// The page whose token is the next cursor.
    enum TokenPage: String, Sendable, CaseIterable {
        /// It stands for the moment at which the enumeration began.
        case first
        /// It stands for all that was shown.
        case last
    }

    /// A cursor that the provider compares with: a time, or a number that only grows.
    struct TimeCursor: Sendable, Equatable {
        let request: ChangeRequest
        let until: RequestParameter?
        let source: Source
        /// The list comes oldest first.
        let isAscending: Bool
    }

    /// Reading by stretches of time, one after the other.
    struct TimeWindow: Sendable, Equatable {
        let request: ChangeRequest
        let until: RequestParameter?
        let step: Duration
        /// Where the first full sync begins.
        let start: Timestamp
    }

    /// How a request asks for what changed since a cursor, or in a stretch of time.
    struct ChangeRequest: Sendable, Equatable {
        /// Gets the cursor; nil where it stands in `query` or `body` as `${cursor}`.
        var parameter: RequestParameter?
        var format: ScalarRule.Kind
        /// How the cursor is sent; nil for as it was read.
        var sentFormat: ScalarRule.Kind?
        /// Subtracted from the cursor: what changed so short before may have been seen too late.
        var lag: Duration = .zero
        /// Nil where the provider gives ties of the cursor; else the smallest step of its values, subtracted so that ties are
        /// read again.
        var stepBelow: Duration?
        /// The smallest step of the provider's values, where it is known.
        var granularity: Duration?
        var query: [QueryItem] = []
        var body: JSONTemplate?
    }

    struct QueryItem: Sendable, Equatable {
        let name: String
        let value: Template
    }

    /// Where a cursor comes from.
    enum Source: Sendable, Equatable {
        /// The largest value in the records.
        case records
        /// The `Date` header of the enumeration's first response, minus the lag.
        case responseDate
    }

    /// Parameters by which a backfill narrows the list.
    struct RangeParameters: Sendable, Equatable {
        let since: RequestParameter
        let until: RequestParameter?
        let format: ScalarRule.Kind
    }

    var cursorOrder: CursorOrder {
        switch self {
        case .none: .none
        case .time(let rule): rule.isAscending ? .ascending : .atEnd
        case .window: .ascending
        case .syncToken, .sortedDescending, .etag, .feed: .atEnd
        }
    }

    var isNone: Bool { if case .none = self { true } else { false } }
}

/// A list of what happened, whose entries name the objects that changed. Each of them is fetched anew: what an entry
/// itself shows of its object may be old, or in another version of the API.
struct ChangeFeed: Sendable {
    /// Where a cursor comes from.
    enum Mark: Sendable {
        /// The largest value in the entries.
        case entries
        /// The `Date` of the first response, minus the lag.
        case responseDate
        /// A value of the page that stands for all that the feed has so far.
        case token(ValueSource, IncrementalRule.TokenPage)
    }

    /// The cursor of a full sync, taken before its first page.
    struct Pin: Sendable {
        let request: RequestShape
        let value: JSONPointer
    }

    /// An entry that is a tombstone by the list's plan says that its objects are deleted.
    let list: PagedList
    /// Where an entry has the ids of objects.
    let ids: [FeedPath]
    /// The same, of deleted objects.
    let deletedIDs: [FeedPath]
    let request: IncrementalRule.ChangeRequest
    let mark: Mark
    let pin: Pin?
    /// How long the provider remembers what happened.
    let horizon: Duration?
    let hydration: Hydration
}

/// A place in a feed's entry; `*` stands for each element of an array.
struct FeedPath: Sendable, Equatable {
    /// The array, where there is one.
    let array: JSONPointer?
    let id: JSONPointer

    /// Nil for text that is no pointer, and for more than one `*`.
    init?(_ text: String) {
        let halves = text.components(separatedBy: "/*/")
        do throws(PageScanError) {
            switch halves.count {
            case 1:
                array = nil
                id = try JSONPointer(text)
            case 2:
                array = try JSONPointer(halves[0])
                id = try JSONPointer("/" + halves[1])
            default: return nil
            }
        } catch {
            return nil
        }
        if id.tokens.isEmpty { return nil }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

/// Instants as a provider's parameters want them.
enum TimeText {
    static func text(_ instant: Timestamp, _ format: ScalarRule.Kind) -> String {
        switch format {
        case .rfc3339: instant.rfc3339
        case .epochSeconds, .integer: String(instant.seconds)
        case .epochMilliseconds: String(instant.milliseconds)
        case .pattern(let pattern): pattern.text(instant)
        }
    }

    /// The value of a parameter: in a body, numbers are numbers.
    static func scalar(_ text: String, _ format: ScalarRule.Kind) -> JSONScalar {
        switch format {
        case .rfc3339, .pattern: .string(text)
        case .integer, .epochSeconds, .epochMilliseconds: .number(text)
        }
    }
}

extension IncrementalRule.ChangeRequest {
    /// What goes to the provider for a cursor. It goes back as the provider wrote it, unless something is subtracted.
    func text(for cursor: Cursor) -> String {
        let distance = lag + (stepBelow ?? .zero)
        guard distance != .zero || sentFormat != nil, let order = cursor.order else { return cursor.text }
        if format == .integer {
            let (below, overflow) = order.subtractingReportingOverflow(1)
            return overflow ? cursor.text : String(below)
        }
        return TimeText.text(
            Timestamp(microseconds: order).advanced(by: .zero - distance), sentFormat ?? format)
    }
}

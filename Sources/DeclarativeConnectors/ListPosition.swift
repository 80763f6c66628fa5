// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model

/// Where an enumeration goes on: the text of a `PagePosition`, written and read here alone.
///
/// `STARTED^CEILING|SINCE or NEWEST|PART|FROM|TO|AFTER|PLACE`, each of them empty where there is none, and without `^` where there is
/// no CEILING. PLACE is the token, URL, number or id, by the page kind; it is the last one, so that it may hold anything.
struct ListPosition: Sendable, Equatable {
    /// The lists of one enumeration.
    enum Part: String, Sendable {
        case list = ""
        /// What was deleted, after the changes.
        case deleted
    }

    /// A stretch of time.
    struct Window: Sendable, Equatable {
        let start: Timestamp
        let end: Timestamp
    }

    /// The `Date` of the enumeration's first response, where something is counted from it.
    var startedAt: Timestamp?
    /// The largest number of the enumeration's first page, where cursors are numbers.
    var ceiling: Int64?
    /// The cursor that the enumeration began with, where the stored one moves on meanwhile.
    var since: String?
    /// The newest cursor so far, where it is told with the last page alone. Never together with `since`.
    var newest: String?
    var part = Part.list
    var window: Window?
    /// The last object of the page that was fetched one by one; the rest of the page follows.
    var after: String?
    /// Nil for the first page.
    var place: String?

    init() {}

    init(_ position: PagePosition) {
        let fields = position.text.split(separator: "|", maxSplits: 6, omittingEmptySubsequences: false)
        guard fields.count == 7 else { return }
        let begin = fields[0].split(separator: "^", maxSplits: 1, omittingEmptySubsequences: false)
        startedAt = begin.first.flatMap(Self.instant)
        ceiling = begin.count == 2 ? Int64(begin[1]) : nil
        if fields[1].hasPrefix(Self.newestMark) {
            newest = Self.decoded(fields[1])
        } else {
            since = Self.decoded(fields[1])
        }
        part = Part(rawValue: String(fields[2])) ?? .list
        if let start = Self.instant(fields[3]), let end = Self.instant(fields[4]) {
            window = Window(start: start, end: end)
        }
        after = Self.decoded(fields[5])
        place = fields[6].isEmpty ? nil : String(fields[6])
    }

    var page: PagePosition {
        let times = [startedAt, window?.start, window?.end].map { $0.map { String($0.microseconds) } ?? "" }
        let fields = [
            times[0] + (ceiling.map { "^\($0)" } ?? ""),
            since.map { Self.encoded($0) } ?? newest.map { Self.encoded($0, Self.newestMark) } ?? "",
            part.rawValue, times[1], times[2],
            after.map { Self.encoded($0) } ?? "", place ?? "",
        ]
        return PagePosition(text: fields.joined(separator: "|"))
    }

    private static func instant(_ text: Substring) -> Timestamp? {
        Int64(text).map { Timestamp(microseconds: $0) }
    }

    private static let newestMark = "+"

    /// `=` tells an empty text from none.
    private static func encoded(_ text: String, _ mark: String = "=") -> String {
        mark + PercentEncoding.encoded(text)
    }

    private static func decoded(_ text: Substring) -> String? {
        text.isEmpty ? nil : URLText.decoded(text.dropFirst())
    }
}

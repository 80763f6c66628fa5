// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model

/// Where a list goes on: the text of a `PagePosition`, written and read here alone.
///
/// `HEAD|REST`: HEAD is the cursor of the enumeration's first response in microseconds, or empty; REST is the token, URL,
/// number or id, by the stream's page kind.
struct ListPosition: Sendable, Equatable {
    /// The `Date` of the enumeration's first response, where it becomes the cursor.
    var startedAt: Timestamp?
    /// Nil for the first page.
    var place: String?

    init() {}

    init(_ position: PagePosition) {
        let halves = position.text.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        startedAt = halves.first.flatMap { Int64($0) }.map { Timestamp(microseconds: $0) }
        place = halves.count == 2 ? String(halves[1]) : nil
    }

    func following(_ place: String) -> PagePosition {
        PagePosition(text: "\(startedAt.map { String($0.microseconds) } ?? "")|\(place)")
    }
}

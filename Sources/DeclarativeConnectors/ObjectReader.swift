// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// Fetches objects that somebody named, a few at a time.
final class ObjectReader: PageReader {
    private let hydrator: Hydrator
    private let slice: StreamSlice
    private let rest: LockedBox<ArraySlice<FeedEntry>>

    init(_ hydrator: Hydrator, _ slice: StreamSlice, _ ids: [String]) {
        self.hydrator = hydrator
        self.slice = slice
        rest = LockedBox(ids.map { FeedEntry(id: $0, isDeleted: false) }[...])
    }

    func nextPage() async throws(ConnectorError) -> Page {
        let entries = rest.withLock { $0 }
        var cost = RequestCost(apiCalls: 0, bytes: 0)
        let batch = try await hydrator.fetch(
            entries.prefix(Hydrator.chunk), slice, &cost, inOrder: false)
        let left = batch.left + entries.dropFirst(Hydrator.chunk)
        rest.withLock { $0 = left[...] }
        let continuation: PageContinuation =
            // How many are left falls with each page, also when the first one fails again.
            if let next = left.first {
                .next(PagePosition(text: "\(left.count) \(next.id)"))
            } else {
                .end(.singlePage)
            }
        return Page(scanned: batch.page, continuation: continuation, cursor: nil, cost: cost)
    }
}

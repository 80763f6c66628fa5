// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// Fetching the objects that a page of the list only names, some at a time.
extension ListReader {
    /// The objects that a page names; nil where the page has the records themselves.
    func entries(_ page: ScannedPage, _ position: ListPosition) -> ArraySlice<FeedEntry>? {
        guard position.part == .list else { return nil }
        let entries: [FeedEntry]
        if case .changes = purpose, case .feed(let rule) = stream.stream.incremental {
            entries = FeedEntry.entries(of: page, rule)
        } else if stream.stream.hydration != nil {
            entries = FeedEntry.entries(of: page)
        } else {
            return nil
        }
        guard let after = position.after, let index = entries.lastIndex(where: { $0.isNamed(after) }) else {
            return entries[...]
        }
        return entries[(index + 1)...]
    }

    /// Of a page that names very many objects only the first are kept; the page is asked for again when they are fetched.
    func hold(
        _ entries: ArraySlice<FeedEntry>, _ position: ListPosition, _ continuation: PageContinuation
    ) -> Held {
        let kept = Array(entries.prefix(Self.heldEntries))
        guard kept.count < entries.count, let last = kept.last else {
            return Held(entries: entries, position: position, continuation: continuation)
        }
        var next = position
        next.after = last.id
        return Held(entries: kept[...], position: position, continuation: .next(next.page))
    }

    /// Far more than a page names; an id has up to 2,000 bytes.
    private static let heldEntries = 1_000

    /// Fetches the next objects of a page. What came before a failure is given out; the failure comes with the next call.
    func fetch(
        _ held: Held, listed: ScannedPage?, cursor: Cursor?, _ cost: RequestCost
    ) async throws(ConnectorError) -> Page {
        guard let hydrator = stream.hydrator else {
            throw ConnectorError(
                .config, code: "no_hydration", userMessage: "\(stream.manifest.title) is not fully set up.",
                operatorDetail: "stream \(stream.stream.name) has no way to fetch an object")
        }
        var cost = cost
        let batch = try await hydrator.fetch(held.entries.prefix(Hydrator.chunk), slice, &cost)
        var rest = held
        rest.entries = held.entries.dropFirst(batch.count)
        var continuation = held.continuation
        if rest.entries.isEmpty {
            move(to: continuation)
        } else {
            var next = held.position
            next.after = held.entries.prefix(batch.count).last?.id
            continuation = .next(next.page)
            state.withLock { state in
                state.position = next
                state.held = rest
            }
        }
        var page = Page(
            scanned: batch.page, continuation: continuation, cursor: cursor, cost: cost, listed: listed)
        page.continuesListed = listed == nil || held.isContinued
        if let listed, case .changes = purpose, case .feed(let rule) = stream.stream.incremental {
            page.unnamed = FeedEntry.unnamed(of: listed, rule)
        }
        page.covered = covered(until: held.position, continuation)
        return page
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// What a provider may lose, and what a reader may.
extension StreamCheck {
    /// A page that is refused for good must not pass for the end of the list. Objects that are fetched one by one may be gone.
    func lost(_ full: Sync) async -> [ConformanceSuite.Finding] {
        var findings: [ConformanceSuite.Finding] = []
        for status in [404, 410, 503] {
            let name = "a page that is never there (\(status))"
            if stream.parentGone.contains(where: { $0.status == status }) {
                findings.append(finding(name, .skipped, "it says that the parent is gone"))
                continue
            }
            var broken: String?
            for (index, request) in full.requests.enumerated() where !isHydration(request) {
                let found = await sync(
                    FixtureClient(fixture, fault: .gone(index + 1, status: status)), FixtureCopy(),
                    isFull: true)
                if found.isComplete, found.copy.ids != full.copy.ids {
                    broken =
                        "without \(request) the list passed for complete, without "
                        + Self.list(full.copy.ids.subtracting(found.copy.ids))
                }
            }
            findings.append(finding(name, broken == nil ? .passed : .broken, broken ?? ""))
        }
        return findings
    }

    func isHydration(_ request: FixtureRequest) -> Bool {
        var hydrations = [stream.hydration]
        if case .feed(let feed) = stream.incremental { hydrations.append(feed.hydration) }
        return hydrations.contains { hydration in
            guard let hydration, case .text(let text)? = hydration.request.path.parts.first else {
                return false
            }
            return request.path.hasPrefix(text) && request.path != stream.list.request.path.text
        }
    }

    /// A page that leads to itself has to be noticed; the rest of the list is behind it.
    func stuck(_ full: Sync) async -> ConformanceSuite.Finding {
        let name = "a page that leads to itself"
        switch stream.list.page.kind {
        case .none, .pageNumber, .offset, .lastID:
            return finding(name, .skipped, "its pages name no next one")
        case .token, .nextURL, .linkHeader: break
        }
        guard full.requests.count > 1 else { return finding(name, .skipped, "the fixture has one page") }
        for number in 2...full.requests.count {
            let found = await sync(
                FixtureClient(fixture, fault: .stuck(number, stream.list.page.kind)), FixtureCopy(),
                isFull: true)
            if found.isComplete, found.copy.ids != full.copy.ids {
                return finding(name, .broken, "response \(number): the list passed for complete")
            }
        }
        return finding(name, .passed, "")
    }

    /// Where a cursor is stored with each page and all records share a time, whoever goes on after one page has to ask for that
    /// time, not for what is behind it.
    func tied(_ full: Sync) async -> ConformanceSuite.Finding {
        let name = "one time for all records, and a stop at a page's edge"
        guard stream.descriptor.cursorOrder == .ascending, let rule = stream.list.plan.cursor,
            fixture.streams?[stream.name]?.incremental != nil
        else { return finding(name, .skipped, "its cursor moves at the end of a list alone") }
        for (partition, cursor) in full.copy.cursors.sorted(by: { $0.key < $1.key }) {
            let fault = FixtureClient.Fault.tied(stream.list.plan.records, rule.pointer, cursor.text)
            let stopped = await sync(
                FixtureClient(fixture, fault: fault), FixtureCopy(), isFull: true, interruption: .stopped,
                only: partition)
            let after = await sync(
                FixtureClient(fixture, isIncremental: true), stopped.copy, isFull: false, only: partition)
            if let unknown = after.unknown { return finding(name, .broken, "it went on with \(unknown)") }
        }
        return finding(name, .passed, "")
    }

    /// An object that a later full sync does not show goes, if an absence means that, and stays otherwise.
    func deleted(_ full: Sync) async -> ConformanceSuite.Finding {
        let name = "an object that is not there any more"
        if case .offset = stream.list.page.kind {
            return finding(name, .skipped, "its pages are counted by records")
        }
        let isList = stream.list.plan.layout == .array || fixture.delimiter != nil
        guard isList, let victim = full.copy.ids.sorted().first(where: isRemovable)
        else { return finding(name, .skipped, "no page has two records") }
        let fault = FixtureClient.Fault.deleted(
            stream.list.plan.records, id: stream.list.plan.id, own(victim))
        let again = await sync(FixtureClient(fixture, fault: fault), full.copy, isFull: true)
        // Children of two parents may have one id.
        let rest = full.copy.ids.filter { own($0) != own(victim) }
        return compared(name, again, stream.absence == .never ? full.copy.ids : rest)
    }

    /// An id without that of its parent.
    private func own(_ id: String) -> String {
        stream.parent == nil ? id : String(id.split(separator: "/").last ?? "")
    }

    private func tree(of body: [UInt8]) -> JSONTree? {
        if let delimiter = fixture.delimiter { return FixtureTable.records(of: body, delimiter: delimiter) }
        return JSONTree(yaml: String(decoding: body, as: UTF8.self))
    }

    /// Whether a page shows the object before others: without the last one some lists have no way on.
    private func isRemovable(_ id: String) -> Bool {
        return fixture.exchanges.contains { exchange in
            guard !exchange.isIncremental,
                let tree = tree(of: exchange.body),
                case .array(let elements)? = tree.value(at: stream.list.plan.records.tokens[...])
            else { return false }
            return elements.dropLast().contains { element in
                let parts = stream.list.plan.id.compactMap { pointer -> String? in
                    if case .scalar(let scalar)? = element.value(at: pointer.tokens[...]) {
                        scalar.text
                    } else {
                        nil
                    }
                }
                return parts.joined(separator: "/") == own(id)
            }
        }
    }
}

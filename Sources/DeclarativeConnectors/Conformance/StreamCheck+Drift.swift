// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// What moves while a list is read.
extension StreamCheck {
    /// Something on the first page is deleted, or something on the second is edited, between the two: an object of the second is on the
    /// first by then, and was not shown. That is no deletion.
    func drifted(_ full: Sync) async -> ConformanceSuite.Finding {
        let name = "an object that moves to a page that was read"
        let places = full.requests.indices.dropFirst().filter { isShifting(full.requests, $0) }
        guard !places.isEmpty else {
            return finding(
                name, .skipped, "its pages are not counted, and it does not come last changed first")
        }
        for place in places {
            let fault = FixtureClient.Fault.drifted(place + 1, stream.list.plan.records)
            let again = await sync(
                FixtureClient(fixture, fault: fault), full.copy, isFull: true, isSecondMiss: false)
            let missing = full.copy.ids.subtracting(again.copy.ids)
            if again.isComplete, !missing.isEmpty {
                return finding(
                    name, .broken,
                    "\(Self.list(missing)) moved while the list was read, and counts as deleted; 'absence: two_runs' waits "
                        + "for a second look")
            }
        }
        return finding(name, .passed, "")
    }

    /// Whether what is on this page may be on the one before at the next moment.
    private func isShifting(_ requests: [FixtureRequest], _ index: Int) -> Bool {
        let request = requests[index]
        let before = requests[..<index].reversed().prefix {
            $0.path == request.path && $0.method == request.method
        }
        guard !before.isEmpty else { return false }
        switch stream.list.page.kind {
        case .pageNumber, .offset: return true
        case .none, .lastID: return false
        case .token, .nextURL, .linkHeader: break
        }
        if case .sortedDescending = stream.incremental { return true }
        // Links and tokens that are page numbers or counts of records in truth.
        let size = max(stream.list.page.size, 2)
        let counts = [before.count, before.count + 1, before.count * size].map(String.init)
        let known = Set(before.flatMap(\.query))
        return request.query.contains { item in
            guard !known.contains(item), let sign = item.firstIndex(of: "=") else { return false }
            return counts.contains(String(item[item.index(after: sign)...]))
        }
    }
}

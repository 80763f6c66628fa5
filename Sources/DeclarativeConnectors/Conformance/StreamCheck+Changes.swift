// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// What an incremental sync reads, also from a provider that fails.
extension StreamCheck {
    /// `ids` are those of the copy after it.
    func changed(_ full: Sync, _ ids: Set<String>) async -> [ConformanceSuite.Finding] {
        let plain = await changes(full)
        var findings = [compared("incremental sync", plain, ids)]
        findings.append(
            compared("incremental sync in a storm of 429", await changes(full, fault: .storm), ids))
        for (name, interruption) in [
            ("incremental sync that is interrupted after each page", FixtureEnumeration.Interruption.left),
            ("incremental sync that dies before each page is stored", .died),
        ] {
            let found = await changes(full, interruption: interruption)
            findings.append(compared(name, found, ids))
            if found.isComplete, found.copy.cursors != plain.copy.cursors {
                findings.append(finding("cursor of an \(name)", .broken, "it is another one"))
            }
        }
        guard plain.isComplete, plain.unknown == nil else { return findings }
        findings.append(await damagedChanges(full, plain))
        findings += await lostChanges(full, plain)
        return findings
    }

    /// A damaged page must not pass for the end of what changed: the cursor would move past the rest.
    private func damagedChanges(_ full: Sync, _ plain: Sync) async -> ConformanceSuite.Finding {
        let name = "a page of changes that is damaged"
        var faults: [(String, (Int) -> FixtureClient.Fault)] = [
            ("cut in its middle", { .truncated($0) }), ("markup with status 200", { .markup($0) }),
            ("never there", { .dropped($0) }), ("the one before", { .repeated($0) }),
        ]
        // Where a page may lack its records, an empty object is an empty list.
        if !mayLackRecords { faults.append(("an empty object", { .emptied($0) })) }
        for (kind, fault) in faults {
            for number in plain.requests.indices.map({ $0 + 1 }) {
                switch fault(number) {
                case .repeated where number == 1: continue
                // An object without its id goes to quarantine.
                case .emptied where isHydration(plain.requests[number - 1]): continue
                default: break
                }
                let found = await changes(full, fault: fault(number))
                if let lost = lost(found, plain) {
                    return finding(
                        name, .broken,
                        "response \(number) of \(plain.requests.count), \(kind): the list passed for complete without "
                            + lost)
                }
            }
        }
        return finding(name, .passed, "")
    }

    private func lostChanges(_ full: Sync, _ plain: Sync) async -> [ConformanceSuite.Finding] {
        var findings: [ConformanceSuite.Finding] = []
        for status in [404, 410, 503] {
            let name = "a page of changes that is never there (\(status))"
            if stream.parentGone.contains(where: { $0.status == status }) {
                findings.append(finding(name, .skipped, "it says that the parent is gone"))
                continue
            }
            var broken: String?
            for (index, request) in plain.requests.enumerated() where !isHydration(request) {
                let found = await changes(full, fault: .gone(index + 1, status: status))
                if let lost = lost(found, plain) {
                    broken = "without \(request) the list passed for complete, without \(lost)"
                }
            }
            findings.append(finding(name, broken == nil ? .passed : .broken, broken ?? ""))
        }
        return findings
    }

    /// What a sync that passed for complete lacks of another one; nil for one that is not complete, or lacks nothing.
    private func lost(_ found: Sync, _ plain: Sync) -> String? {
        guard found.isComplete else { return nil }
        let ids = Set(found.copy.records.keys).union(plain.copy.records.keys)
        let wrong = ids.filter { found.copy.records[$0] != plain.copy.records[$0] }
        return wrong.isEmpty ? nil : "the change of \(Self.list(wrong))"
    }

    private func changes(
        _ full: Sync, fault: FixtureClient.Fault = .none,
        interruption: FixtureEnumeration.Interruption = .none
    ) async -> Sync {
        let client = FixtureClient(fixture, isIncremental: true, fault: fault, page: pages.page.parameter)
        return await sync(client, full.copy, isFull: false, interruption: interruption)
    }

    /// The list that changes are read from.
    private var pages: PagedList {
        if case .feed(let feed) = stream.incremental { return feed.list }
        return stream.changes ?? stream.list
    }

    private var mayLackRecords: Bool {
        [pages, stream.list, stream.deletedList?.list].contains { $0?.plan.mayLackRecords ?? false }
    }
}

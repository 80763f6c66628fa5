// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// The checks of one stream.
struct StreamCheck {
    let connector: ManifestConnector
    let fixture: Fixture
    let stream: StreamManifest

    typealias Finding = ConformanceSuite.Finding

    struct Sync {
        var copy = FixtureCopy()
        var enumerations: [FixtureEnumeration] = []
        var unknown: FixtureRequest?
        var requests: [FixtureRequest] = []
        var configurationError: ConnectorError?

        var isComplete: Bool {
            configurationError == nil
                && enumerations.allSatisfy { if case .complete = $0.end { true } else { false } }
        }

        /// Why it is not complete.
        var reason: String {
            if let configurationError { return configurationError.description }
            if let unknown { return "the fixture has no answer to \(unknown)" }
            for enumeration in enumerations {
                switch enumeration.end {
                case .failed(let error): return error.description
                case .loop(let reason): return reason
                case .complete: continue
                }
            }
            return ""
        }
    }

    func run() async -> [ConformanceSuite.Finding] {
        guard let expected = fixture.streams?[stream.name] else {
            return [
                finding(
                    "full sync", .broken,
                    "the fixture does not say what the copy has (streams.\(stream.name))")
            ]
        }
        let full = await sync(FixtureClient(fixture), FixtureCopy(), isFull: true)
        var findings = [compared("full sync", full, expected.full)]
        findings.append(
            finding(
                "ids are unique", full.enumerations.contains { $0.double != nil } ? .broken : .passed,
                full.enumerations.compactMap(\.double).first.map { "'\($0)' came twice" } ?? ""))
        guard full.isComplete, full.unknown == nil else { return findings }
        findings += await resumed(full, expected.full)
        findings += await damaged(full)
        findings += await refused(full)
        findings += await lost(full)
        findings.append(await stuck(full))
        findings.append(await tied(full))
        findings.append(await drifted(full))
        findings.append(await deleted(full))
        if let ids = expected.incremental {
            findings += await changed(full, ids)
        } else {
            let isNone = stream.incremental.isNone
            findings.append(
                finding(
                    "incremental sync", isNone ? .skipped : .broken,
                    isNone
                        ? "the stream has none" : "the fixture does not say what the copy has (incremental)"))
        }
        return findings
    }

    // MARK: - Checks

    private func resumed(_ full: Sync, _ expected: Set<String>) async -> [ConformanceSuite.Finding] {
        let left = await sync(FixtureClient(fixture), FixtureCopy(), isFull: true, interruption: .left)
        var findings = [compared("full sync that is interrupted after each page", left, expected)]
        let died = await sync(FixtureClient(fixture), FixtureCopy(), isFull: true, interruption: .died)
        findings.append(compared("full sync that dies before each page is stored", died, expected))
        if left.copy.cursors != full.copy.cursors {
            findings.append(finding("cursor of an interrupted full sync", .broken, "it is another one"))
        }
        let storm = await sync(FixtureClient(fixture, fault: .storm), FixtureCopy(), isFull: true)
        findings.append(compared("full sync in a storm of 429", storm, expected))
        let turned = await sync(
            FixtureClient(fixture, fault: .reversed(stream.list.plan.records)), FixtureCopy(), isFull: true)
        if case .lastID = stream.list.page.kind {
            // The last record names the next page: in another order it is another page.
            findings.append(
                finding("records in another order", .skipped, "the last record names the next page"))
        } else {
            findings.append(compared("records in another order", turned, expected))
        }
        return findings
    }

    /// A damaged response must never pass for the end of a list.
    private func damaged(_ full: Sync) async -> [ConformanceSuite.Finding] {
        let count = full.requests.count
        var findings: [ConformanceSuite.Finding] = []
        let faults: [(String, (Int) -> FixtureClient.Fault)] = [
            ("a response that ends in its middle", { .truncated($0) }),
            ("markup with status 200", { .markup($0) }),
            ("a response that never comes", { .dropped($0) }), ("a page that comes twice", { .repeated($0) }),
        ]
        for (name, fault) in faults {
            var broken: String?
            for number in 1...max(1, count) {
                if case .repeated = fault(number), number == 1 { continue }
                let found = await sync(
                    FixtureClient(fixture, fault: fault(number), page: stream.list.page.parameter),
                    FixtureCopy(), isFull: true)
                // What fails once is asked for again; then the copy has to be whole.
                if found.isComplete, found.copy.ids != full.copy.ids {
                    broken =
                        "response \(number) of \(count): the list passed for complete without "
                        + Self.list(full.copy.ids.subtracting(found.copy.ids))
                }
            }
            findings.append(finding(name, broken == nil ? .passed : .broken, broken ?? ""))
        }
        findings.append(await emptied(full))
        return findings
    }

    private func emptied(_ full: Sync) async -> ConformanceSuite.Finding {
        let name = "an empty object for a page"
        let found = await sync(
            FixtureClient(fixture, fault: .emptied(full.requests.count)), FixtureCopy(), isFull: true)
        guard found.isComplete, found.copy.ids != full.copy.ids else { return finding(name, .passed, "") }
        // The provider itself writes an empty list so; the guard against mass deletions is what is left.
        if stream.list.plan.mayLackRecords {
            return finding(name, .skipped, "it is an empty list, as records_optional says")
        }
        return finding(name, .broken, "it passed for the end of the list")
    }

    /// A refused cursor must lead to a new generation, or to an error; never to an empty answer.
    private func refused(_ full: Sync) async -> [ConformanceSuite.Finding] {
        guard !stream.incremental.isNone, !full.copy.cursors.isEmpty else { return [] }
        let statuses = stream.resyncStatuses.isEmpty ? [410] : stream.resyncStatuses.sorted()
        var findings: [ConformanceSuite.Finding] = []
        for status in statuses {
            let name = "a cursor that is refused with \(status)"
            if stream.parentGone.contains(where: { $0.status == status }) {
                findings.append(finding(name, .skipped, "it says that the parent is gone"))
                continue
            }
            let client = FixtureClient(fixture, isIncremental: true, fault: .refused(status: status))
            let found = await sync(client, full.copy, isFull: false)
            guard case .failed(let error)? = found.enumerations.first?.end else {
                findings.append(finding(name, .broken, "the refusal passed for an answer"))
                continue
            }
            let isResync = error.errorClass == .resyncRequired
            findings.append(
                finding(
                    name, isResync || stream.resyncStatuses.isEmpty ? .passed : .broken,
                    "class \(error.errorClass.rawValue)"))
        }
        return findings
    }

    // MARK: - Syncs

    func sync(
        _ client: FixtureClient, _ copy: FixtureCopy, isFull: Bool,
        interruption: FixtureEnumeration.Interruption = .none, only partition: String? = nil,
        isSecondMiss: Bool = true
    ) async -> Sync {
        var result = Sync()
        result.copy = copy
        do throws(ConnectorError) {
            let strategy = try connector.strategy(for: stream.name, access: access(client))
            var shown: Set<String> = []
            for slice in try await slices(of: stream) where partition == nil || slice.partition == partition {
                let enumeration = await FixtureEnumeration(
                    strategy, slice, order: stream.descriptor.cursorOrder,
                    isFull: isFull || copy.cursors[slice.partition] == nil, into: &result.copy,
                    interruption: interruption)
                shown.formUnion(enumeration.seen)
                result.enumerations.append(enumeration)
            }
            let isDeletion = stream.absence == .fullRun || stream.absence == .twoRuns && isSecondMiss
            if isFull || stream.incremental.isNone, isDeletion, result.isComplete {
                result.copy.records = result.copy.records.filter { shown.contains($0.key) }
            }
        } catch {
            result.configurationError = error
        }
        result.unknown = client.unknown
        result.requests = client.requests
        return result
    }

    private func access(_ client: FixtureClient) -> ProviderAccess {
        ProviderAccess(
            client: client, secrets: fixture.secrets.mapValues { SecretString($0) },
            configuration: fixture.configuration, baseURL: FixtureClient.baseURL)
    }

    /// The whole stream, or one slice for each record of its parent that is meant.
    private func slices(of stream: StreamManifest) async throws(ConnectorError) -> [StreamSlice] {
        guard let binding = stream.parent else { return [.whole] }
        guard let parent = connector.manifest.streams.first(where: { $0.name == binding.stream }) else {
            return []
        }
        let strategy = try connector.strategy(for: parent.name, access: access(FixtureClient(fixture)))
        var slices: [StreamSlice] = []
        for outer in try await self.slices(of: parent) {
            var copy = FixtureCopy()
            _ = await FixtureEnumeration(
                strategy, outer, order: parent.descriptor.cursorOrder, isFull: true, into: &copy)
            for (id, data) in copy.records.sorted(by: { $0.key < $1.key }) {
                if let condition = binding.condition,
                    !ParentBinding.isPresent(JSONValueReader.scalarText(at: condition, in: data))
                {
                    continue
                }
                let own = binding.values.compactMapValues { JSONValueReader.scalarText(at: $0, in: data) }
                let inherited = outer.values.filter { binding.grandparent?.values[$0.key] != nil }
                slices.append(
                    StreamSlice(partition: id, values: inherited.merging(own) { _, own in own }))
            }
        }
        return slices
    }

    // MARK: - Findings

    func compared(_ check: String, _ sync: Sync, _ expected: Set<String>) -> ConformanceSuite.Finding {
        guard sync.isComplete else { return finding(check, .broken, sync.reason) }
        let (missing, extra) = (expected.subtracting(sync.copy.ids), sync.copy.ids.subtracting(expected))
        var parts: [String] = []
        if let unknown = sync.unknown { parts.append("the fixture has no answer to \(unknown)") }
        if !missing.isEmpty { parts.append("missing: \(Self.list(missing))") }
        if !extra.isEmpty { parts.append("not expected: \(Self.list(extra))") }
        return finding(check, parts.isEmpty ? .passed : .broken, parts.joined(separator: "; "))
    }

    static func list(_ ids: Set<String>) -> String {
        ids.sorted().prefix(5).joined(separator: ", ") + (ids.count > 5 ? ", …" : "")
    }

    func finding(
        _ check: String, _ outcome: ConformanceSuite.Finding.Outcome, _ detail: String
    ) -> ConformanceSuite.Finding {
        ConformanceSuite.Finding(stream: stream.name, check: check, outcome: outcome, detail: detail)
    }
}

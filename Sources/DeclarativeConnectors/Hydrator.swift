// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// Fetches objects one by one, and makes pages of them.
struct Hydrator: Sendable {
    /// Objects of one page: few enough that a failure, or a worker's end, repeats little.
    static let chunk = 20
    /// Requests at a time.
    private static let width = 4
    /// After so many bytes a page is full: an object may have a megabyte.
    private static let pageBytes = 1 << 20

    /// Objects that were fetched.
    struct Batch {
        let page: ScannedPage
        /// How many of the entries it has.
        let count: Int
        /// Those that it lacks, where the order does not matter.
        var left: [FeedEntry] = []
    }

    private enum Outcome {
        case object(ArraySlice<UInt8>, RequestCost)
        case deleted(RequestCost)
        /// It has more bytes than any object that can be stored.
        case tooLarge(RequestCost)
        case failed(ConnectorError)

        var cost: RequestCost? {
            switch self {
            case .object(_, let cost), .deleted(let cost), .tooLarge(let cost): cost
            case .failed: nil
            }
        }
    }

    private let hydration: Hydration
    private let sender: RequestSender
    private let judge: ResponseJudge
    private let limits: [LimitUse]
    /// Responses that say that what the objects belong to is not there any more, and they with it.
    private let endings: [ResponseCondition]
    private let plan: ScanPlan
    /// Reads a page that was put together.
    private let scanner: PageScanner
    /// Finds the object in its response.
    private let finder: PageScanner
    private let idPointer: JSONPointer

    /// The member that marks what stands for a deleted object.
    private static let mark = "$deleted"

    /// `plan` is the stream's: an object has the same members wherever it comes from.
    init(
        _ hydration: Hydration, plan: ScanPlan, sender: RequestSender, judge: ResponseJudge,
        limits: [LimitUse], endedBy endings: [ResponseCondition]
    ) throws(ConnectorError) {
        self.hydration = hydration
        self.sender = sender
        self.judge = judge.accepting(hydration.gone).endedBy(endings)
        self.endings = endings
        self.limits = limits
        var page = plan
        var single = plan
        do throws(PageScanError) {
            page.records = try JSONPointer("")
            page.layout = .array
            page.envelope = []
            page.tombstones.append(
                TombstoneRule(pointer: try JSONPointer("/\(Self.mark)"), equals: .bool(true)))
            switch hydration.place {
            case .member(let pointer):
                single.records = pointer
                single.layout = .single
                single.envelope = []
            case .list(let pointer, let complete):
                single.records = pointer
                single.layout = .array
                single.mayLackRecords = false
                single.envelope = [complete.pointer]
            }
            if let id = plan.id.first { idPointer = id } else { idPointer = try JSONPointer("/id") }
        } catch {
            throw ConnectorError(
                .config, code: "invalid_pointer", userMessage: "The service is not fully set up.",
                operatorDetail: error.message)
        }
        self.plan = page
        scanner = PageScanner(plan: page)
        finder = PageScanner(plan: single)
    }

    /// Fetches these objects, in their order, up to the first failure. Throws it when nothing came before. Where the order
    /// does not matter, what was fetched beside a failure counts too.
    func fetch(
        _ entries: ArraySlice<FeedEntry>, _ slice: StreamSlice, _ cost: inout RequestCost,
        inOrder isOrdered: Bool = true
    ) async throws(ConnectorError) -> Batch {
        var left: [FeedEntry] = []
        var text: [UInt8] = [UInt8(ascii: "[")]
        var done = 0
        var rest = entries
        var failure: ConnectorError?
        var tooLarge: [[UInt8]] = []
        while !rest.isEmpty, failure == nil, text.count < Self.pageBytes {
            let group = Array(rest.prefix(Self.width))
            rest = rest.dropFirst(group.count)
            for (entry, outcome) in zip(group, await outcomes(group, slice)) {
                if let spent = outcome.cost { cost += spent }
                guard failure == nil || !isOrdered else { continue }
                switch outcome {
                case .failed(let error):
                    failure = failure ?? error
                    left.append(entry)
                    continue
                case .object(let object, _):
                    if done > 0 { text.append(UInt8(ascii: ",")) }
                    text += object
                case .deleted:
                    if done > 0 { text.append(UInt8(ascii: ",")) }
                    text += standIn(entry.id, isDeleted: true)
                case .tooLarge:
                    if done > 0 { text.append(UInt8(ascii: ",")) }
                    text += standIn(entry.id, isDeleted: false)
                    tooLarge.append(Array(entry.id.utf8))
                }
                done += 1
            }
        }
        if done == 0, let failure { throw failure }
        guard done > 0 else { return Batch(page: ScannedPage.empty(plan), count: 0) }
        text.append(UInt8(ascii: "]"))
        do throws(PageScanError) {
            let page = try scanner.scan(text).rejecting(tooLarge, as: .tooLarge)
            return Batch(page: page, count: done, left: left + rest)
        } catch {
            throw ConnectorError(
                .contractViolation, code: error.code.rawValue,
                userMessage: "The service sent data in an unexpected form.",
                operatorDetail: "an object of \(hydration.request.path.text) cannot be read: \(error.message)"
            )
        }
    }

    private func outcomes(_ entries: [FeedEntry], _ slice: StreamSlice) async -> [Outcome] {
        await withTaskGroup(of: (Int, Outcome).self) { group in
            for (index, entry) in entries.enumerated() {
                group.addTask { (index, await outcome(entry, slice)) }
            }
            var outcomes = [Outcome?](repeating: nil, count: entries.count)
            for await (index, outcome) in group { outcomes[index] = outcome }
            return outcomes.compactMap { $0 }
        }
    }

    private func outcome(_ entry: FeedEntry, _ slice: StreamSlice) async -> Outcome {
        if entry.isDeleted { return .deleted(RequestCost(apiCalls: 0, bytes: 0)) }
        var additions = RequestAdditions()
        additions.values.slice = slice
        additions.values.id = entry.id
        do throws(ConnectorError) {
            let wanted = additions
            let (response, cost) = try await sender.send(
                endpoint: hydration.request.path.text, limits: limits, judge: judge
            ) { requests throws(ConnectorError) in
                try requests.request(hydration.request, wanted)
            }
            if hydration.gone.contains(response.status)
                || endings.contains(where: { $0.holds(for: response) })
            {
                return .deleted(cost)
            }
            guard let object = try object(entry, in: response) else { return .deleted(cost) }
            // Kept by its id, not by a megabyte that nobody can use: a page of such objects would be as large as several.
            return object.count > plan.maxRecordBytes ? .tooLarge(cost) : .object(object, cost)
        } catch {
            return isTooLarge(error) ? .tooLarge(RequestCost(apiCalls: 1, bytes: 0)) : .failed(error)
        }
    }

    /// Whether the response is too large because the object is. In a list others may be; and a token may be what could not be
    /// had, which says nothing of the object.
    private func isTooLarge(_ error: ConnectorError) -> Bool {
        guard case .member = hydration.place else { return false }
        return error.errorClass == .contractViolation
            && error.code == HTTPError.Code.bodyTooLarge.description
    }

    /// Nil when the response proves that the object is not there any more.
    private func object(
        _ entry: FeedEntry, in response: HTTPResponse
    ) throws(ConnectorError) -> ArraySlice<UInt8>? {
        do throws(PageScanError) {
            let page = try finder.scan(response.body)
            if case .list(_, let complete) = hydration.place {
                let found = page.records.first { record in
                    page.identifiers[record.identifierRange].elementsEqual(entry.id.utf8)
                }
                if let found { return page.body[found.range] }
                if page.rejected.isEmpty, page.envelope.first == complete.equals { return nil }
                // It is another one the next time, or the next.
                throw PageScanError(.truncated, "the list is not complete, and lacks the object")
            }
            guard let range = page.records.first?.range ?? page.rejected.first?.range else {
                throw PageScanError(.recordsMissing, "the response has no object")
            }
            return page.body[range]
        } catch {
            throw judge.failure(of: response, scan: error)
        }
    }

    /// What stands for an object that is not there: its id, and a mark when it is deleted. The store keeps the last data that
    /// it has.
    private func standIn(_ id: String, isDeleted: Bool) -> [UInt8] {
        var tree = JSONTree.object([])
        tree.set(.string(id), at: idPointer.tokens[...])
        if isDeleted { tree.set(.bool(true), at: [Self.mark]) }
        return tree.bytes
    }
}

/// An object that a page names.
struct FeedEntry: Sendable, Equatable {
    let id: String
    /// The page says that it is deleted, so that there is nothing to fetch.
    let isDeleted: Bool

    /// Ids are compared by their bytes.
    func isNamed(_ other: String) -> Bool { id.utf8.elementsEqual(other.utf8) }

    /// The objects of a list that only names them. What else an entry has does not matter, also where it could not be stored.
    static func entries(of page: ScannedPage) -> [FeedEntry] {
        let records = page.records.map { record in
            FeedEntry(
                id: String(decoding: page.identifiers[record.identifierRange], as: UTF8.self),
                isDeleted: record.isTombstone)
        }
        let rejected = page.rejected.compactMap { record in
            record.askableID.map { FeedEntry(id: String(decoding: $0, as: UTF8.self), isDeleted: false) }
        }
        return latest(records + rejected)
    }

    /// The objects that the entries of a feed name, each once: where it is named last. An entry is not stored, so that one that
    /// could not be names its objects like any other.
    static func entries(of page: ScannedPage, _ feed: ChangeFeed) -> [FeedEntry] {
        var found: [FeedEntry] = []
        for record in page.records {
            found += named(by: Array(page.body[record.range]), feed, isDeleted: record.isTombstone)
        }
        for record in page.rejected { found += named(by: record, of: page, feed) }
        return latest(found)
    }

    /// The entries of a feed that cannot be stored, and of which nobody can tell what they name.
    static func unnamed(of page: ScannedPage, _ feed: ChangeFeed) -> [RejectedRecord] {
        page.rejected.filter { named(by: $0, of: page, feed).isEmpty }
            // The id of an entry is no id of the stream.
            .map { RejectedRecord(reason: $0.reason, externalID: nil, range: $0.range) }
    }

    private static func named(
        by record: RejectedRecord, of page: ScannedPage, _ feed: ChangeFeed
    ) -> [FeedEntry] {
        named(by: Array(page.body[record.range]), feed, isDeleted: false).filter { entry in
            RejectedRecord(reason: record.reason, externalID: Array(entry.id.utf8), range: record.range)
                .namedID != nil
        }
    }

    private static func named(by text: [UInt8], _ feed: ChangeFeed, isDeleted: Bool) -> [FeedEntry] {
        ids(feed.ids, in: text).map { FeedEntry(id: $0, isDeleted: isDeleted) }
            + ids(feed.deletedIDs, in: text).map { FeedEntry(id: $0, isDeleted: true) }
    }

    private static func ids(_ paths: [FeedPath], in text: [UInt8]) -> [String] {
        paths.flatMap { path -> [String] in
            guard let array = path.array else {
                guard let id = JSONValueReader.scalarText(at: path.id, in: text),
                    id.utf8.count <= ScanPlan.longestIdentifier
                else { return [] }
                return [id]
            }
            return JSONValueReader.identifiers(at: path.id, eachOf: array, in: text)
        }
    }

    /// Each object once. An object that is fetched shows its latest state, so that only the last entry matters; but one
    /// that is said to be deleted, before or after, is asked for: only the provider knows which came last.
    private static func latest(_ entries: [FeedEntry]) -> [FeedEntry] {
        var positions: [[UInt8]: Int] = [:]
        var result: [FeedEntry] = []
        for entry in entries {
            let key = Array(entry.id.utf8)
            if let known = positions[key] {
                let isDeleted = entry.isDeleted && result[known].isDeleted
                result[known] = FeedEntry(id: entry.id, isDeleted: isDeleted)
            } else {
                positions[key] = result.count
                result.append(entry)
            }
        }
        return result
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import PageScanner

/// Decides from a page, and nothing else, whether and where the list goes on.
struct PageJudge: Sendable {
    let rule: PageRule
    let plan: ScanPlan
    let pageSize: Int

    /// What a page that breaks the list's own rules says.
    struct Contradiction: Error, Equatable {
        let reason: String
    }

    enum Outcome: Equatable {
        case next(String)
        case end(TerminalCondition)
    }

    /// `place` is where this page was.
    func outcome(
        _ page: ScannedPage, at place: String?, headers: HTTPHeaders = HTTPHeaders()
    ) throws(Contradiction) -> Outcome {
        if case .none = rule.kind { return .end(.singlePage) }
        let count = page.records.count + page.rejected.count
        if let end = try endByFlag(page, headers) { return .end(end) }
        if count == 0, rule.end.contains(.emptyPage) { return .end(.emptyPage) }
        let seen = seen(at: place) + count
        let total = try total(page, headers, beside: count)
        if let total, seen >= total { return .end(.totalReached) }
        // A provider may give smaller pages than it is asked for: where there is a total, it decides.
        if count < pageSize, rule.end.contains(.shortPage), total == nil { return .end(.shortPage) }
        switch rule.kind {
        case .none: return .end(.singlePage)
        case .token(let source, _):
            return try following(source, else: .nextTokenAbsent, page, headers)
        case .nextURL(let source):
            return try following(source, else: .nextLinkAbsent, page, headers)
        case .linkHeader:
            if let url = LinkHeader.target(relation: "next", in: headers.all("Link")) { return .next(url) }
            return try ended(
                .nextLinkAbsent, if: .noNextLink, "there is no link to a next page", page, headers)
        case .lastID:
            guard let last = page.lastIdentifier else {
                throw Self.emptyPage
            }
            return .next(String(decoding: last, as: UTF8.self))
        case .pageNumber(_, let first):
            let place = place.flatMap { NumberedPlace($0) }
            let number = place?.number ?? first
            let largest = max(place?.largest ?? 0, count)
            if count == 0, let total {
                // A provider may count records that it does not show; behind the last page that they fill there is none. Pages
                // may be smaller than what was asked for, not smaller than one that was seen.
                guard (number - first) * largest >= total else { throw Self.emptyPage }
                return .end(.totalReached)
            }
            guard countsRecords else { return .next(NumberedPlace(number: number + 1).text) }
            return .next(NumberedPlace(number: number + 1, seen: seen, largest: largest).text)
        case .offset:
            if count == 0 { throw Self.emptyPage }
            return .next(String(seen))
        }
    }

    private static let emptyPage = Contradiction(
        reason: "the page is empty, and yet nothing says that the list is over")

    /// Whether the list ends by the number of records that came.
    private var countsRecords: Bool {
        rule.end.contains { if case .total = $0 { true } else { false } }
    }

    /// How many records came with the pages before a place.
    private func seen(at place: String?) -> Int {
        guard let place else { return 0 }
        switch rule.kind {
        case .offset: return Int(place) ?? 0
        case .pageNumber(_, let first):
            guard let place = NumberedPlace(place) else { return 0 }
            // A place that an earlier version stored has no count: what was asked for stands in.
            return place.seen ?? (place.number - first) * max(1, pageSize)
        default: return 0
        }
    }

    /// The way on by a token or a URL; without one the list is over only if the manifest says that this is how it ends.
    private func following(
        _ source: ValueSource, else condition: TerminalCondition, _ page: ScannedPage, _ headers: HTTPHeaders
    ) throws(Contradiction) -> Outcome {
        let place = source.text
        switch value(source, page, headers) {
        case nil: return try ended(condition, if: .missing, "\(place) is missing", page, headers)
        case .null: return try ended(condition, if: .null, "\(place) is null", page, headers)
        case .string(""): return try ended(condition, if: .empty, "\(place) is empty", page, headers)
        case .string(let text), .number(let text): return .next(text)
        case .bool: throw Contradiction(reason: "\(place) is a truth value")
        }
    }

    /// A flag that is there was asked before and did not say that the list is over: it says that more follows. One that is not
    /// there says nothing, and the other conditions decide.
    private func ended(
        _ condition: TerminalCondition, if end: PageRule.End, _ reason: String, _ page: ScannedPage,
        _ headers: HTTPHeaders
    ) throws(Contradiction) -> Outcome {
        let flags = rule.end.compactMap(\.flag)
        let contrary = flags.first { ![nil, .null].contains(value($0, page, headers)) }
        guard rule.end.contains(end), contrary == nil else {
            throw Contradiction(
                reason:
                    "\(reason), and yet \((contrary ?? flags.first)?.text ?? "that") does not end the list")
        }
        return .end(condition)
    }

    private func endByFlag(
        _ page: ScannedPage, _ headers: HTTPHeaders
    ) throws(Contradiction) -> TerminalCondition? {
        for condition in rule.end {
            switch condition {
            case .hasMore(let source):
                guard let more = truth(value(source, page, headers)) else {
                    throw Contradiction(reason: "\(source.text) is neither true nor false")
                }
                if !more { return .hasMoreFalse }
            case .endFlag(let source):
                if truth(value(source, page, headers)) == true { return .endFlag }
            case .equals(let source, let values):
                if let found = value(source, page, headers), values.contains(found) { return .endFlag }
            default: break
            }
        }
        return nil
    }

    /// How many records the list has, where the page says so and does not contradict it: some providers write -1 or 0 for a
    /// number that they do not know.
    private func total(
        _ page: ScannedPage, _ headers: HTTPHeaders, beside count: Int
    ) throws(Contradiction) -> Int? {
        for case .total(let source) in rule.end {
            guard let total = value(source, page, headers)?.text.flatMap({ Int($0) }) else { continue }
            guard total > 0 || total == 0 && count == 0 else {
                throw Contradiction(reason: "\(source.text) is \(total) beside \(count) records")
            }
            return total
        }
        return nil
    }

    /// Headers have words where bodies have truth values.
    private func truth(_ value: JSONScalar?) -> Bool? {
        switch value {
        case .bool(let value): value
        case .string("true"): true
        case .string("false"): false
        default: nil
        }
    }

    /// A value of the page's body or of its headers.
    func value(_ source: ValueSource, _ page: ScannedPage, _ headers: HTTPHeaders) -> JSONScalar? {
        switch source {
        case .header(let name): headers.first(name).map { .string($0) }
        case .body(let pointer): plan.envelope.firstIndex(of: pointer).flatMap { page.envelope[$0] }
        }
    }
}

extension PageRule.End {
    /// The place of a value that says by itself whether more follows.
    fileprivate var flag: ValueSource? {
        switch self {
        case .hasMore(let source), .endFlag(let source): source
        default: nil
        }
    }

    var source: ValueSource? {
        switch self {
        case .hasMore(let source), .endFlag(let source), .equals(let source, _), .total(let source): source
        default: nil
        }
    }
}

extension PageRule {
    /// The parameter that tells the pages from each other, where one does.
    var parameter: RequestParameter? {
        switch kind {
        case .token(_, let parameter), .pageNumber(let parameter, _), .offset(let parameter),
            .lastID(let parameter):
            parameter
        case .none, .nextURL, .linkHeader: nil
        }
    }

    /// The values of a page's body that the rule needs.
    var envelope: [JSONPointer] {
        let next: ValueSource? =
            switch kind {
            case .token(let source, _), .nextURL(let source): source
            default: nil
            }
        return ([next] + end.map(\.source)).compactMap { $0?.pointer }
    }
}

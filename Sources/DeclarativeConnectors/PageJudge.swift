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
        if count < pageSize, rule.end.contains(.shortPage) { return .end(.shortPage) }
        switch rule.kind {
        case .none: return .end(.singlePage)
        case .token(let source, _):
            return try following(value(source, page, headers), else: .nextTokenAbsent, source.text)
        case .nextURL(let source):
            return try following(value(source, page, headers), else: .nextLinkAbsent, source.text)
        case .linkHeader:
            if let url = LinkHeader.target(relation: "next", in: headers.all("Link")) { return .next(url) }
            return try ended(.nextLinkAbsent, if: .noNextLink, "there is no link to a next page")
        case .lastID:
            guard let last = page.lastIdentifier else {
                throw Contradiction(reason: "the page is empty, and yet nothing says that the list is over")
            }
            return .next(String(decoding: last, as: UTF8.self))
        case .pageNumber(_, let first):
            let number = place.flatMap { Int($0) } ?? first
            if isReached(page, headers, seen: (number - first + 1) * max(1, pageSize)) {
                return .end(.totalReached)
            }
            return .next(String(number + 1))
        case .offset:
            let offset = (place.flatMap { Int($0) } ?? 0) + count
            if isReached(page, headers, seen: offset) { return .end(.totalReached) }
            if count == 0 {
                throw Contradiction(reason: "the page is empty, and yet nothing says that the list is over")
            }
            return .next(String(offset))
        }
    }

    /// The way on by a token or a URL; without one the list is over only if the manifest says that this is how it ends.
    private func following(
        _ value: JSONScalar?, else condition: TerminalCondition, _ place: String
    ) throws(Contradiction) -> Outcome {
        switch value {
        case nil: return try ended(condition, if: .missing, "\(place) is missing")
        case .null: return try ended(condition, if: .null, "\(place) is null")
        case .string(""): return try ended(condition, if: .empty, "\(place) is empty")
        case .string(let text), .number(let text): return .next(text)
        case .bool: throw Contradiction(reason: "\(place) is a truth value")
        }
    }

    private func ended(
        _ condition: TerminalCondition, if end: PageRule.End, _ reason: String
    ) throws(Contradiction) -> Outcome {
        // A flag among the conditions was asked before, and did not say that the list is over.
        let flag = rule.end.compactMap(\.flag).first
        guard rule.end.contains(end), flag == nil else {
            throw Contradiction(reason: "\(reason), and yet \(flag ?? "that") does not end the list")
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

    private func isReached(_ page: ScannedPage, _ headers: HTTPHeaders, seen: Int) -> Bool {
        rule.end.contains { condition in
            guard case .total(let source) = condition, let text = value(source, page, headers)?.text,
                let total = Int(text)
            else { return false }
            return seen >= total
        }
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
    fileprivate var flag: String? {
        switch self {
        case .hasMore(let source), .endFlag(let source): source.text
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

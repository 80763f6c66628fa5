// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
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

    /// `place` is where this page was; `links` are its `Link` headers.
    func outcome(_ page: ScannedPage, at place: String?, links: [String]) throws(Contradiction) -> Outcome {
        let count = page.records.count + page.rejected.count
        if let more = rule.more {
            switch value(more, page) {
            case .bool(false): return .end(.hasMoreFalse)
            case .bool(true): break
            default: throw Contradiction(reason: "\(more.text) is neither true nor false")
            }
        }
        switch rule.kind {
        case .none: return .end(.singlePage)
        case .token(let pointer, _):
            guard let token = value(pointer, page)?.text, !token.isEmpty else {
                return try ended(.nextTokenAbsent)
            }
            return .next(token)
        case .nextURL(let pointer):
            guard let url = value(pointer, page)?.text, !url.isEmpty else {
                return try ended(.nextLinkAbsent)
            }
            return .next(url)
        case .linkHeader:
            guard let url = LinkHeader.target(relation: "next", in: links) else {
                return try ended(.nextLinkAbsent)
            }
            return .next(url)
        case .lastID:
            if rule.more == nil, let end = endByCount(count) { return .end(end) }
            guard let last = page.lastIdentifier else {
                throw Contradiction(reason: "the page is empty, and yet more is said to follow")
            }
            return .next(String(decoding: last, as: UTF8.self))
        case .pageNumber(_, let first):
            if let end = endByCount(count) { return .end(end) }
            let number = place.flatMap { Int($0) } ?? first
            if let end = endByTotal(page, seen: (number - first + 1) * max(1, pageSize)) { return .end(end) }
            return .next(String(number + 1))
        case .offset:
            if let end = endByCount(count) { return .end(end) }
            let offset = (place.flatMap { Int($0) } ?? 0) + count
            if let end = endByTotal(page, seen: offset) { return .end(end) }
            return .next(String(offset))
        }
    }

    /// The list is over, unless the page says that more follows.
    private func ended(_ condition: TerminalCondition) throws(Contradiction) -> Outcome {
        guard let more = rule.more else { return .end(condition) }
        throw Contradiction(reason: "\(more.text) is true, and yet there is no way to the next page")
    }

    private func endByCount(_ count: Int) -> TerminalCondition? {
        if rule.more != nil { return nil }
        if count == 0 { return .emptyPage }
        return rule.endsOnShortPage && count < pageSize ? .shortPage : nil
    }

    private func endByTotal(_ page: ScannedPage, seen: Int) -> TerminalCondition? {
        guard let total = rule.total, let text = value(total, page)?.text, let number = Int(text) else {
            return nil
        }
        return seen >= number ? .totalReached : nil
    }

    func value(_ pointer: JSONPointer, _ page: ScannedPage) -> JSONScalar? {
        plan.envelope.firstIndex(of: pointer).flatMap { page.envelope[$0] }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// Reads the `page` of a stream.
struct PageRuleLoader {
    private let stream: MappingReader

    init(_ stream: MappingReader) {
        self.stream = stream
    }

    private enum Kind: String, CaseIterable {
        case token
        case nextURL = "next_url"
        case linkHeader = "link_header"
        case pageNumber = "page_number"
        case offset
        case lastID = "last_id"
        case none

        /// The keys with a meaning for this kind.
        var keys: [String] {
            let size = ["size_parameter", "size"]
            switch self {
            case .none: return size
            case .linkHeader: return ["more"] + size
            case .nextURL: return ["url", "more"] + size
            case .token: return ["token", "parameter", "more"] + size
            case .pageNumber: return ["parameter", "first", "more", "total", "short_page_ends"] + size
            case .offset: return ["parameter", "more", "total", "short_page_ends"] + size
            case .lastID: return ["parameter", "more", "short_page_ends"] + size
            }
        }
    }

    func load() -> PageRule {
        let keys = [
            "kind", "parameter", "token", "url", "first", "more", "total", "short_page_ends",
            "size_parameter", "size",
        ]
        guard let page = stream.mapping("page", keys: keys, required: true),
            let kind = page.word("kind", Kind.self, required: true)
        else { return .single }
        page.complainUnless(kind.keys, for: kind.rawValue)
        let more = page.pointer("more")
        let total = page.pointer("total")
        let size = page.integer("size", in: 1...100_000)
        let sizeParameter = page.text("size_parameter")
        let endsOnShortPage = page.bool("short_page_ends") ?? false
        if sizeParameter != nil, size == nil { page.complain("size", "is missing; size_parameter needs it") }
        if endsOnShortPage, size == nil { page.complain("size", "is missing; short_page_ends needs it") }
        if kind == .offset, size == nil { page.complain("size", "is missing; offset pages need it") }
        guard let ruleKind = ruleKind(kind, page) else { return .single }
        return PageRule(
            kind: ruleKind, more: more, total: total, endsOnShortPage: endsOnShortPage,
            sizeParameter: sizeParameter, size: size ?? 0)
    }

    private func ruleKind(_ kind: Kind, _ page: MappingReader) -> PageRule.Kind? {
        switch kind {
        case .none: return PageRule.Kind.none
        case .linkHeader: return .linkHeader
        case .nextURL: return page.pointer("url", required: true).map { .nextURL(pointer: $0) }
        case .token:
            guard let pointer = page.pointer("token", required: true),
                let parameter = page.text("parameter", required: true)
            else { return nil }
            return .token(pointer: pointer, parameter: parameter)
        case .pageNumber:
            return page.text("parameter", required: true).map {
                .pageNumber(parameter: $0, first: page.integer("first", in: 0...1) ?? 1)
            }
        case .offset: return page.text("parameter", required: true).map { .offset(parameter: $0) }
        case .lastID: return page.text("parameter", required: true).map { .lastID(parameter: $0) }
        }
    }
}

/// Reads the `incremental` of a stream, and the cursor that the records have.
struct IncrementalRuleLoader {
    private let stream: MappingReader

    init(_ stream: MappingReader) {
        self.stream = stream
    }

    private enum Kind: String, CaseIterable {
        case timeParameter = "time_param"
        case syncToken = "sync_token"
        case sortedDescending = "sorted_desc_until"
        case none

        /// The keys with a meaning for this kind.
        var keys: [String] {
            switch self {
            case .none: []
            case .syncToken: ["token", "parameter"]
            case .sortedDescending: ["cursor", "format", "since_parameter", "until_parameter"]
            case .timeParameter: ["parameter", "cursor", "format", "until_parameter", "order", "lag_seconds"]
            }
        }
    }

    func load() -> (IncrementalRule, ScalarRule?) {
        let keys = [
            "kind", "cursor", "format", "parameter", "until_parameter", "since_parameter", "token", "order",
            "lag_seconds",
        ]
        guard let rule = stream.mapping("incremental", keys: keys) else { return (.none, nil) }
        guard let kind = rule.word("kind", Kind.self, required: true) else { return (.none, nil) }
        rule.complainUnless(kind.keys, for: kind.rawValue)
        switch kind {
        case .none: return (.none, nil)
        case .syncToken:
            guard let pointer = rule.pointer("token", required: true),
                let parameter = rule.text("parameter", required: true)
            else { return (.none, nil) }
            return (.syncToken(pointer: pointer, parameter: parameter), nil)
        case .sortedDescending:
            guard let format = rule.word("format", ScalarRule.Kind.self, required: true),
                let pointer = rule.pointer("cursor", required: true)
            else { return (.none, nil) }
            let range = rule.text("since_parameter").map {
                IncrementalRule.RangeParameters(
                    since: $0, until: rule.text("until_parameter"), format: format)
            }
            return (.sortedDescending(range: range), ScalarRule(pointer: pointer, kind: format))
        case .timeParameter: return timeParameter(rule)
        }
    }

    private enum Order: String, CaseIterable {
        case ascending
        case unknown
    }

    private func timeParameter(_ rule: MappingReader) -> (IncrementalRule, ScalarRule?) {
        guard let format = rule.word("format", ScalarRule.Kind.self, required: true),
            let parameter = rule.text("parameter", required: true)
        else { return (.none, nil) }
        var source = IncrementalRule.Source.records
        var cursor: ScalarRule?
        if rule.text("cursor", required: true) == "response_date" {
            let lag = rule.integer("lag_seconds", in: 0...86_400) ?? 300
            source = .responseDate(lag: .seconds(lag))
        } else if let pointer = rule.pointer("cursor") {
            cursor = ScalarRule(pointer: pointer, kind: format)
        }
        let order = rule.has("order") ? rule.word("order", Order.self) ?? .unknown : .unknown
        return (
            .timeParameter(
                IncrementalRule.TimeParameter(
                    parameter: parameter, until: rule.text("until_parameter"), format: format, source: source,
                    isAscending: order == .ascending && source == .records)), cursor
        )
    }
}

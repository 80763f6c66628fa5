// SPDX-License-Identifier: Apache-2.0

import PageScanner
import Yams

/// Reads the `page` of a list.
struct PageRuleLoader {
    private let list: MappingReader

    static let keys = [
        "kind", "parameter", "in", "token", "url", "first", "end", "size_parameter", "size", "page_info",
        "variable", "size_variable", "numbered",
    ]

    init(_ list: MappingReader) {
        self.list = list
    }

    private enum Kind: String, CaseIterable {
        case token
        case nextURL = "next_url"
        case linkHeader = "link_header"
        case pageNumber = "page_number"
        case offset
        case lastID = "last_id"
        case graphQLCursor = "graphql_cursor"
        case none

        /// The keys with a meaning for this kind.
        var keys: [String] {
            let size = ["size_parameter", "size"]
            switch self {
            case .none: return size
            case .linkHeader: return ["end", "numbered"] + size
            case .nextURL: return ["url", "end", "numbered"] + size
            case .token: return ["token", "parameter", "in", "end"] + size
            case .pageNumber: return ["parameter", "in", "first", "end"] + size
            case .offset, .lastID: return ["parameter", "in", "end"] + size
            case .graphQLCursor: return ["page_info", "variable", "size_variable", "size"]
            }
        }

        /// The conditions that can end such a list.
        var ends: [String] {
            let flags = ["has_more", "end_flag", "equals"]
            switch self {
            case .none, .graphQLCursor: return []
            case .token, .nextURL: return ["absent", "missing", "null", "empty", "empty_page"] + flags
            case .linkHeader: return ["no_next_link", "empty_page"] + flags
            case .pageNumber, .offset: return ["empty_page", "short_page", "total"] + flags
            case .lastID: return ["empty_page", "short_page"] + flags
            }
        }
    }

    func load() -> PageRule {
        guard let page = list.mapping("page", keys: Self.keys, required: true),
            let kind = page.word("kind", Kind.self, required: true)
        else { return .single }
        page.complainUnless(kind.keys, for: kind.rawValue)
        let size = page.integer("size", in: 1...100_000)
        if kind == .graphQLCursor { return graphQL(page, size: size) }
        let end = kind == .none ? [] : ends(page, kind)
        if page.has("size_parameter"), size == nil {
            page.complain("size", "is missing; size_parameter needs it")
        }
        if end.contains(.shortPage), size == nil { page.complain("size", "is missing; short_page needs it") }
        if kind == .offset, size == nil { page.complain("size", "is missing; offset pages need it") }
        guard let ruleKind = ruleKind(kind, page) else { return .single }
        let isInBody = page.text("in") == "body"
        let sizeParameter = page.text("size_parameter").flatMap { name in
            isInBody ? RequestParameter.inBody(name, "size_parameter", page) : .query(name)
        }
        return PageRule(
            kind: ruleKind, end: end, sizeParameter: sizeParameter, size: size ?? 0,
            isNumbered: page.bool("numbered") ?? false)
    }

    private func ruleKind(_ kind: Kind, _ page: MappingReader) -> PageRule.Kind? {
        switch kind {
        case .none, .graphQLCursor: return PageRule.Kind.none
        case .linkHeader: return .linkHeader
        case .nextURL: return page.source("url", required: true).map { .nextURL($0) }
        case .token:
            guard let source = page.source("token", required: true),
                let parameter = page.parameter("parameter", required: true)
            else { return nil }
            return .token(source, parameter)
        case .pageNumber:
            return page.parameter("parameter", required: true).map {
                .pageNumber($0, first: page.integer("first", in: 0...1) ?? 1)
            }
        case .offset: return page.parameter("parameter", required: true).map { .offset($0) }
        case .lastID: return page.parameter("parameter", required: true).map { .lastID($0) }
        }
    }

    /// A connection of GraphQL: `pageInfo { hasNextPage endCursor }`, and variables in the body of the request.
    private func graphQL(_ page: MappingReader, size: Int?) -> PageRule {
        guard let info = page.pointer("page_info", required: true),
            let variable = page.text("variable", required: true),
            let cursor = page.pointer(text: info.text + "/endCursor", "page_info"),
            let more = page.pointer(text: info.text + "/hasNextPage", "page_info"),
            let after = RequestParameter.inBody("/variables/\(variable)", "variable", page)
        else { return .single }
        if page.has("size_variable"), size == nil {
            page.complain("size", "is missing; size_variable needs it")
        }
        return PageRule(
            kind: .token(.body(cursor), after), end: [.hasMore(.body(more))],
            sizeParameter: page.text("size_variable").flatMap {
                RequestParameter.inBody("/variables/\($0)", "size_variable", page)
            }, size: size ?? 0)
    }

    // MARK: - Ends

    private func ends(_ page: MappingReader, _ kind: Kind) -> [PageRule.End] {
        guard let node = page.node("end") else {
            page.complain(
                "end",
                "is missing; what says that the list is over, one or more of: \(kind.ends.joined(separator: ", "))"
            )
            return []
        }
        var nodes = [node]
        if case .sequence(let list) = node { nodes = Array(list) }
        if nodes.isEmpty { page.complain("end", "names no condition") }
        return nodes.flatMap { end($0, page, kind) }
    }

    private func end(_ node: Node, _ page: MappingReader, _ kind: Kind) -> [PageRule.End] {
        var word = node.scalar?.string ?? ""
        var value: Node?
        if case .mapping(let mapping) = node, mapping.count == 1, let pair = mapping.first {
            word = pair.key.string ?? ""
            value = pair.value
        }
        let needsValue = ["has_more", "end_flag", "equals", "total", "short_page"].contains(word)
        guard kind.ends.contains(word), needsValue == (value != nil) else {
            let allowed = kind.ends.map(Self.form).joined(separator: ", ")
            page.complain(
                "end", "'\(word)' is not allowed for kind '\(kind.rawValue)' in this form; \(allowed)")
            return []
        }
        switch word {
        case "absent": return [.missing, .null, .empty]
        case "missing": return [.missing]
        case "null": return [.null]
        case "empty": return [.empty]
        case "no_next_link": return [.noNextLink]
        case "empty_page": return [.emptyPage]
        case "short_page":
            guard value?.scalar?.string == "documented" else {
                page.complain(
                    "end",
                    "short_page proves nothing by itself; 'short_page: documented' where the provider's documentation "
                        + "says that a short page is the last one")
                return []
            }
            return [.shortPage]
        case "equals": return value.map { equals($0, page) } ?? []
        default:
            guard let source = value.flatMap({ page.source(from: $0, "end") }) else { return [] }
            switch word {
            case "has_more": return [.hasMore(source)]
            case "end_flag": return [.endFlag(source)]
            default: return [.total(source)]
            }
        }
    }

    private func equals(_ node: Node, _ page: MappingReader) -> [PageRule.End] {
        guard
            let rule = MappingReader(
                node, path: page.keyPath("end.equals"), keys: ["value", "is"], problems: page.problems),
            let source = rule.source("value", required: true)
        else { return [] }
        let values = ManifestLoader.scalars(rule, "is")
        if values.isEmpty { rule.complain("is", "is missing; the value, or the values, of the last page") }
        return [.equals(source, values)]
    }

    /// A condition as it is written.
    private static func form(_ word: String) -> String {
        switch word {
        case "has_more", "end_flag", "total": "{ \(word): /POINTER }"
        case "equals": "{ equals: { value: /POINTER, is: VALUE } }"
        case "short_page": "{ short_page: documented }"
        default: word
        }
    }
}

extension RequestParameter {
    /// A place in the body: a pointer, or the name of a member of the document.
    static func inBody(_ name: String, _ key: String, _ reader: MappingReader) -> RequestParameter? {
        let text = name.hasPrefix("/") ? name : "/\(name)"
        return reader.pointer(text: text, key).map { RequestParameter(name: name, place: .body($0)) }
    }
}

extension MappingReader {
    private enum Place: String, CaseIterable {
        case query
        case header
        case body
    }

    func pointer(text: String, _ key: String) -> JSONPointer? {
        do throws(PageScanError) {
            return try JSONPointer(text)
        } catch {
            complain(key, error.message)
            return nil
        }
    }

    /// A parameter's name; it stands where `in` says, or in the query.
    func parameter(_ key: String, required: Bool = false) -> RequestParameter? {
        guard let name = text(key, required: required) else { return nil }
        switch has("in") ? word("in", Place.self) : .query {
        case .query: return .query(name)
        case .body: return RequestParameter.inBody(name, key, self)
        case .header:
            if !Self.isHeaderName(name) {
                complain(key, "'\(name)' is no name of a header; letters, digits and '-'")
            }
            return RequestParameter(name: name, place: .header)
        case nil: return nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Yams

/// Reads the request of an action.
struct ActionShapeLoader {
    let input: [ActionField]
    let hasEmail: Bool

    static let keys = [
        "method", "path", "query", "headers", "encoding", "body", "repeat", "result", "list",
    ]
    static let repeatKeys = [
        "kind", "header", "lasts", "replayed", "path", "query", "found", "equals", "after", "result",
    ]

    private enum Kind: String, CaseIterable {
        case safe
        case key
        case lookup
        case never
    }

    func load(_ reader: MappingReader) -> ActionShape? {
        let method = reader.has("method") ? reader.word("method", ActionShape.Method.self) : .post
        let path = path(reader)
        let query = reader.templates("query")
        let headers = reader.templates("headers")
        let body = reader.json("body")
        let encoding = reader.has("encoding") ? reader.word("encoding", ActionShape.Encoding.self) : .json
        if body == nil, reader.has("encoding") { reader.complain("encoding", "means nothing without a body") }
        if body != nil, method == .get { reader.complain("body", "means nothing for GET; use query") }
        if let body, case .object = body {
        } else if body != nil {
            reader.complain("body", "has to be a mapping")
        }
        check(query.map(\.value), "query", reader, mayBeLeftOut: true)
        check(headers.map(\.value), "headers", reader)
        check(body?.templates ?? [], "body", reader, mayBeLeftOut: true)
        for name in headers.map(\.name) where !MappingReader.isHeaderName(name) {
            reader.complain("headers", "'\(name)' is no name of a header")
        }
        let repetition = repetition(reader, method)
        let result = result(reader)
        guard let method, let path, let encoding, let repetition else { return nil }
        return ActionShape(
            method: method, path: path, query: query, headers: headers, encoding: encoding, body: body,
            repetition: repetition, result: result)
    }

    private func path(_ reader: MappingReader) -> Template? {
        let path = reader.template("path", required: true)
        if let path, !path.text.hasPrefix("/") { reader.complain("path", "has to begin with '/'") }
        check(path.map { [$0] } ?? [], "path", reader)
        return path
    }

    private func result(_ reader: MappingReader) -> ActionResultRule {
        var rule = ActionResultRule()
        if let node = reader.node("result") {
            if case .mapping(let mapping) = node {
                let names = mapping.compactMap { $0.key.string }
                if let result = reader.mapping("result", keys: names) {
                    rule.members = names.compactMap { name in
                        if !ManifestLoader.isMember(name) {
                            result.complain(name, "'\(name)' is not allowed; letters, digits and '_'")
                        }
                        return result.pointers(name).map { (name, $0) }
                    }
                }
            } else {
                reader.complain("result", "has to be a mapping of names to JSON pointers, as in { id: /id }")
            }
        }
        if let list = reader.mapping("list", keys: ["name", "pointer"]),
            let name = list.text("name", required: true),
            let pointer = list.pointer("pointer", required: true)
        {
            if !ManifestLoader.isMember(name) {
                list.complain("name", "'\(name)' is not allowed; letters, digits and '_'")
            }
            rule.list = (name, pointer)
        }
        return rule
    }

    // MARK: - Repetition

    private func repetition(_ reader: MappingReader, _ method: ActionShape.Method?) -> ActionShape.Repetition?
    {
        guard reader.has("repeat") else {
            if method == .get { return .safe }
            reader.complain(
                "repeat",
                "is missing: what to do when nobody knows whether the request took effect; { kind: key, lookup, "
                    + "safe or never }")
            return nil
        }
        guard let rule = reader.mapping("repeat", keys: Self.repeatKeys),
            let kind = rule.word("kind", Kind.self, required: true)
        else { return nil }
        switch kind {
        case .safe, .never:
            rule.complainUnless([], for: kind.rawValue)
            return kind == .safe ? .safe : .never
        case .key:
            rule.complainUnless(["header", "lasts", "replayed"], for: "key")
            guard let header = rule.text("header", required: true) else { return nil }
            for (key, name) in [("header", header), ("replayed", rule.text("replayed") ?? header)]
            where !MappingReader.isHeaderName(name) {
                rule.complain(key, "'\(name)' is no name of a header")
            }
            if !rule.has("lasts") { rule.complain("lasts", "is missing; how long the provider knows a key") }
            return rule.duration("lasts", in: .seconds(60)...(.seconds(30 * 86_400))).map {
                .key(header: header, lasts: $0, replayed: rule.text("replayed"))
            }
        case .lookup:
            rule.complainUnless(["path", "query", "found", "equals", "after", "result"], for: "lookup")
            let path = path(rule)
            let query = rule.templates("query")
            check(query.map(\.value), "query", rule)
            let after =
                rule.has("after") ? rule.duration("after", in: .zero...(.seconds(3_600))) : .seconds(10)
            guard let path, let found = rule.pointer("found", required: true), let after else { return nil }
            return .lookup(
                ActionLookup(
                    path: path, query: query, found: found, equals: ManifestLoader.scalars(rule, "equals"),
                    after: after, result: result(rule)))
        }
    }

    // MARK: - Places

    /// Notes places that have no value in an action's request, and inputs that may be missing where there has to be one.
    func check(_ templates: [Template], _ key: String, _ reader: MappingReader, mayBeLeftOut: Bool = false) {
        for template in templates {
            for place in template.places { check(place, key, reader) }
            let isWhole = template.onlyPlace != nil
            guard !isWhole || !mayBeLeftOut else { continue }
            for place in template.places where place.namespace == .input {
                guard let field = input.first(where: { $0.name == place.name }) else { continue }
                let isBody = key != "path" && key != "query" && key != "headers" && isWhole
                if !field.isRequired, field.fallback == nil, !isBody {
                    reader.complain(key, "\(place.text) may be left out, and then this has no value")
                }
                if [.object, .array, .addresses].contains(field.type), !isBody {
                    reader.complain(key, "\(place.text) is \(field.form), which has no place in a text")
                }
            }
        }
    }

    private func check(_ place: Template.Place, _ key: String, _ reader: MappingReader) {
        switch place.namespace {
        case .config: break
        case .input:
            if !input.contains(where: { $0.name == place.name }) {
                reader.complain(key, "\(place.text) is not among input")
            }
        case .action:
            if place.name != "key", !hasEmail {
                reader.complain(key, "\(place.text) needs 'email'")
            }
        case .secret:
            reader.complain(
                key,
                "\(place.text) is not allowed here: URLs and bodies get into logs. Put it into auth or headers"
            )
        default: reader.complain(key, "\(place.text) has no value in an action's request")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Yams

/// Reads the streams of a manifest.
struct StreamLoader {
    let root: MappingReader

    func load() -> [StreamManifest] {
        guard let node = root.node("streams"), case .mapping(let mapping) = node, !mapping.isEmpty else {
            root.complain("streams", "has to be a mapping of stream names to streams, with at least one")
            return []
        }
        var streams: [StreamManifest] = []
        for (nameNode, value) in mapping {
            let name = nameNode.string ?? ""
            let path = "streams.\(name)"
            if !ManifestLoader.isName(name, extra: "_") {
                root.problems.add(nameNode, path, "'\(name)' is not allowed; small letters, digits and '_'")
            }
            let keys = [
                "path", "query", "records", "id", "version", "tombstone", "page", "incremental", "parent",
                "absence", "max_pages",
            ]
            guard let reader = MappingReader(value, path: path, keys: keys, problems: root.problems) else {
                continue
            }
            if let stream = stream(name, reader, known: streams) { streams.append(stream) }
        }
        return streams
    }

    private func stream(_ name: String, _ reader: MappingReader, known: [StreamManifest]) -> StreamManifest? {
        let path = reader.template("path", required: true)
        if case .text(let text)? = path?.parts.first, !text.hasPrefix("/") {
            reader.complain("path", "has to begin with '/'")
        }
        let parent = parentBinding(reader, known: known)
        let query = reader.templates("query")
        checkParentPlaces(reader, [path].compactMap { $0 } + query.map(\.value), parent)
        let page = PageRuleLoader(reader).load()
        let (incremental, cursor) = IncrementalRuleLoader(reader).load()
        let records = reader.pointer("records", required: true)
        let id = reader.pointers("id")
        let version = scalarRule(reader, "version")
        let tombstones = tombstones(reader)
        let absence = reader.has("absence") ? reader.word("absence", AbsencePolicyWord.self)?.policy : .never
        guard let path, let records, let id, let absence else { return nil }
        var plan = ScanPlan(
            records: records, id: id, version: version, cursor: cursor, tombstones: tombstones)
        plan.envelope = Envelope.pointers(page, incremental)
        return StreamManifest(
            name: name, path: path, query: query, plan: plan, page: page, incremental: incremental,
            parent: parent, absence: absence,
            maxPages: reader.integer("max_pages", in: 1...10_000_000) ?? Self.defaultMaxPages)
    }

    private static let defaultMaxPages = 100_000

    private enum AbsencePolicyWord: String, CaseIterable {
        case never
        case fullRun = "full_run"
        case twoRuns = "two_runs"

        var policy: AbsencePolicy {
            switch self {
            case .never: .never
            case .fullRun: .fullRun
            case .twoRuns: .twoRuns
            }
        }
    }

    private func parentBinding(_ reader: MappingReader, known: [StreamManifest]) -> ParentBinding? {
        guard let parent = reader.mapping("parent", keys: ["stream", "values"]) else { return nil }
        guard let stream = parent.text("stream", required: true) else { return nil }
        guard let target = known.first(where: { $0.name == stream }) else {
            parent.complain("stream", "'\(stream)' is not a stream that stands before this one")
            return nil
        }
        if target.parent != nil {
            parent.complain("stream", "'\(stream)' is itself a child; one level is allowed")
        }
        guard let node = parent.node("values"), case .mapping(let mapping) = node else {
            parent.complain(
                "values", "is missing; names for ${parent.NAME} and where they are in the parent's record")
            return nil
        }
        var values: [String: JSONPointer] = [:]
        for (name, value) in mapping {
            guard let name = name.string, let pointer = parent.pointer(from: value, "values") else {
                continue
            }
            values[name] = pointer
        }
        return ParentBinding(stream: stream, values: values)
    }

    private func checkParentPlaces(_ reader: MappingReader, _ templates: [Template], _ parent: ParentBinding?)
    {
        for place in templates.flatMap(\.places) where place.namespace == .parent {
            guard let parent else {
                reader.complain("path", "\(place.text) needs a parent")
                continue
            }
            if parent.values[place.name] == nil {
                reader.complain("path", "\(place.text) is not among parent.values")
            }
        }
    }

    private func scalarRule(_ reader: MappingReader, _ key: String) -> ScalarRule? {
        guard let rule = reader.mapping(key, keys: ["pointer", "format"]) else { return nil }
        guard let pointer = rule.pointer("pointer", required: true),
            let format = rule.word("format", ScalarRule.Kind.self, required: true)
        else { return nil }
        return ScalarRule(pointer: pointer, kind: format)
    }

    private func tombstones(_ reader: MappingReader) -> [TombstoneRule] {
        guard let rule = reader.mapping("tombstone", keys: ["pointer", "equals"]) else { return [] }
        guard let pointer = rule.pointer("pointer", required: true) else { return [] }
        let values = ManifestLoader.scalars(rule, "equals")
        if values.isEmpty {
            rule.complain("equals", "is missing; the value, or the values, of a deleted record")
        }
        return values.map { TombstoneRule(pointer: pointer, equals: $0) }
    }
}

/// Which envelope value of a scan is which.
enum Envelope {
    static func pointers(_ page: PageRule, _ incremental: IncrementalRule) -> [JSONPointer] {
        [next(page), page.more, page.total, syncToken(incremental)].compactMap { $0 }
    }

    static func next(_ page: PageRule) -> JSONPointer? {
        switch page.kind {
        case .token(let pointer, _), .nextURL(let pointer): pointer
        default: nil
        }
    }

    static func syncToken(_ incremental: IncrementalRule) -> JSONPointer? {
        if case .syncToken(let pointer, _) = incremental { pointer } else { nil }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Yams

/// Reads the streams of a manifest.
struct StreamLoader {
    let root: MappingReader

    static let keys =
        RequestLoader.keys + [
            "initial_query", "records", "records_optional", "layout", "delimiter", "keys_as_field", "id",
            "version",
            "tombstone", "member_of", "page",
            "hydrate", "fetch", "incremental", "backfill", "deleted_list", "parent", "skip_id", "absence",
            "window_absence",
            "max_pages",
            "parameters", "fields",
        ]

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
            guard let reader = MappingReader(value, path: path, keys: Self.keys, problems: root.problems)
            else {
                continue
            }
            if let stream = stream(name, reader, known: streams) { streams.append(stream) }
        }
        return streams
    }

    private func stream(_ name: String, _ reader: MappingReader, known: [StreamManifest]) -> StreamManifest? {
        let loadedParent = ParentLoader(reader: reader).load(known: known)
        let parent = loadedParent?.binding
        let requests = RequestLoader(parent: parent)
        let isWindowed =
            reader.mapping("incremental", keys: IncrementalLoader.keys)?.text("kind")
            .map { $0 == "time_param_window" } ?? false
        let shape = requests.shape(
            reader, allowing: isWindowed ? [.config, .parent, .slice] : [.config, .parent])
        let initial = reader.templates("initial_query")
        requests.check(initial.map(\.value), "initial_query", reader, [.config, .parent])
        let page = PageRuleLoader(reader).load()
        let hydration = HydrationLoader(reader, requests).load()
        let single = HydrationLoader(reader, requests, key: "fetch").load()
        if single != nil, hydration != nil {
            reader.complain("fetch", "stands beside 'hydrate', which says already how an object is fetched")
        }
        let incremental = IncrementalLoader(stream: reader, requests: requests, hydration: hydration).load()
        let plan = plan(reader, page, incremental)
        let absence = reader.has("absence") ? reader.word("absence", AbsencePolicyWord.self)?.policy : .never
        let maxPages = reader.integer("max_pages", in: 1...10_000_000) ?? Self.defaultMaxPages
        let deleted = DeletedListLoader(reader, requests).load(idOf: plan, incremental.rule)
        let changes = ChangeListLoader(reader, requests).load(plan, incremental.rule)
        guard let shape, let plan, let absence else { return nil }
        var stream = StreamManifest(
            name: name, list: PagedList(request: shape, plan: plan, page: page),
            initialQuery: initial.map { IncrementalRule.QueryItem(name: $0.name, value: $0.value) },
            hydration: hydration, single: single,
            incremental: incremental.rule, resyncStatuses: incremental.resyncStatuses, deletedList: deleted,
            range: range(reader), parent: parent, parentGone: loadedParent?.gone ?? [],
            skippedID: skippedID(reader, requests), absence: absence, maxPages: maxPages,
            fields: FieldLoader(reader).load())
        stream.changes = changes
        stream.memberOf = memberOf(reader, plan)
        stream.windowAbsence = WindowAbsenceLoader(reader).load(for: stream)
        StreamLints(reader: reader, stream: stream).check()
        return stream
    }

    /// The id of a record that is no record of the stream: a thread's list begins with what it answers.
    private func skippedID(_ reader: MappingReader, _ requests: RequestLoader) -> Template? {
        guard reader.has("skip_id"), let template = reader.template("skip_id") else { return nil }
        requests.check([template], "skip_id", reader, [.parent])
        return template
    }

    private func plan(
        _ reader: MappingReader, _ page: PageRule, _ incremental: IncrementalLoader.Result
    ) -> ScanPlan? {
        let layout = layout(reader)
        let isBare = layout?.isBare ?? false
        let records =
            isBare ? reader.pointer(text: "", "records") : reader.pointer("records", required: true)
        if isBare, reader.has("records") {
            reader.complain(
                "records", "means nothing for layout \(Self.word(layout)), where each line is a record")
        }
        let id = reader.pointers("id")
        let version = Self.scalarRule(reader, "version")
        guard let records, let id, let layout else { return nil }
        var plan = ScanPlan(
            records: records, id: id, version: version, cursor: incremental.cursor,
            tombstones: Self.tombstones(reader, "tombstone"))
        plan.layout = layout
        plan.mayLackRecords = reader.bool("records_optional") ?? false
        plan.envelope = page.envelope
        if case .syncToken(let source, _, _) = incremental.rule, let pointer = source.pointer {
            plan.envelope.append(pointer)
        }
        if isBare, let place = plan.envelope.first {
            reader.complain(
                "layout",
                "\(Self.word(layout)) has nothing beside its records, so that there is no \(place.text)"
            )
        }
        if case .csv = layout { checkColumns(plan, reader) }
        return plan
    }

    /// Where a record names another one of its list that it does not outlive.
    private func memberOf(_ reader: MappingReader, _ plan: ScanPlan) -> JSONPointer? {
        guard reader.has("member_of"), let pointer = reader.pointer("member_of") else { return nil }
        if pointer.tokens.isEmpty {
            reader.complain("member_of", "has to lead to a value of the record, such as /series_id")
        }
        if plan.id.count != 1 {
            reader.complain("member_of", "needs an id that is one pointer: the value is another record's id")
        }
        if plan.tombstones.isEmpty {
            reader.complain(
                "member_of", "means nothing without 'tombstone', which says that the other record was deleted"
            )
        }
        return pointer
    }

    private func range(_ reader: MappingReader) -> IncrementalRule.RangeParameters? {
        let keys = ["since_parameter", "until_parameter", "in", "format", "timezone"]
        guard let rule = reader.mapping("backfill", keys: keys) else { return nil }
        let until = rule.has("until_parameter") ? rule.parameter("until_parameter") : nil
        guard let since = rule.parameter("since_parameter", required: true),
            let format = rule.format("format", required: true)
        else { return nil }
        return IncrementalRule.RangeParameters(since: since, until: until, format: format)
    }

    private enum LayoutWord: String, CaseIterable {
        case array
        case single
        case ndjson
        case csv
    }

    private static func word(_ layout: ScanPlan.Layout?) -> String {
        if case .csv = layout { "'csv'" } else { "'ndjson'" }
    }

    /// A row has texts by the names of columns, and nothing within them.
    private func checkColumns(_ plan: ScanPlan, _ reader: MappingReader) {
        let pointers =
            plan.id + plan.tombstones.flatMap { [$0.pointer] + [$0.unless].compactMap(\.self) }
            + [plan.version?.pointer, plan.cursor?.pointer].compactMap(\.self)
        for pointer in pointers where pointer.tokens.count != 1 {
            reader.complain("layout", "'csv' has columns alone: \(pointer.text) has to be /NAME")
        }
        for rule in plan.tombstones {
            if case .string = rule.equals { continue }
            reader.complain("tombstone", "has to be equal to quoted text, as all values of 'csv' are")
        }
    }

    /// What stands between two fields: one character that is part of no name.
    private func delimiter(_ reader: MappingReader) -> UInt8 {
        guard let text = reader.text("delimiter") else { return UInt8(ascii: ",") }
        guard let byte = [",", ";", "|", "\t"].first(where: { $0 == text })?.utf8.first else {
            reader.complain("delimiter", "'\(text)' is not allowed; one of , ; | or \"\\t\"")
            return UInt8(ascii: ",")
        }
        return byte
    }

    private func layout(_ reader: MappingReader) -> ScanPlan.Layout? {
        let word = reader.has("layout") ? reader.word("layout", LayoutWord.self) : .array
        if word != .csv, reader.has("delimiter") {
            reader.complain("delimiter", "means nothing without layout 'csv'")
        }
        if let member = reader.text("keys_as_field") {
            if reader.has("layout") {
                reader.complain("layout", "means nothing beside keys_as_field, whose records are an object")
            }
            if !ManifestLoader.isMember(member) {
                reader.complain("keys_as_field", "'\(member)' is not allowed; letters, digits and '_'")
            }
            return .keyed(member: member)
        }
        switch word {
        case .array: return .array
        case .single: return .single
        case .ndjson: return .lines
        case .csv: return .csv(delimiter: delimiter(reader))
        case nil: return nil
        }
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

    static func scalarRule(_ reader: MappingReader, _ key: String) -> ScalarRule? {
        guard let rule = reader.mapping(key, keys: ["pointer", "format", "timezone"]) else { return nil }
        guard let pointer = rule.pointer("pointer", required: true),
            let format = rule.format("format", required: true)
        else { return nil }
        return ScalarRule(pointer: pointer, kind: format)
    }

    /// One rule or a list of them.
    static func tombstones(_ reader: MappingReader, _ key: String) -> [TombstoneRule] {
        guard let node = reader.node(key) else { return [] }
        var nodes = [node]
        if case .sequence(let list) = node { nodes = Array(list) }
        return nodes.flatMap { node -> [TombstoneRule] in
            guard
                let rule = MappingReader(
                    node, path: reader.keyPath(key), keys: ["pointer", "equals", "unless"],
                    problems: reader.problems),
                let pointer = rule.pointer("pointer", required: true)
            else { return [] }
            let values = ManifestLoader.scalars(rule, "equals")
            if values.isEmpty {
                rule.complain("equals", "is missing; the value, or the values, of a deleted record")
            }
            let unless = rule.pointer("unless")
            if unless == pointer {
                rule.complain("unless", "is the rule's own pointer: no record would be deleted")
            }
            return values.map { TombstoneRule(pointer: pointer, equals: $0, unless: unless) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner
import Yams

/// Reads what is special about `kind: change_feed`.
struct ChangeFeedLoader {
    let rule: MappingReader
    let requests: RequestLoader
    let hydration: Hydration?

    static let keys =
        RequestLoader.keys.filter { !["query", "body"].contains($0) } + [
            "records", "records_optional", "entry_id", "page", "ids", "deleted_ids", "deleted", "cursor",
            "take", "pin", "horizon", "hydrate", "parameters",
        ]

    func load(_ request: IncrementalRule.ChangeRequest, _ refusals: Set<Int>) -> ChangeFeed? {
        let shape = requests.shape(rule, allowing: [.config, .parent, .cursor])
        let page = PageRuleLoader(rule).load()
        let records = rule.pointer("records", required: true)
        let entry = rule.pointer("entry_id", required: true)
        let ids = paths("ids")
        let deletedIDs = paths("deleted_ids")
        if ids.isEmpty, deletedIDs.isEmpty {
            rule.complain("ids", "is missing; where an entry has the ids of objects, such as /object/id")
        }
        let horizon = rule.duration("horizon", in: .seconds(60)...(.seconds(3_660 * 86_400)))
        if !rule.has("horizon"), refusals.isEmpty {
            rule.complain(
                "horizon",
                "is missing; a feed that forgets has to say so: 'horizon' how long it remembers, or 'resync_on' the "
                    + "statuses that refuse an old cursor")
        }
        let own = rule.has("hydrate") ? HydrationLoader(rule, requests).load() : hydration
        if own == nil, !rule.has("hydrate") {
            rule.complain("hydrate", "is missing; how an object that the feed names is fetched")
        }
        let pin = pin()
        let (mark, cursor) = mark(request.format)
        if case .token? = mark, pin == nil, !rule.has("pin") {
            rule.complain(
                "pin", "is missing; a request whose answer has the token that a full sync starts from")
        }
        guard let shape, let records, let entry, let mark, let own else { return nil }
        var plan = ScanPlan(
            records: records, id: [entry], cursor: cursor,
            tombstones: StreamLoader.tombstones(rule, "deleted"))
        plan.mayLackRecords = rule.bool("records_optional") ?? false
        plan.envelope = page.envelope
        if case .token(let source, _) = mark, let pointer = source.pointer { plan.envelope.append(pointer) }
        return ChangeFeed(
            list: PagedList(request: shape, plan: plan, page: page), ids: ids, deletedIDs: deletedIDs,
            request: request, mark: mark, pin: pin, horizon: horizon, hydration: own)
    }

    private func paths(_ key: String) -> [FeedPath] {
        guard let node = rule.node(key) else { return [] }
        var nodes = [node]
        if case .sequence(let list) = node { nodes = Array(list) }
        return nodes.compactMap { node in
            guard let path = node.scalar.flatMap({ FeedPath($0.string) }) else {
                rule.complain(
                    key, "has to be a JSON pointer, with '*' for the elements of an array: /added/*/id")
                return nil
            }
            return path
        }
    }

    private func mark(_ format: ScalarRule.Kind) -> (ChangeFeed.Mark?, ScalarRule?) {
        guard let text = rule.text("cursor", required: true) else { return (nil, nil) }
        if rule.has("take"), rule.has("format") {
            rule.complain("take", "means nothing for a cursor that is no token of the page")
        }
        if text == "response_date" {
            if !rule.has("format") { rule.complain("format", "is missing; response_date needs it") }
            return (.responseDate, nil)
        }
        guard rule.has("format") else {
            return (rule.source("cursor").map { .token($0, rule.tokenPage) }, nil)
        }
        return (.entries, rule.pointer("cursor").map { ScalarRule(pointer: $0, kind: format) })
    }

    private func pin() -> ChangeFeed.Pin? {
        guard let pin = rule.mapping("pin", keys: RequestLoader.keys + ["value"]) else { return nil }
        guard let shape = requests.shape(pin, allowing: [.config, .parent]),
            let value = pin.pointer("value", required: true)
        else { return nil }
        return ChangeFeed.Pin(request: shape, value: value)
    }
}

/// Reads `hydrate`, and `fetch`, which is the same for single objects.
struct HydrationLoader {
    private let owner: MappingReader
    private let requests: RequestLoader
    private let key: String

    static let keys = RequestLoader.keys + ["record", "gone"]
    static let singleKeys = keys + ["records", "complete"]

    init(_ owner: MappingReader, _ requests: RequestLoader, key: String = "hydrate") {
        self.owner = owner
        self.requests = requests
        self.key = key
    }

    func load() -> Hydration? {
        let isSingle = key == "fetch"
        guard let reader = owner.mapping(key, keys: isSingle ? Self.singleKeys : Self.keys) else {
            return nil
        }
        let shape = requests.shape(reader, allowing: [.config, .parent, .id])
        if let shape, !shape.templates.flatMap(\.places).contains(where: { $0.namespace == .id }) {
            reader.complain("path", "has no ${id}, so that each object would be the same one")
        }
        let gone = reader.statuses("gone", required: !isSingle)
        let place = place(reader)
        guard let shape, let place else { return nil }
        return Hydration(request: shape, place: place, gone: gone)
    }

    private func place(_ reader: MappingReader) -> Hydration.Place? {
        guard reader.has("records") else {
            if reader.has("complete") {
                reader.complain("complete", "means nothing without 'records', a list")
            }
            let record = reader.has("record") ? reader.pointer("record") : reader.pointer(text: "", "record")
            return record.map { .member($0) }
        }
        if reader.has("record") { reader.complain("record", "stands beside 'records'; one of the two") }
        guard let complete = reader.mapping("complete", keys: ["pointer", "equals"]) else {
            reader.complain(
                "complete",
                "is missing; the value by which the list says that it has no more, such as "
                    + "{ pointer: /has_more, equals: false }: only then is an object that it lacks deleted")
            return nil
        }
        let values = ManifestLoader.scalars(complete, "equals")
        guard let records = reader.pointer("records"),
            let pointer = complete.pointer("pointer", required: true)
        else { return nil }
        guard values.count == 1, let value = values.first else {
            complete.complain("equals", "has to be one value")
            return nil
        }
        return .list(records, complete: TombstoneRule(pointer: pointer, equals: value))
    }
}

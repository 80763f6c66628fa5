// SPDX-License-Identifier: Apache-2.0

import Model
import Yams

/// A limit of a manifest: the rule, and which streams' requests take how much from it.
struct ManifestLimit: Sendable {
    let rule: LimitRule
    /// The streams, parts of streams and actions whose requests it concerns; nil for all.
    let concerned: Set<String>?
    /// What a request of a stream, or of a part of it, costs; 1 for one that is not named.
    let costs: [String: Int]
    /// Where responses say what their requests really took; nil when `costs` are what counts.
    var actual: LimitFeedback.CostSource?

    /// The requests of a stream that may have costs of their own, as in `messages.hydrate`.
    static let parts = ["list", "feed", "changes", "deleted", "hydrate", "watch"]

    func use(by stream: String, part: String = "list") -> LimitUse? {
        if let concerned, !concerned.contains(stream), !concerned.contains("\(stream).\(part)") { return nil }
        return LimitUse(rule, cost: costs["\(stream).\(part)"] ?? costs[stream] ?? 1)
    }

    func use(byAction action: String) -> LimitUse? {
        guard concerned?.contains(action) ?? true else { return nil }
        return LimitUse(rule, cost: costs[action] ?? 1)
    }
}

/// Reads `limits` and `limit_feedback` of a manifest.
struct LimitLoader {
    let root: MappingReader
    /// The names of the manifest's streams.
    let streams: [String]
    /// The names of its actions, which are not those of streams.
    var actions: [String] = []

    static let keys = [
        "per", "each_endpoint", "rate", "burst", "concurrency", "streams", "actions", "costs", "cost_from",
    ]
    /// More limits would make each request's script long.
    private static let maximumLimits = 16

    func limits() -> [ManifestLimit] {
        guard let node = root.node("limits") else { return [] }
        guard case .mapping(let mapping) = node else {
            root.complain("limits", "has to be a mapping of limit names to limits")
            return []
        }
        if mapping.count > Self.maximumLimits {
            root.complain("limits", "has \(mapping.count) limits; at most \(Self.maximumLimits) are allowed")
        }
        return mapping.compactMap { nameNode, value in
            let name = nameNode.string ?? ""
            let path = "limits.\(name)"
            if !ManifestLoader.isName(name, extra: "_") {
                root.problems.add(nameNode, path, "'\(name)' is not allowed; small letters, digits and '_'")
            }
            guard let reader = MappingReader(value, path: path, keys: Self.keys, problems: root.problems)
            else { return nil }
            return limit(name, reader)
        }
    }

    private func limit(_ name: String, _ reader: MappingReader) -> ManifestLimit? {
        let scope = reader.word("per", LimitRule.Scope.self, required: true)
        let quantity = quantity(reader)
        let concerned = names(reader)
        let costs = costs(reader, quantity, concerned)
        let actual = actualCost(name, reader)
        guard let scope, let quantity else { return nil }
        return ManifestLimit(
            rule: LimitRule(
                name: name, scope: scope, isPerEndpoint: reader.bool("each_endpoint") ?? false,
                quantity: quantity),
            concerned: concerned, costs: costs, actual: actual)
    }

    /// The streams and their parts.
    private var streamNames: [String] {
        streams.flatMap { stream in [stream] + ManifestLimit.parts.map { "\(stream).\($0)" } }
    }

    private func quantity(_ reader: MappingReader) -> LimitQuantity? {
        guard reader.has("rate") != reader.has("concurrency") else {
            reader.complain("rate", "is missing; a limit has either a rate or a concurrency")
            return nil
        }
        if reader.has("concurrency") {
            for key in ["burst", "costs", "cost_from"] where reader.has(key) {
                reader.complain(key, "means nothing for a concurrency; it counts requests")
            }
            return reader.integer("concurrency", in: 1...100_000).map { .concurrency($0) }
        }
        let burst = reader.integer("burst", in: 1...LimitQuantity.maximum)
        guard let text = reader.text("rate") else { return nil }
        guard let quantity = LimitQuantity.rate(text: text, burst: burst) else {
            reader.complain("rate", "'\(text)' is not allowed; \(LimitQuantity.rateForm)")
            return nil
        }
        return quantity
    }

    /// What the limit concerns: everything, unless it names streams or actions.
    private func names(_ reader: MappingReader) -> Set<String>? {
        guard reader.has("streams") || reader.has("actions") else { return nil }
        return names(reader, "streams", "stream", streamNames).union(
            names(reader, "actions", "action", actions))
    }

    private func names(
        _ reader: MappingReader, _ key: String, _ kind: String, _ known: [String]
    ) -> Set<String> {
        guard let node = reader.node(key) else { return [] }
        guard case .sequence(let list) = node, !list.isEmpty else {
            reader.complain(key, "has to be a list of \(kind) names")
            return []
        }
        let names = list.compactMap(\.string)
        for name in names where !known.contains(name) {
            reader.complain(key, "'\(name)' is not \(kind == "action" ? "an" : "a") \(kind) of this manifest")
        }
        return Set(names)
    }

    private func costs(
        _ reader: MappingReader, _ quantity: LimitQuantity?, _ concerned: Set<String>?
    ) -> [String: Int] {
        let names = streamNames + actions
        guard case .rate(_, _, let burst)? = quantity, reader.has("costs"),
            let costs = reader.mapping("costs", keys: names)
        else { return [:] }
        var result: [String: Int] = [:]
        for name in names where costs.has(name) {
            let stream = name.prefix { $0 != "." }
            if let concerned, !concerned.contains(String(stream)), !concerned.contains(name) {
                costs.complain(name, "the limit does not concern this; see streams and actions")
            }
            // A request that costs more than the burst could never start.
            result[name] = costs.integer(name, in: 1...burst)
        }
        return result
    }

    /// Where a response says what its request took.
    private func actualCost(_ name: String, _ reader: MappingReader) -> LimitFeedback.CostSource? {
        guard reader.has("cost_from"), reader.has("rate") else { return nil }
        if !reader.has("costs") {
            reader.complain("cost_from", "needs costs: what is charged before the response is there")
        }
        guard
            let from = reader.mapping("cost_from", keys: ["actual", "available", "restore_rate"])
        else { return nil }
        if from.has("restore_rate"), !from.has("available") {
            from.complain("restore_rate", "means nothing without available")
        }
        let actual = from.source("actual", required: true)
        let available = from.source("available")
        let restoreRate = from.source("restore_rate")
        return actual.map {
            LimitFeedback.CostSource(limit: name, actual: $0, available: available, restoreRate: restoreRate)
        }
    }
}

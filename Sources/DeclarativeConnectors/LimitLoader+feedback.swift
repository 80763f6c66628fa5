// SPDX-License-Identifier: Apache-2.0

import Model
import Yams

/// Reads `limit_feedback`.
extension LimitLoader {
    static let feedbackKeys = ["quotas", "buckets", "reason"]
    static let quotaKeys = ["remaining", "reset", "reset_format", "window", "limit"]
    static let bucketKeys = ["used", "limit"]

    func feedback(_ limits: [ManifestLimit]) -> LimitFeedback {
        var feedback = declaredFeedback(limits)
        feedback.costs = limits.compactMap(\.actual)
        return feedback
    }

    private func declaredFeedback(_ limits: [ManifestLimit]) -> LimitFeedback {
        guard let node = root.node("limit_feedback") else { return LimitFeedback() }
        guard
            let reader = MappingReader(
                node, path: "limit_feedback", keys: Self.feedbackKeys, problems: root.problems)
        else { return LimitFeedback() }
        let names = limits.map(\.rule.name)
        var feedback = LimitFeedback(headers: quotas(reader, names), reason: reason(reader, names))
        feedback.buckets = buckets(reader, limits)
        return feedback
    }

    private func quotas(_ reader: MappingReader, _ names: [String]) -> [LimitFeedback.Headers] {
        guard let node = reader.node("quotas") else { return [] }
        guard case .sequence(let list) = node else {
            reader.complain("quotas", "has to be a list")
            return []
        }
        return list.enumerated().compactMap { index, node in
            guard
                let quota = MappingReader(
                    node, path: "limit_feedback.quotas[\(index)]",
                    keys: Self.quotaKeys, problems: root.problems)
            else { return nil }
            let remaining = quota.text("remaining", required: true)
            let refill = refill(quota)
            let limit = limitName(quota, "limit", names)
            guard let remaining, let refill else { return nil }
            return LimitFeedback.Headers(remaining: remaining, refill: refill, limit: limit)
        }
    }

    /// A header that says when, or the longest that it may take.
    private func refill(_ quota: MappingReader) -> LimitFeedback.Headers.Refill? {
        guard quota.has("window") else {
            let reset = quota.text("reset", required: true)
            let format = quota.word("reset_format", LimitFeedback.ResetFormat.self, required: true)
            guard let reset, let format else { return nil }
            return .header(reset, format)
        }
        for key in ["reset", "reset_format"] where quota.has(key) {
            quota.complain(key, "is not allowed beside window, which is for headers without a reset")
        }
        return quota.duration("window", in: .seconds(1) ... .seconds(86_400)).map { .window($0) }
    }

    private func buckets(_ reader: MappingReader, _ limits: [ManifestLimit]) -> [LimitFeedback.Bucket] {
        guard let node = reader.node("buckets") else { return [] }
        guard case .sequence(let list) = node else {
            reader.complain("buckets", "has to be a list")
            return []
        }
        return list.enumerated().compactMap { index, node in
            guard
                let bucket = MappingReader(
                    node, path: "limit_feedback.buckets[\(index)]", keys: Self.bucketKeys,
                    problems: root.problems)
            else { return nil }
            let header = bucket.text("used", required: true)
            guard let name = bucket.text("limit", required: true) else { return nil }
            guard let limit = limits.first(where: { $0.rule.name == name }),
                case .rate = limit.rule.quantity
            else {
                bucket.complain("limit", "'\(name)' is not a rate of this manifest")
                return nil
            }
            return header.map { LimitFeedback.Bucket(header: $0, limit: name) }
        }
    }

    private func reason(_ reader: MappingReader, _ names: [String]) -> LimitFeedback.Reason? {
        guard let reason = reader.mapping("reason", keys: ["header", "limits"]) else { return nil }
        guard let header = reason.text("header", required: true), let node = reason.node("limits"),
            case .mapping(let mapping) = node
        else {
            reason.complain("limits", "is missing; a mapping of the header's values to limit names")
            return nil
        }
        var limits: [String: String] = [:]
        for (value, name) in mapping {
            guard let value = value.string, let name = name.string, names.contains(name) else {
                reason.complain("limits", "each value has to name a limit of this manifest")
                continue
            }
            limits[value] = name
        }
        return LimitFeedback.Reason(header: header, limits: limits)
    }

    private func limitName(_ reader: MappingReader, _ key: String, _ names: [String]) -> String? {
        guard let name = reader.text(key) else { return nil }
        if !names.contains(name) { reader.complain(key, "'\(name)' is not a limit of this manifest") }
        return name
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner

/// Reads the `incremental` of a stream.
struct IncrementalLoader {
    /// What a stream reads by, and what has to be looked for in its pages for that.
    struct Result {
        var rule = IncrementalRule.none
        /// The cursor of the list's records.
        var cursor: ScalarRule?
        var resyncStatuses: Set<Int> = []
    }

    let stream: MappingReader
    let requests: RequestLoader
    /// How an object is fetched, where the stream's list says it.
    let hydration: Hydration?

    private enum Kind: String, CaseIterable {
        case timeParameter = "time_param"
        case window = "time_param_window"
        case sequenceID = "sequence_id"
        case syncToken = "sync_token"
        case sortedDescending = "sorted_desc_until"
        case etag
        case changeFeed = "change_feed"
        case none

        /// The keys with a meaning for this kind.
        var keys: [String] {
            let change = [
                "parameter", "in", "query", "body", "lag", "compare", "granularity", "eventually_consistent",
                "resync_on", "send_format",
            ]
            let time = ["format", "timezone"]
            switch self {
            case .none: return []
            case .etag: return []
            case .syncToken: return ["token", "parameter", "in", "take", "forbid_with", "resync_on"]
            case .sortedDescending:
                return ["cursor", "since_parameter", "until_parameter", "lag", "eventually_consistent"] + time
            case .timeParameter:
                return change + time + ["cursor", "until_parameter", "order", "sort"] + ChangeListLoader.keys
            case .sequenceID:
                return [
                    "parameter", "in", "query", "body", "compare", "cursor", "order", "sort", "resync_on",
                ] + ChangeListLoader.keys
            case .window: return change + time + ["until_parameter", "step", "start"]
            case .changeFeed: return change + time + ChangeFeedLoader.keys
            }
        }
    }

    /// What is subtracted from a cursor is read again by every sync: 31 days.
    private static let longestLag = 31 * 86_400

    static let keys = Array(Set(["kind"] + Kind.allCases.flatMap(\.keys))).sorted()

    func load() -> Result {
        guard let rule = stream.mapping("incremental", keys: Self.keys),
            let kind = rule.word("kind", Kind.self, required: true)
        else { return Result() }
        rule.complainUnless(kind.keys, for: kind.rawValue)
        var result = Result()
        result.resyncStatuses = rule.statuses("resync_on")
        switch kind {
        case .none: break
        case .etag: result.rule = .etag
        case .syncToken:
            guard let source = rule.source("token", required: true),
                let parameter = rule.parameter("parameter", required: true)
            else { break }
            result.rule = .syncToken(source, parameter, rule.tokenPage)
        case .sortedDescending: sortedDescending(rule, &result)
        case .timeParameter: timeParameter(rule, &result)
        case .sequenceID:
            guard let request = change(rule, format: .integer),
                let pointer = rule.pointer("cursor", required: true)
            else { break }
            result.cursor = ScalarRule(pointer: pointer, kind: .integer)
            result.rule = .time(
                IncrementalRule.TimeCursor(
                    request: request, until: nil, source: .records, isAscending: isAscending(rule)))
        case .window: window(rule, &result)
        case .changeFeed:
            if let request = change(rule, format: format(rule) ?? .integer, needsFormat: rule.has("format")) {
                let loader = ChangeFeedLoader(rule: rule, requests: requests, hydration: hydration)
                result.rule = loader.load(request, result.resyncStatuses).map { .feed($0) } ?? .none
            }
        }
        return result
    }

    private func sortedDescending(_ rule: MappingReader, _ result: inout Result) {
        guard let format = format(rule, required: true), let pointer = rule.pointer("cursor", required: true)
        else {
            return
        }
        let range = rule.text("since_parameter").map {
            IncrementalRule.RangeParameters(
                since: .query($0), until: rule.text("until_parameter").map { .query($0) }, format: format)
        }
        result.cursor = ScalarRule(pointer: pointer, kind: format)
        let lag = lag(rule)
        if format == .integer {
            for key in ["since_parameter", "until_parameter", "lag", "eventually_consistent"]
            where rule.has(key) {
                rule.complain(key, "means nothing for format 'integer': it is about time")
            }
        } else {
            checkLag(lag, rule)
        }
        result.rule = .sortedDescending(range: range, lag: lag, format: format)
    }

    private func timeParameter(_ rule: MappingReader, _ result: inout Result) {
        guard let format = format(rule, required: true), let request = change(rule, format: format) else {
            return
        }
        var source = IncrementalRule.Source.records
        if rule.text("cursor", required: true) == "response_date" {
            source = .responseDate
        } else if let pointer = rule.pointer("cursor") {
            result.cursor = ScalarRule(pointer: pointer, kind: format)
        }
        let isAscending = isAscending(rule)
        if isAscending, source == .responseDate {
            rule.complain("order", "means nothing for the cursor response_date; the records have no cursor")
        }
        result.rule = .time(
            IncrementalRule.TimeCursor(
                request: request, until: until(rule), source: source, isAscending: isAscending))
    }

    private func window(_ rule: MappingReader, _ result: inout Result) {
        guard let format = format(rule, required: true), let request = change(rule, format: format) else {
            return
        }
        let step = rule.duration("step", in: .seconds(1)...(.seconds(3_660 * 86_400)))
        if !rule.has("step") {
            rule.complain("step", "is missing; how long a stretch of time is, such as 7d")
        }
        guard let text = rule.text("start", required: true), let step else { return }
        guard let start = Timestamp(rfc3339: text) else {
            rule.complain(
                "start",
                "'\(text)' is not allowed; where the first full sync begins, such as 2020-01-01T00:00:00Z")
            return
        }
        if let granularity = request.granularity, step < granularity {
            rule.complain(
                "step", "is shorter than granularity: a stretch of time would have no value of its own")
        }
        result.rule = .window(
            IncrementalRule.TimeWindow(request: request, until: until(rule), step: step, start: start))
    }

    private func until(_ rule: MappingReader) -> RequestParameter? {
        rule.has("until_parameter") ? rule.parameter("until_parameter") : nil
    }

    // MARK: - Parts of several kinds

    private enum Compare: String, CaseIterable {
        case inclusive
        case exclusive
    }

    private func lag(_ rule: MappingReader) -> Duration {
        rule.duration("lag", in: .zero...(.seconds(Self.longestLag))) ?? .zero
    }

    private func change(
        _ rule: MappingReader, format: ScalarRule.Kind, needsFormat: Bool = true
    ) -> IncrementalRule.ChangeRequest? {
        var request = IncrementalRule.ChangeRequest(format: format)
        request.parameter = rule.has("parameter") ? rule.parameter("parameter") : nil
        // A list of the changes alone has them as its own, with the cursor in them.
        if !rule.has("path") {
            request.query = rule.templates("query").map {
                IncrementalRule.QueryItem(name: $0.name, value: $0.value)
            }
            request.body = rule.json("body")
        }
        request.lag = lag(rule)
        request.sentFormat = rule.format("send_format")
        guard needsFormat else { return request }
        let granularity =
            format == .integer
            ? .seconds(1) : rule.duration("granularity", in: .milliseconds(1)...(.seconds(86_400)))
        request.granularity = [granularity, format.resolution].compactMap(\.self).max()
        guard rule.has("compare") else {
            rule.complain(
                "compare",
                "is missing; 'inclusive' where the provider also gives what equals the cursor, 'exclusive' where it "
                    + "does not")
            return nil
        }
        guard let compare = rule.word("compare", Compare.self) else { return nil }
        if compare == .exclusive {
            if granularity == nil {
                rule.complain(
                    "granularity",
                    "is missing; compare 'exclusive' would lose records with the cursor's own value. The smallest "
                        + "step of the values, such as 1s: it is subtracted")
            }
            request.stepBelow = granularity
        }
        checkLag(request.lag, rule)
        return request
    }

    private func checkLag(_ lag: Duration, _ rule: MappingReader) {
        guard rule.bool("eventually_consistent") == true, lag == .zero else { return }
        rule.complain(
            "lag", "is missing; a list that shows changes late needs one, such as 5m, or it loses some")
    }

    private enum Order: String, CaseIterable {
        case ascending
        case unknown
    }

    /// Whether the list comes oldest first: only where a parameter asks for that, or the provider documents it.
    private func isAscending(_ rule: MappingReader) -> Bool {
        if rule.has("path") {
            if rule.has("order") {
                rule.complain(
                    "order",
                    "means nothing beside 'path': the list of all objects has another order, and the cursor moves at the "
                        + "end")
            }
            return false
        }
        guard rule.has("order"), rule.word("order", Order.self) == .ascending else {
            if rule.has("sort") { rule.complain("sort", "means nothing without 'order: ascending'") }
            return false
        }
        guard let sort = rule.text("sort") else {
            rule.complain(
                "sort",
                "is missing; 'order: ascending' needs the name of the parameter that asks for it, or 'documented' where "
                    + "the list always comes so")
            return true
        }
        if sort != "documented", !requests.hasParameter(sort, stream), !requests.hasParameter(sort, rule) {
            rule.complain("sort", "'\(sort)' is not a parameter of query or a member of body")
        }
        return true
    }

    private func format(_ rule: MappingReader, required: Bool = false) -> ScalarRule.Kind? {
        rule.format("format", required: required)
    }
}

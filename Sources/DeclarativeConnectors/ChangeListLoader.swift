// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// Reads the list of changes of a stream whose changes are listed elsewhere than its objects: by a search, mostly.
///
/// Its records are those of the stream. `query` and `body` of `incremental` are then the list's own.
struct ChangeListLoader {
    private let stream: MappingReader
    private let requests: RequestLoader

    /// What means nothing without `path`.
    private static let further = ["method", "records", "records_optional", "page", "parameters"]

    static let keys = further + ["path"]

    init(_ stream: MappingReader, _ requests: RequestLoader) {
        self.stream = stream
        self.requests = requests
    }

    /// `plan` is the stream's own.
    func load(_ plan: ScanPlan?, _ incremental: IncrementalRule) -> PagedList? {
        guard case .time = incremental, let rule = stream.mapping("incremental", keys: IncrementalLoader.keys)
        else { return nil }
        guard rule.has("path") else {
            for key in Self.further where rule.has(key) {
                rule.complain(key, "means nothing without 'path', a list of the changes alone")
            }
            return nil
        }
        let shape = requests.shape(rule, allowing: [.config, .parent, .cursor])
        let page = PageRuleLoader(rule).load()
        let records = rule.pointer("records", required: true)
        checkOrder(rule, page)
        guard let shape, let records, var changes = plan else { return nil }
        if changes.layout.isBare {
            rule.complain("path", "is not allowed for a layout whose records have nothing beside them")
        }
        changes.records = records
        changes.mayLackRecords = rule.bool("records_optional") ?? false
        changes.envelope = page.envelope
        return PagedList(request: shape, plan: changes, page: page)
    }

    /// What changes moves within such a list while it is read.
    private func checkOrder(_ rule: MappingReader, _ page: PageRule) {
        if page.isCounted {
            rule.complain(
                "page",
                "is counted: what is edited while the list is read moves, and another record shifts past the reader; "
                    + "'last_id' in the order of ids, or a token that is no number of records")
        }
        guard case .lastID = page.kind else {
            if rule.has("sort") {
                rule.complain("sort", "means nothing for a list that does not go on by 'last_id'")
            }
            return
        }
        guard let sort = rule.text("sort") else {
            rule.complain(
                "sort",
                "is missing; 'last_id' loses records in any order but that of ids: the parameter or member of body "
                    + "that asks for it, or 'documented' where the list always comes so")
            return
        }
        if sort != "documented", !requests.hasParameter(sort, rule) {
            rule.complain("sort", "'\(sort)' is not a parameter of query or a member of body")
        }
    }
}

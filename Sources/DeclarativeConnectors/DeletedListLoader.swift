// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// Reads `deleted_list`: where a provider lists what was deleted or archived.
struct DeletedListLoader {
    private let stream: MappingReader
    private let requests: RequestLoader

    init(_ stream: MappingReader, _ requests: RequestLoader) {
        self.stream = stream
        self.requests = requests
    }

    static let keys =
        RequestLoader.keys + [
            "records", "records_optional", "id", "tombstone", "page", "parameter", "in", "lag",
            "until_parameter", "format", "timezone", "horizon", "covered", "parameters",
        ]

    /// Ids of the deleted are where those of the stream are, unless the list says otherwise.
    func load(idOf plan: ScanPlan?, _ incremental: IncrementalRule) -> DeletedList? {
        guard let reader = stream.mapping("deleted_list", keys: Self.keys) else { return nil }
        let shape = requests.shape(reader, allowing: [.config, .parent])
        let page = PageRuleLoader(reader).load()
        let records = reader.pointer("records", required: true)
        let id = reader.has("id") ? reader.pointers("id") : plan?.id
        let since = reader.has("parameter") ? reader.parameter("parameter") : nil
        let format = reader.format("format", required: since != nil)
        let horizon = reader.duration("horizon", in: .seconds(60)...(.seconds(3_660 * 86_400)))
        if since != nil, !incremental.hasTime {
            reader.complain(
                "parameter", "needs a cursor that is a time; 'incremental' of this stream has none")
        }
        if since != nil, !reader.has("horizon") {
            reader.complain(
                "horizon", "is missing; how long the provider remembers what was deleted, such as 15d")
        }
        if since == nil {
            for key in ["until_parameter", "horizon", "format", "lag", "covered"] where reader.has(key) {
                reader.complain(key, "means nothing without 'parameter': the list is read whole")
            }
        }
        guard let shape, let records, let id else { return nil }
        var list = ScanPlan(records: records, id: id)
        list.tombstones = StreamLoader.tombstones(reader, "tombstone")
        list.holdsTombstones = list.tombstones.isEmpty
        list.mayLackRecords = reader.bool("records_optional") ?? false
        list.envelope = page.envelope
        return DeletedList(
            list: PagedList(request: shape, plan: list, page: page), since: since,
            until: reader.has("until_parameter") ? reader.parameter("until_parameter") : nil,
            format: format ?? .rfc3339, lag: reader.duration("lag", in: .zero...(.seconds(86_400))) ?? .zero,
            horizon: horizon, covered: StreamLoader.scalarRule(reader, "covered"))
    }
}

extension IncrementalRule {
    /// Whether the cursor is an instant.
    var hasTime: Bool {
        switch self {
        case .time(let rule): rule.request.format != .integer
        case .window: true
        case .sortedDescending(_, _, let format): format != .integer
        case .feed(let rule):
            switch rule.mark {
            case .entries, .responseDate: rule.request.format != .integer
            case .token: false
            }
        case .none, .syncToken, .etag: false
        }
    }
}

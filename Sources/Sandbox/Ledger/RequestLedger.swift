// SPDX-License-Identifier: Apache-2.0

import Model

/// Every request that the sandbox answered: the newest ones, and how many are forgotten.
struct RequestLedger: Sendable {
    struct Entry: Sendable {
        let number: Int
        let at: RequestTime
        let service: SandboxService?
        /// The provider's own name of what was asked for, such as `events.list`.
        let endpoint: String?
        let method: String
        let path: String
        let query: String
        let user: Int?
        let stream: SandboxStream?
        /// 0 when nothing was answered.
        let status: Int
        /// Bytes of the body that were sent.
        let bytes: Int
        /// The newest change of the objects when it was answered.
        let sequence: Int
        let fault: String?
        let write: WriteNote?
    }

    /// Longer paths and queries are cut: the memory of the ledger has a bound.
    private static let textLimit = 1_000

    private let capacity: Int
    private var entries: [Entry] = []
    private var first = 0
    private(set) var total = 0

    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    var dropped: Int { total - entries.count }

    mutating func add(_ make: (Int) -> Entry) {
        total += 1
        let entry = make(total)
        if entries.count < capacity {
            entries.append(entry)
        } else {
            entries[first] = entry
            first = (first + 1) % capacity
        }
    }

    /// Entries after a number that match, oldest first.
    func after(_ number: Int, limit: Int, _ filter: LedgerFilter = LedgerFilter()) -> [Entry] {
        var found: [Entry] = []
        let start = min(entries.count, max(0, number - dropped))
        for position in start..<entries.count where found.count < limit {
            let entry = entries[(first + position) % entries.count]
            if filter.matches(entry) { found.append(entry) }
        }
        return found
    }

    /// When the requests that match came, in microseconds of the monotonic clock.
    func times(_ filter: LedgerFilter) -> [Int64] {
        entries.lazy.filter(filter.matches).map(\.at.monotonic)
    }

    static func cut(_ text: String) -> String {
        text.utf8.count <= textLimit ? text : String(text.prefix(textLimit)) + "…"
    }
}

/// What a request that writes did.
struct WriteNote: Sendable, Equatable {
    /// What tells this write from others: the client's idempotency key or message id.
    var key: String?
    /// The id of what it made or changed; nil when it had no effect.
    var effect: String?
    /// The answer of an earlier request with the same key was given again.
    var isReplay = false
}

/// Which requests of the ledger are meant; what is nil matches everything.
struct LedgerFilter: Sendable {
    var service: SandboxService?
    var endpoint: String?
    var method: String?
    var user: Int?
    var status: Int?
    var key: String?

    func matches(_ entry: RequestLedger.Entry) -> Bool {
        (service == nil || entry.service == service) && (endpoint == nil || entry.endpoint == endpoint)
            && (method == nil || entry.method == method) && (user == nil || entry.user == user)
            && (status == nil || entry.status == status) && (key == nil || entry.write?.key == key)
    }
}

extension RequestLedger.Entry {
    func json(user name: String?) -> String {
        let write =
            self.write.map { write in
                """
                {"key":\(JSONText.quoted(write.key)),"effect":\(JSONText.quoted(write.effect)),\
                "replay":\(write.isReplay)}
                """
            } ?? "null"
        return """
            {"number":\(number),"at":"\(at.wall.rfc3339)","us":\(at.monotonic),\
            "service":\(JSONText.quoted(service?.rawValue)),"endpoint":\(JSONText.quoted(endpoint)),\
            "method":\(JSONText.quoted(method)),\
            "path":\(JSONText.quoted(path)),"query":\(JSONText.quoted(query)),"user":\(JSONText.quoted(name)),\
            "stream":\(JSONText.quoted(stream?.name)),"status":\(status),"bytes":\(bytes),\
            "sequence":\(sequence),"fault":\(JSONText.quoted(fault)),"write":\(write)}
            """
    }
}

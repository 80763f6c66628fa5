// SPDX-License-Identifier: Apache-2.0

import Model

/// Every request that the sandbox answered: the newest ones, and how many are forgotten.
struct RequestLedger: Sendable {
    struct Entry: Sendable {
        let number: Int
        let at: Timestamp
        let method: String
        let path: String
        let query: String
        let user: String?
        let stream: SandboxStream?
        /// 0 when nothing was answered.
        let status: Int
        /// Bytes of the body that were sent.
        let bytes: Int
        /// The newest change of the objects when it was answered.
        let sequence: Int
        let fault: String?
    }

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

    /// Entries after a number, oldest first.
    func after(_ number: Int, limit: Int) -> [Entry] {
        let skipped = max(0, number - dropped)
        guard skipped < entries.count else { return [] }
        return (skipped..<min(entries.count, skipped + max(0, limit))).map {
            entries[(first + $0) % entries.count]
        }
    }
}

extension RequestLedger.Entry {
    var json: String {
        """
        {"number":\(number),"at":"\(at.rfc3339)","method":\(JSONText.quoted(method)),\
        "path":\(JSONText.quoted(path)),"query":\(JSONText.quoted(query)),"user":\(JSONText.quoted(user)),\
        "stream":\(JSONText.quoted(stream?.rawValue)),"status":\(status),"bytes":\(bytes),\
        "sequence":\(sequence),"fault":\(JSONText.quoted(fault))}
        """
    }
}

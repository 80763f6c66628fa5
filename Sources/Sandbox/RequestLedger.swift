// SPDX-License-Identifier: Apache-2.0

import Model

/// Every request that the sandbox answered: the newest ones, and how many are forgotten.
struct RequestLedger: Sendable {
    struct Entry: Sendable {
        let number: Int64
        let at: Timestamp
        let method: String
        let path: String
        let query: String
        let user: Int?
        let status: Int
        let bytes: Int
        /// The number of the newest change of the objects when it was answered.
        let sequence: Int64
        let fault: String?
    }

    static let limit = 200_000
    private var entries: [Entry] = []
    private var first = 0
    private(set) var total: Int64 = 0

    var dropped: Int64 { total - Int64(entries.count) }

    mutating func add(_ make: (Int64) -> Entry) {
        total += 1
        let entry = make(total)
        if entries.count < Self.limit {
            entries.append(entry)
        } else {
            entries[first] = entry
            first = (first + 1) % Self.limit
        }
    }

    /// Entries after a number, oldest first.
    func after(_ number: Int64, limit: Int) -> [Entry] {
        let ordered = entries[first...] + entries[..<first]
        return Array(ordered.lazy.filter { $0.number > number }.prefix(limit))
    }
}

extension RequestLedger.Entry {
    var json: String {
        """
        {"number":\(number),"at":"\(at.rfc3339)","method":"\(method)","path":"\(JSONText.escaped(path))",\
        "query":"\(JSONText.escaped(query))","user":\(user.map { "\"u_\($0)\"" } ?? "null"),"status":\(status),\
        "bytes":\(bytes),"sequence":\(sequence),"fault":\(fault.map { "\"\($0)\"" } ?? "null")}
        """
    }
}

/// Text inside a JSON string.
enum JSONText {
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            default:
                if scalar.value < 0x20 {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A request as the sandbox's services see it.
struct SandboxRequest: Sendable {
    let method: String
    /// Without the query, percent-decoded by segment.
    let segments: [String]
    let path: String
    let queryText: String
    let query: [String: String]
    let authorization: String?

    init(method: String, uri: String, authorization: String?) {
        let halves = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.method = method
        self.authorization = authorization
        path = String(halves[0])
        queryText = halves.count == 2 ? String(halves[1]) : ""
        segments = halves[0].split(separator: "/").map { Self.decoded($0) }
        var query: [String: String] = [:]
        for pair in queryText.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[Self.decoded(parts[0])] = parts.count == 2 ? Self.decoded(parts[1]) : ""
        }
        self.query = query
    }

    /// The token of `Authorization: Bearer …`.
    var bearer: String? {
        guard let authorization, authorization.hasPrefix("Bearer ") else { return nil }
        return String(authorization.dropFirst(7))
    }

    func integer(_ name: String) -> Int? { query[name].flatMap { Int($0) } }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A response, and how it reaches the client.
struct SandboxResponse: Sendable {
    /// What happens to the bytes on their way.
    enum Delivery: Sendable, Equatable {
        case normal
        /// The connection stays open and silent.
        case hang
        /// The connection is reset instead of an answer.
        case reset
        /// The body ends before its Content-Length.
        case truncated
        case delayed(milliseconds: Int)
    }

    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    var delivery: Delivery = .normal

    init(status: Int = 200, contentType: String = "application/json", body: [UInt8]) {
        self.status = status
        headers = [("Content-Type", contentType)]
        self.body = body
    }

    init(status: Int = 200, json: String) {
        self.init(status: status, body: Array(json.utf8))
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// A request as the sandbox's services see it.
struct SandboxRequest: Sendable {
    let method: String
    let path: String
    /// The path's parts, percent-decoded.
    let segments: [String]
    let queryText: String
    let query: [String: String]
    let authorization: String?
    let body: [UInt8]

    init(method: String, uri: String, authorization: String? = nil, body: [UInt8] = []) {
        let halves = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.method = method
        self.authorization = authorization
        self.body = body
        path = String(halves.first ?? "")
        queryText = halves.count == 2 ? String(halves[1]) : ""
        segments = path.split(separator: "/").map { Self.decoded($0, plusIsSpace: false) }
        var query: [String: String] = [:]
        for pair in queryText.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[Self.decoded(parts[0], plusIsSpace: true)] =
                parts.count == 2 ? Self.decoded(parts[1], plusIsSpace: true) : ""
        }
        self.query = query
    }

    /// The token of `Authorization: Bearer …`.
    var bearer: String? {
        guard let authorization, authorization.prefix(7).lowercased() == "bearer " else { return nil }
        return String(authorization.dropFirst(7))
    }

    private static func decoded(_ text: Substring, plusIsSpace: Bool) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+"), plusIsSpace {
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
    var body: ByteBuffer
    /// Sent instead of the body, piece by piece.
    var listing: ObjectListing?
    var delivery = Delivery.normal
    /// What a writing request did.
    var write: WriteNote?
    /// The `Date` header in seconds since 1970: the sandbox's own time, to which what it says was created
    /// belongs.
    var date: Int64 = Collection.epoch

    init(status: Int = 200, contentType: String = "application/json", body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.body = body
        headers = [("Content-Type", contentType)]
    }

    init(status: Int = 200, json: String) {
        self.init(status: status, body: ByteBuffer(string: json))
    }
}

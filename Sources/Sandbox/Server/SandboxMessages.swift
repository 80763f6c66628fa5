// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// A request as the sandbox's services see it.
struct SandboxRequest: Sendable {
    let method: String
    let path: String
    /// The path's parts, percent-decoded.
    let segments: [String]
    let queryText: String
    let query: [String: String]
    let headers: HTTPHeaders
    let body: [UInt8]

    init(method: String, uri: String, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        let halves = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.method = method
        self.headers = headers
        self.body = body
        path = String(halves.first ?? "")
        queryText = halves.count == 2 ? String(halves[1]) : ""
        segments = path.split(separator: "/").map { Self.decoded($0, plusIsSpace: false) }
        query = Self.pairs(queryText).reduce(into: [:]) { $0[$1.name] = $1.value }
    }

    func header(_ name: String) -> String? { headers.first(name: name) }

    var authorization: String? { header("Authorization") }

    private var isJSON: Bool {
        if let type = headers.first(name: "Content-Type") { return type.lowercased().contains("json") }
        return body.first == UInt8(ascii: "{")
    }

    /// The parameters of query and form, in their order; a name may come again.
    var pairs: [(name: String, value: String)] {
        Self.pairs(queryText) + (isJSON ? [] : Self.pairs(String(decoding: body, as: UTF8.self)))
    }

    /// The parameters of query and body: a form or a JSON object, whose nested values are their text. Nil when
    /// the body is no JSON although it should be.
    var parameters: [String: String]? {
        guard isJSON, !body.isEmpty else { return pairs.reduce(into: [:]) { $0[$1.name] = $1.value } }
        do throws(ControlRefusal) {
            return query.merging(try FlatJSON.parse(body, takingNested: true)) { $1 }
        } catch {
            return nil
        }
    }

    private static func pairs(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                decoded(parts[0], plusIsSpace: true),
                parts.count == 2 ? decoded(parts[1], plusIsSpace: true) : ""
            )
        }
    }

    /// The token of `Authorization: Bearer …`.
    var bearer: String? {
        guard let authorization, authorization.prefix(7).lowercased() == "bearer " else { return nil }
        return String(authorization.dropFirst(7))
    }

    static func decoded(_ text: Substring, plusIsSpace: Bool) -> String {
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
    /// The user whom it was about, when the request itself did not say.
    var user: Int?
    /// The `Date` header in seconds since 1970; nil for the sandbox's own time, to which what it says was
    /// created belongs.
    var date: Int64?

    init(status: Int = 200, contentType: String = "application/json", body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.body = body
        headers = [("Content-Type", contentType)]
    }

    init(status: Int = 200, json: String) {
        self.init(status: status, body: ByteBuffer(string: json))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Foundation
import HTTPTransport
import JobQueue
import SyncStore

/// What routes of the API read of a request.
extension GatewayRequest {
    /// The number that stands for `{id}`.
    var id64: Int64 {
        get throws {
            guard let text = parameters["id"], let id = Int64(text), id > 0, String(id) == text else {
                throw Problem(404, "not_found", "An id is a whole number greater than 0.")
            }
            return id
        }
    }

    /// How many items a page may have.
    var limit: Int {
        get throws {
            guard let text = query["limit"] else { return 100 }
            guard let limit = Int(text), (1...500).contains(limit) else {
                throw Problem(400, "bad_limit", "limit: a whole number from 1 to 500.")
            }
            return limit
        }
    }

    /// The numbers of a cursor that this list gave; nil for none.
    func cursor(_ kind: PageCursor.Kind) throws -> [Int64]? {
        guard let text = query["cursor"], !text.isEmpty else { return nil }
        guard let numbers = PageCursor.read(text, kind) else {
            throw Problem(400, "bad_cursor", "cursor: a next_cursor that this list gave, unchanged.")
        }
        return numbers
    }

    /// The longest idempotency key.
    private static let maximumKeyBytes = 255

    /// The key that tells the request from others; nil for none.
    var idempotencyKey: String? {
        get throws {
            guard let key = headers.first("idempotency-key") else { return nil }
            guard (1...Self.maximumKeyBytes).contains(key.utf8.count),
                key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else {
                throw Problem(
                    400, "bad_idempotency_key",
                    "Idempotency-Key: 1 to \(Self.maximumKeyBytes) visible ASCII characters.")
            }
            return key
        }
    }

    /// A number that a list is filtered by; nil for all.
    func number(_ name: String) throws -> Int64? {
        guard let text = query[name] else { return nil }
        guard let number = Int64(text) else {
            throw Problem(400, "bad_parameter", "\(name): a whole number.")
        }
        return number
    }

    /// Refuses parameters of the query that the route does not know: a filter with a typing mistake must not give everything.
    func allow(_ names: Set<String>) throws {
        if let unknown = query.names.first(where: { !names.contains($0) }) {
            throw Problem(
                400, "unknown_parameter",
                "'\(unknown.prefix(40))' is no parameter here; there are: \(names.sorted().joined(separator: ", "))."
            )
        }
    }

    /// The members of a JSON object in the body, which may be left out when nothing is required. Refuses other names.
    func object(_ names: Set<String>) throws -> [String: Any] {
        guard !body.isEmpty else { return [:] }
        try requireJSON()
        let parsed: Any
        do {
            parsed = try JSONSerialization.jsonObject(with: Data(body))
        } catch {
            throw Problem(400, "bad_json", "The body is not JSON.")
        }
        guard let members = parsed as? [String: Any] else { throw Self.notAnObject }
        try Self.refuseUnknown(members.keys.sorted(), names)
        return members
    }

    /// The members of a JSON object in the body, each as the text that was sent: what is kept must not be read and written anew.
    /// Refuses other names, and what two readers might understand differently.
    func texts(_ names: Set<String>) throws -> [String: [UInt8]] {
        try requireJSON()
        let node: JSONNode = try body.withUnsafeBufferPointer { bytes in
            do throws(JSONProblem) {
                // One level around what a member may have.
                return try StrictJSON.parse(bytes, maxDepth: StrictJSON.maxDepth + 1, subject: "the body")
            } catch {
                throw Problem(400, "bad_json", "\(error.reason), at byte \(error.offset).")
            }
        }
        guard case .object(let members) = node.value else { throw Self.notAnObject }
        try Self.refuseUnknown(members.map(\.key), names)
        return members.reduce(into: [:]) { $0[$1.key] = Array(body[$1.node.range]) }
    }

    private static let notAnObject = Problem(422, "not_an_object", "The body is a JSON object.")

    private func requireJSON() throws {
        let type = headers.first("content-type")?.lowercased() ?? ""
        guard type.hasPrefix("application/json") else {
            throw Problem(415, "not_json", "A body is sent with Content-Type: application/json.")
        }
    }

    private static func refuseUnknown(_ found: [String], _ names: Set<String>) throws {
        if let unknown = found.first(where: { !names.contains($0) }) {
            throw Problem(
                422, "unknown_member",
                "'\(unknown.prefix(40))' is no member here; there are: \(names.sorted().joined(separator: ", "))."
            )
        }
    }
}

extension [String: Any] {
    /// A text member; nil when it is not there.
    func text(_ name: String) throws -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value as? String else {
            throw Problem(422, "bad_member", "'\(name)' is a text.")
        }
        return text
    }
}

/// Where a list goes on: opaque to its reader, and of one kind of list.
enum PageCursor {
    enum Kind: String {
        case integrations, runs, changes, dead, sweeps, actions, requests, quarantine
    }

    static func make(_ kind: Kind, _ numbers: [Int64]) -> String {
        let text = ([kind.rawValue] + numbers.map { String($0) }).joined(separator: " ")
        return Base64.urlSafe.encode(Array(text.utf8))
    }

    static func read(_ text: String, _ kind: Kind) -> [Int64]? {
        guard let bytes = Base64.urlSafe.decode(text), let plain = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let words = plain.split(separator: " ")
        let numbers = words.dropFirst().compactMap { Int64($0) }.filter { (0...(1 << 53)).contains($0) }
        let count = kind == .changes ? 2 : 1
        guard words.first == kind.rawValue[...], words.count == count + 1, numbers.count == count else {
            return nil
        }
        return numbers
    }
}

extension JSON {
    /// A page of a list.
    static func page(_ items: [[UInt8]], next: String?, hasMore: Bool) -> JSON {
        .object([
            ("items", .array(items.map { .text($0) })), ("next_cursor", next.map { .string($0) } ?? .null),
            ("has_more", .bool(hasMore)),
        ])
    }
}

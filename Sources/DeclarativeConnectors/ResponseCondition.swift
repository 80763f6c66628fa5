// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// A response with this status and this value.
struct ResponseCondition: Sendable, Equatable {
    let status: Int?
    /// Where the value is; nil where the status alone counts.
    let place: ValueSource?
    /// Any of these; empty for any value but null.
    let equals: [JSONScalar]
    /// Any of these is a part of the value, which is a text.
    var parts: [String] = []

    /// Whether a response with a status of success may fulfil it.
    var concernsSuccess: Bool {
        if let status { return (200..<300).contains(status) }
        return place != nil
    }

    func holds(for response: HTTPResponse) -> Bool {
        if let status, status != response.status { return false }
        switch place {
        case nil: return true
        case .header(let name): return response.headers.all(name).contains { fits(.string($0)) }
        case .body(let pointer):
            guard let value = JSONValueReader.scalars(at: [pointer], in: response.body).first ?? nil else {
                return false
            }
            return fits(value)
        }
    }

    private func fits(_ value: JSONScalar) -> Bool {
        guard parts.isEmpty else {
            guard case .string(let text) = value else { return false }
            // By bytes: equal to a reader is not equal to a provider.
            return parts.contains { text.utf8.firstRange(of: $0.utf8) != nil }
        }
        if equals.isEmpty { return value != .null }
        guard case .header? = place else { return equals.contains(value) }
        // A header's value is text, whatever it looks like.
        return equals.contains { $0.text == value.text }
    }
}

/// What a response that fulfils a condition means.
struct ErrorRule: Sendable, Equatable {
    let condition: ResponseCondition
    let errorClass: ErrorClass
    /// How long to wait after a refusal that does not say it.
    var wait: Duration?
}

extension ResponseCondition {
    static let keys = ["status", "pointer", "header", "equals", "contains"]

    /// Reads a condition; nil when it has neither a status nor a place.
    init?(_ rule: MappingReader) {
        let place = Self.place(rule)
        if !rule.has("status"), place == nil {
            rule.complain(
                "status", "a rule needs a status, a pointer or a header, or a status and one of them")
            return nil
        }
        for key in ["equals", "contains"] where rule.has(key) && place == nil {
            rule.complain(key, "means nothing without a pointer or a header")
        }
        self.init(
            status: rule.integer("status", in: 100...599), place: place,
            equals: ManifestLoader.scalars(rule, "equals"), parts: Self.parts(rule))
    }

    private static func place(_ rule: MappingReader) -> ValueSource? {
        guard let name = rule.text("header") else { return rule.pointer("pointer").map { .body($0) } }
        if rule.has("pointer") {
            rule.complain("header", "is not allowed beside pointer; a rule looks at one value")
        }
        if !MappingReader.isHeaderName(name) {
            rule.complain("header", "'\(name)' is not allowed; the name of a header, such as Retry-After")
        }
        return .header(name)
    }

    private static func parts(_ rule: MappingReader) -> [String] {
        let parts = ManifestLoader.scalars(rule, "contains").compactMap(\.text)
        if rule.has("contains"), rule.has("equals") {
            rule.complain("contains", "is not allowed beside equals")
        }
        if parts.contains(where: \.isEmpty) {
            rule.complain("contains", "has to be text: every value contains nothing at all")
        }
        return parts
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// Makes the requests of one action for one integration.
struct ActionRequest: Sendable {
    let template: RequestTemplate
    let values: ActionValues

    /// The longest that an action may take; a worker that drains waits for it.
    static let timeout: Duration = .seconds(30)

    /// The request of an action.
    func request(_ shape: ActionShape) throws(ConnectorError) -> HTTPRequest {
        var headers: [(name: String, value: String)] = []
        for (name, value) in shape.headers {
            let text = try text(value)
            if !value.isUnset(text) { headers.append((name, text)) }
        }
        if case .key(let header, _, _) = shape.repetition { headers.append((header, values.key)) }
        var body: [UInt8]?
        var contentType = "application/json"
        if let given = shape.body {
            let tree = try tree(given) ?? .object([])
            switch shape.encoding {
            case .json: body = tree.bytes
            case .form:
                body = FormEncoding.encoded(Self.fields(of: tree))
                contentType = "application/x-www-form-urlencoded"
            }
        }
        var request = try template.authenticated(
            try url(shape.path, shape.query), method: shape.method.rawValue, headers: headers, body: body,
            contentType: contentType)
        switch shape.repetition {
        case .safe, .key: request.isRepeatable = true
        case .lookup, .never: request.isRepeatable = false
        }
        request.timeout = Self.timeout
        return request
    }

    /// The request that tells whether an action took effect.
    func request(_ lookup: ActionLookup) throws(ConnectorError) -> HTTPRequest {
        var request = try template.authenticated(try url(lookup.path, lookup.query))
        request.timeout = Self.timeout
        return request
    }

    private func url(
        _ path: Template, _ query: [(name: String, value: Template)]
    ) throws(ConnectorError) -> String {
        var url = template.baseURL
        url += try path.filled { place throws(ConnectorError) in PercentEncoding.encoded(try text(place)) }
        var pairs: [String] = []
        for (name, value) in query {
            guard let tree = try tree(.text(value)) else { continue }
            for (name, text) in Self.fields(of: .object([JSONTree.Member(name: name, value: tree)])) {
                pairs.append("\(PercentEncoding.encoded(name))=\(PercentEncoding.encoded(text))")
            }
        }
        return pairs.isEmpty ? url : url + "?" + pairs.joined(separator: "&")
    }

    // MARK: - Filling in

    /// A body with its places filled in. A text that is one place becomes the value as it is; one of an input that was left
    /// out, or of an empty setting, is left out too, and so is an object of which nothing is left.
    private func tree(_ template: JSONTemplate) throws(ConnectorError) -> JSONTree? {
        switch template {
        case .scalar(let scalar): return .scalar(scalar)
        case .text(let text):
            guard let place = text.onlyPlace, place.namespace == .input else {
                let filled = try self.text(text)
                return text.isUnset(filled) ? nil : .scalar(.string(filled))
            }
            return values[place.name]
        case .array(let elements):
            var filled: [JSONTree] = []
            for element in elements { if let element = try tree(element) { filled.append(element) } }
            return .array(filled)
        case .object(let members):
            var filled: [JSONTree.Member] = []
            for member in members {
                guard let value = try tree(member.value) else { continue }
                filled.append(JSONTree.Member(name: member.name, value: value))
            }
            return filled.isEmpty && !members.isEmpty ? nil : .object(filled)
        }
    }

    private func text(_ template: Template) throws(ConnectorError) -> String {
        try template.filled { place throws(ConnectorError) in try text(place) }
    }

    private func text(_ place: Template.Place) throws(ConnectorError) -> String {
        if let text = values.text(place) { return text }
        return try template.value(of: place)
    }

    /// An object as form fields: `{"a":{"b":1},"c":[2]}` is `a[b]=1&c[0]=2`; an array whose name ends with `[]` keeps it.
    static func fields(of tree: JSONTree) -> [(name: String, value: String)] {
        guard case .object(let members) = tree else { return [] }
        return members.flatMap { fields(of: $0.value, named: $0.name) }
    }

    private static func fields(of tree: JSONTree, named name: String) -> [(name: String, value: String)] {
        switch tree {
        case .scalar(let scalar): return [(name, scalar.text ?? "")]
        case .object(let members):
            return members.flatMap { fields(of: $0.value, named: "\(name)[\($0.name)]") }
        case .array(let elements):
            return elements.enumerated().flatMap { index, element in
                fields(of: element, named: name.hasSuffix("[]") ? name : "\(name)[\(index)]")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import PageScanner

/// Changes of a fixture's responses that a provider might make, or a broken one.
enum FixtureMutation {
    /// A response whose way on is that of the response before it; unchanged where neither has one.
    static func stuck(
        _ answer: HTTPResponse, _ before: HTTPResponse?, _ kind: PageRule.Kind
    ) -> HTTPResponse {
        guard let before else { return answer }
        switch kind {
        case .token(.body(let pointer), _), .nextURL(.body(let pointer)):
            guard let old = JSONValueReader.scalars(at: [pointer], in: before.body).first ?? nil,
                var tree = JSONTree(yaml: String(decoding: answer.body, as: UTF8.self))
            else { return answer }
            tree.set(old, at: pointer.tokens[...])
            return answer.with(tree.bytes)
        case .token(.header(let name), _), .nextURL(.header(let name)): return header(name, answer, before)
        case .linkHeader: return header("Link", answer, before)
        case .none, .pageNumber, .offset, .lastID: return answer
        }
    }

    private static func header(_ name: String, _ answer: HTTPResponse, _ before: HTTPResponse) -> HTTPResponse
    {
        guard let old = before.headers.first(name) else { return answer }
        let others = answer.headers.pairs.filter { $0.name.lowercased() != name.lowercased() }
        return HTTPResponse(
            status: answer.status, headers: HTTPHeaders(others + [(name, old)]), body: answer.body,
            url: answer.url)
    }
}

extension JSONTree {
    func value(at tokens: ArraySlice<String>) -> JSONTree? {
        guard let token = tokens.first else { return self }
        switch self {
        case .object(let members):
            return members.first { $0.name == token }?.value.value(at: tokens.dropFirst())
        case .array(let elements):
            guard let index = Int(token), elements.indices.contains(index) else { return nil }
            return elements[index].value(at: tokens.dropFirst())
        case .scalar: return nil
        }
    }

    /// Turns the array at a place around.
    mutating func reverse(_ place: JSONPointer) {
        change(place.tokens[...]) { $0.reverse() }
    }

    /// Takes the first record out of the array at a place.
    mutating func dropFirst(_ place: JSONPointer) {
        change(place.tokens[...]) { if !$0.isEmpty { $0.removeFirst() } }
    }

    /// Gives all records the same value at a place; a number stays a number.
    mutating func tie(_ place: JSONPointer, _ pointer: JSONPointer, _ value: String) {
        change(place.tokens[...]) { elements in
            for index in elements.indices {
                guard case .scalar(let old)? = elements[index].value(at: pointer.tokens[...]) else {
                    continue
                }
                let isNumber = if case .number = old { true } else { false }
                elements[index].set(isNumber ? .number(value) : .string(value), at: pointer.tokens[...])
            }
        }
    }

    /// Takes a record out of the array at a place.
    mutating func delete(_ place: JSONPointer, _ id: [JSONPointer], _ gone: String) {
        change(place.tokens[...]) { elements in
            elements.removeAll { element in
                let parts = id.compactMap { pointer -> String? in
                    if case .scalar(let scalar)? = element.value(at: pointer.tokens[...]) {
                        scalar.text
                    } else {
                        nil
                    }
                }
                return parts.joined(separator: "/") == gone
            }
        }
    }

    private mutating func change(_ tokens: ArraySlice<String>, _ change: (inout [JSONTree]) -> Void) {
        guard let token = tokens.first else {
            guard case .array(var elements) = self else { return }
            change(&elements)
            self = .array(elements)
            return
        }
        guard case .object(var members) = self, let index = members.firstIndex(where: { $0.name == token })
        else { return }
        members[index].value.change(tokens.dropFirst(), change)
        self = .object(members)
    }
}

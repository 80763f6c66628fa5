// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The API's own description, as a judge of its answers.
struct ApiDocument {
    let root: [String: Any]

    init(_ json: [UInt8]) throws {
        root = try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any] ?? [:]
    }

    private var paths: [String: Any] { root["paths"] as? [String: Any] ?? [:] }

    /// `GET /path` of all operations.
    var operations: Set<String> {
        Set(
            paths.flatMap { path, methods in
                (methods as? [String: Any] ?? [:]).keys.map { "\($0.uppercased()) \(path)" }
            })
    }

    /// What is wrong with an answer, by its operation and status; empty when nothing is.
    func problems(_ method: String, _ path: String, _ status: Int, _ body: [UInt8]) throws -> [String] {
        let operation = (paths[path] as? [String: Any])?[method.lowercased()] as? [String: Any]
        let responses = operation?["responses"] as? [String: Any]
        let response =
            (responses?["\(status)"] ?? (status >= 400 ? responses?["default"] : nil)) as? [String: Any]
        guard let content = (response?["content"] as? [String: Any])?.values.first as? [String: Any],
            let schema = content["schema"] as? [String: Any]
        else { return ["\(method) \(path) has no answer \(status)"] }
        return check(
            try JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed), schema, "$")
    }

    private func check(_ value: Any, _ schema: [String: Any], _ place: String) -> [String] {
        if let reference = schema["$ref"] as? String, let name = reference.split(separator: "/").last {
            let schemas = (root["components"] as? [String: Any])?["schemas"] as? [String: Any]
            guard let found = schemas?[String(name)] as? [String: Any] else {
                return ["\(reference) is nowhere"]
            }
            return check(value, found, place)
        }
        if let choices = schema["oneOf"] as? [[String: Any]] {
            return choices.contains { check(value, $0, place).isEmpty } ? [] : ["\(place) fits nothing"]
        }
        let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] } ?? []
        guard types.isEmpty || types.contains(where: { Self.isA(value, $0) }) else {
            return ["\(place) is no \(types)"]
        }
        if value is NSNull { return [] }
        if let allowed = schema["enum"] as? [String], let text = value as? String, !allowed.contains(text) {
            return ["\(place) is '\(text)'"]
        }
        var problems: [String] = []
        if let object = value as? [String: Any], let properties = schema["properties"] as? [String: Any] {
            for name in schema["required"] as? [String] ?? [] where object[name] == nil {
                problems.append("\(place).\(name) is missing")
            }
            for (name, member) in object {
                guard let found = properties[name] as? [String: Any] else {
                    problems.append("\(place).\(name) is not described")
                    continue
                }
                problems += check(member, found, "\(place).\(name)")
            }
        }
        if let list = value as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, item) in list.enumerated() { problems += check(item, items, "\(place)[\(index)]") }
        }
        return problems
    }

    private static func isA(_ value: Any, _ type: String) -> Bool {
        switch type {
        case "null": value is NSNull
        case "string": value is String
        case "boolean": value is Bool
        case "integer": (value as? NSNumber).map { $0.doubleValue.rounded() == $0.doubleValue } ?? false
        case "number": value is NSNumber
        case "array": value is [Any]
        case "object": value is [String: Any]
        default: false
        }
    }
}

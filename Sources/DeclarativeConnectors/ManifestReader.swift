// SPDX-License-Identifier: Apache-2.0

import PageScanner
import Settings
import Yams

/// Collects the problems of one file.
final class ProblemList {
    let file: String
    private(set) var problems: [ManifestProblem] = []

    init(file: String) {
        self.file = file
    }

    func add(_ node: Node?, _ key: String, _ message: String) {
        let line = node?.mark?.line ?? 1
        problems.append(ManifestProblem(file: file, line: line, key: key, message: message))
    }
}

/// Reads a YAML mapping with a closed set of keys. What is wrong is noted, and reading goes on.
struct MappingReader {
    private let node: Node
    let path: String
    let problems: ProblemList
    private let values: [String: Node]

    /// Notes keys that are not among `keys`, with a suggestion.
    init?(_ node: Node, path: String, keys: [String], problems: ProblemList) {
        guard case .mapping(let mapping) = node else {
            problems.add(node, path, "has to be a mapping with keys: \(keys.joined(separator: ", "))")
            return nil
        }
        var values: [String: Node] = [:]
        for (keyNode, value) in mapping {
            guard let key = keyNode.string else {
                problems.add(keyNode, path, "a key has to be text")
                continue
            }
            guard keys.contains(key) else {
                let near = Suggestion.closest(to: key, among: keys).map { "; did you mean '\($0)'?" } ?? ""
                let full = path.isEmpty ? key : "\(path).\(key)"
                problems.add(keyNode, full, "unknown key\(near) Allowed: \(keys.joined(separator: ", "))")
                continue
            }
            values[key] = value
        }
        self.node = node
        self.path = path
        self.problems = problems
        self.values = values
    }

    func has(_ key: String) -> Bool { values[key] != nil }

    func node(_ key: String) -> Node? { values[key] }

    /// Notes keys that have no meaning together with this `kind`: somebody expects something of them.
    func complainUnless(_ keys: [String], for kind: String) {
        for key in values.keys.sorted() where key != "kind" && !keys.contains(key) {
            let allowed = keys.isEmpty ? "no other keys" : keys.joined(separator: ", ")
            complain(key, "means nothing for kind '\(kind)', which takes: \(allowed)")
        }
    }

    func keyPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func complain(_ key: String, _ message: String) {
        problems.add(values[key] ?? node, keyPath(key), message)
    }

    func text(_ key: String, required: Bool = false, mayBeEmpty: Bool = false) -> String? {
        guard let value = values[key] else {
            if required { complain(key, "is missing") }
            return nil
        }
        guard let text = value.scalar?.string, mayBeEmpty || !text.isEmpty else {
            complain(key, "has to be text")
            return nil
        }
        return text
    }

    func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = text(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            complain(
                key,
                "'\(text)' is not allowed; a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    func bool(_ key: String) -> Bool? {
        guard let text = text(key) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default:
            complain(key, "'\(text)' is not allowed; true or false")
            return nil
        }
    }

    /// One of a closed set of words.
    func word<Word: RawRepresentable & CaseIterable>(
        _ key: String, _: Word.Type, required: Bool = false
    ) -> Word? where Word.RawValue == String {
        guard let text = text(key, required: required) else { return nil }
        if let word = Word(rawValue: text) { return word }
        let allowed = Word.allCases.map(\.rawValue)
        let near = Suggestion.closest(to: text, among: allowed).map { " (did you mean '\($0)'?)" } ?? ""
        complain(key, "'\(text)' is unknown\(near); allowed: \(allowed.joined(separator: ", "))")
        return nil
    }

    func pointer(_ key: String, required: Bool = false) -> JSONPointer? {
        // An empty pointer names the document itself, so it may be empty text.
        guard let value = values[key] else {
            if required { complain(key, "is missing") }
            return nil
        }
        return pointer(from: value, key)
    }

    func pointer(from value: Node, _ key: String) -> JSONPointer? {
        guard let text = value.scalar?.string else {
            complain(key, "has to be a JSON pointer, such as /data")
            return nil
        }
        do throws(PageScanError) {
            return try JSONPointer(text)
        } catch {
            complain(key, error.message)
            return nil
        }
    }

    /// One pointer, or a list of them.
    func pointers(_ key: String) -> [JSONPointer]? {
        guard let value = values[key] else {
            complain(key, "is missing")
            return nil
        }
        guard case .sequence(let list) = value else { return pointer(from: value, key).map { [$0] } }
        let pointers = list.compactMap { pointer(from: $0, key) }
        return pointers.count == list.count && !pointers.isEmpty ? pointers : nil
    }

    func template(_ key: String, required: Bool = false, mayBeEmpty: Bool = false) -> Template? {
        text(key, required: required, mayBeEmpty: mayBeEmpty).flatMap { template(from: $0, key) }
    }

    func template(from text: String, _ key: String) -> Template? {
        do throws(Template.ParseError) {
            return try Template(text)
        } catch {
            complain(key, error.message)
            return nil
        }
    }

    /// A mapping of names to templates, in the order of the file.
    func templates(_ key: String) -> [(name: String, value: Template)] {
        guard let value = values[key] else { return [] }
        guard case .mapping(let mapping) = value else {
            complain(key, "has to be a mapping of names to text")
            return []
        }
        return mapping.compactMap { name, value in
            guard let name = name.string, let text = value.scalar?.string else {
                complain(key, "has to be a mapping of names to text")
                return nil
            }
            return template(from: text, "\(key).\(name)").map { (name, $0) }
        }
    }

    func mapping(_ key: String, keys: [String], required: Bool = false) -> MappingReader? {
        guard let value = values[key] else {
            if required { complain(key, "is missing") }
            return nil
        }
        return MappingReader(value, path: keyPath(key), keys: keys, problems: problems)
    }
}

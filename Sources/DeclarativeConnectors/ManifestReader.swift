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
                let full = path.isEmpty ? key : "\(path).\(key)"
                problems.add(keyNode, full, "unknown key" + Suggestion.clause(for: key, among: keys))
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

    /// A mapping of names to templates, in the order of the file. A list stands for several of one name.
    func templates(_ key: String) -> [(name: String, value: Template)] {
        guard let value = values[key] else { return [] }
        guard case .mapping(let mapping) = value else {
            complain(key, "has to be a mapping of names to text")
            return []
        }
        return mapping.flatMap { name, value -> [(name: String, value: Template)] in
            var texts = [value.scalar?.string]
            if case .sequence(let list) = value { texts = list.map { $0.scalar?.string } }
            guard let name = name.string else {
                complain(key, "has to be a mapping of names to text")
                return []
            }
            return texts.compactMap { text in
                guard let text else {
                    complain(key, "has to be a mapping of names to text, or to lists of text")
                    return nil
                }
                return template(from: text, "\(key).\(name)").map { (name, $0) }
            }
        }
    }

    /// JSON whose texts are templates. What looks like a number or a truth value is one, unless it is quoted.
    func json(_ key: String) -> JSONTemplate? {
        values[key].flatMap { json($0, key) }
    }

    private func json(_ node: Node, _ key: String) -> JSONTemplate? {
        switch node {
        case .mapping(let mapping):
            let members = mapping.compactMap { name, value -> JSONTemplate.Member? in
                guard let name = name.string, let value = json(value, key) else { return nil }
                return JSONTemplate.Member(name: name, value: value)
            }
            return .object(members)
        case .sequence(let list): return .array(list.compactMap { json($0, key) })
        case .scalar(let scalar):
            if case .string(let text) = JSONScalar(scalar) {
                return template(from: text, key).map { .text($0) }
            }
            return .scalar(JSONScalar(scalar))
        default:
            complain(key, "has to be made of mappings, lists and values")
            return nil
        }
    }

    /// A pointer into the body of a response, or `header:NAME`.
    func source(_ key: String, required: Bool = false) -> ValueSource? {
        guard has(key) else {
            if required { complain(key, "is missing; a JSON pointer, or header:NAME") }
            return nil
        }
        return node(key).flatMap { source(from: $0, key) }
    }

    func source(from node: Node, _ key: String) -> ValueSource? {
        if let text = node.scalar?.string, text.hasPrefix("header:") {
            let name = String(text.dropFirst("header:".count))
            guard Self.isHeaderName(name) else {
                complain(key, "'\(text)' is not allowed; header:NAME, such as header:X-Next-Page")
                return nil
            }
            return .header(name)
        }
        return pointer(from: node, key).map { .body($0) }
    }

    /// The name of a header (RFC 9110, section 5.1), letters, digits and `-` only.
    static func isHeaderName(_ name: String) -> Bool {
        !name.isEmpty
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }

    /// A duration such as `30s`, `5m`, `2h` or `7d`.
    func duration(_ key: String, in range: ClosedRange<Duration>) -> Duration? {
        guard let text = text(key) else { return nil }
        guard let value = Duration(settingText: text), range.contains(value) else {
            complain(
                key,
                "'\(text)' is not allowed; a duration from \(range.lowerBound.settingText) to "
                    + "\(range.upperBound.settingText), such as 30s, 5m, 2h or 7d")
            return nil
        }
        return value
    }

    /// A list of words.
    func words(_ key: String) -> [String] {
        guard let value = values[key] else { return [] }
        guard case .sequence(let list) = value else {
            complain(key, "has to be a list of names")
            return []
        }
        return list.compactMap(\.string)
    }

    /// A list of statuses.
    func statuses(_ key: String, required: Bool = false) -> Set<Int> {
        guard let node = values[key] else {
            if required { complain(key, "is missing; a list of statuses, such as [404, 410]") }
            return []
        }
        var nodes = [node]
        if case .sequence(let list) = node { nodes = Array(list) }
        let statuses = nodes.compactMap { $0.scalar.flatMap { Int($0.string) } }
        guard statuses.count == nodes.count, statuses.allSatisfy({ (300...599).contains($0) }) else {
            complain(key, "has to be a list of statuses from 300 to 599, such as [404, 410]")
            return []
        }
        return Set(statuses)
    }

    func mapping(_ key: String, keys: [String], required: Bool = false) -> MappingReader? {
        guard let value = values[key] else {
            if required { complain(key, "is missing") }
            return nil
        }
        return MappingReader(value, path: keyPath(key), keys: keys, problems: problems)
    }
}

extension JSONScalar {
    /// What looks like a number or a truth value is one, unless it is quoted.
    init(_ scalar: Node.Scalar) {
        let isPlain = scalar.style == .plain || scalar.style == .any
        switch scalar.string {
        case "true" where isPlain: self = .bool(true)
        case "false" where isPlain: self = .bool(false)
        case "null" where isPlain, "~" where isPlain: self = .null
        default:
            let isNumber = isPlain && Double(scalar.string) != nil && scalar.string.allSatisfy(Self.ofNumbers)
            self = isNumber ? .number(scalar.string) : .string(scalar.string)
        }
    }

    /// `Double` also reads `nan`, `infinity` and hexadecimal digits, which are no JSON.
    private static func ofNumbers(_ character: Character) -> Bool {
        character.isNumber || "+-.eE".contains(character)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Yams

/// A place in a YAML file. What is not there is empty, so that a test says what it expects and not how to get there.
struct YAML {
    private let node: Node?

    init(_ node: Node?) {
        self.node = node
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The text of a file of this repository.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The documents of a file of this repository.
    static func documents(_ path: String) throws -> [YAML] {
        var documents = try compose_all(yaml: try text(path))
        var found: [YAML] = []
        while let node = documents.next() { found.append(YAML(node)) }
        if let error = documents.error { throw error }
        return found
    }

    var exists: Bool { node != nil }
    var text: String? { node?.scalar?.string }
    var number: Int? { node?.int }
    var flag: Bool? { node?.bool }
    var list: [YAML] { node?.sequence.map { $0.map { YAML($0) } } ?? [] }
    var texts: [String] { list.compactMap(\.text) }

    /// The members of a mapping, with those of the mapping that it continues.
    var members: [String: YAML] {
        var found: [String: YAML] = [:]
        for (key, value) in node?.mapping ?? [:] {
            guard let name = key.string else { continue }
            if name == "<<" {
                found.merge(YAML(value).members) { own, _ in own }
            } else {
                found[name] = YAML(value)
            }
        }
        return found
    }

    /// The members that are texts.
    var strings: [String: String] { members.compactMapValues(\.text) }

    subscript(_ path: String...) -> YAML {
        path.reduce(self) { $0.members[$1] ?? YAML(nil) }
    }
}

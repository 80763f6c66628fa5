// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import Yams

/// Reads the typed `fields` of a stream.
struct FieldLoader {
    private let stream: MappingReader

    init(_ stream: MappingReader) {
        self.stream = stream
    }

    /// The columns that each view has anyway.
    static let reserved = ["id", "user_id", "account", "integration_id", "synced_at"]
    /// A table has at most 1,600 columns, and a person reads fewer.
    private static let maximumFields = 200

    func load() -> [StreamField] {
        guard let node = stream.node("fields") else { return [] }
        guard case .mapping(let mapping) = node else {
            stream.complain("fields", "has to be a mapping of names to types, or to { pointer, type }")
            return []
        }
        if mapping.count > Self.maximumFields {
            stream.complain(
                "fields", "has \(mapping.count) fields; at most \(Self.maximumFields) are allowed")
        }
        return mapping.compactMap { nameNode, value in
            let name = nameNode.string ?? ""
            let path = stream.keyPath("fields.\(name)")
            guard ManifestLoader.isName(name, extra: "_"), name.utf8.count <= 63,
                !Self.reserved.contains(name)
            else {
                stream.problems.add(
                    nameNode, path,
                    "'\(name)' is not allowed; 1 to 63 small letters, digits and '_', and none of "
                        + Self.reserved.joined(separator: ", "))
                return nil
            }
            return field(name, value, path)
        }
    }

    private func field(_ name: String, _ value: Node, _ path: String) -> StreamField? {
        // The short form is the type alone.
        guard let word = value.scalar?.string else {
            guard
                let reader = MappingReader(
                    value, path: path, keys: ["pointer", "type"], problems: stream.problems),
                let pointer = reader.pointer("pointer", required: true),
                let type = reader.word("type", StreamField.ValueType.self, required: true)
            else { return nil }
            return StreamField(name: name, pointer: pointer, type: type)
        }
        guard let type = StreamField.ValueType(rawValue: word) else {
            let allowed = StreamField.ValueType.allCases.map(\.rawValue).joined(separator: ", ")
            stream.problems.add(value, path, "'\(word)' is unknown; allowed: \(allowed)")
            return nil
        }
        return stream.pointer(text: "/\(name)", "fields").map {
            StreamField(name: name, pointer: $0, type: type)
        }
    }
}

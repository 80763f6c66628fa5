// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import Yams

/// Reads what a child stream says of its parent.
struct ParentLoader {
    let reader: MappingReader

    static let keys = ["stream", "values", "only_with", "reread", "gone"]

    struct Loaded {
        let binding: ParentBinding
        /// Responses that say that the parent is not there any more.
        let gone: [ResponseCondition]
    }

    private enum Reread: String, CaseIterable {
        case always
        case changed
    }

    /// Nil for a stream without a parent, and where something is wrong; the problems are noted.
    func load(known: [StreamManifest]) -> Loaded? {
        guard let parent = reader.mapping("parent", keys: Self.keys) else { return nil }
        guard let stream = parent.text("stream", required: true) else { return nil }
        guard let target = known.first(where: { $0.name == stream }) else {
            parent.complain("stream", "'\(stream)' is not a stream that stands before this one")
            return nil
        }
        guard let values = values(parent) else { return nil }
        var binding = ParentBinding(stream: stream, values: values)
        if let own = target.parent {
            if own.grandparent != nil {
                parent.complain("stream", "'\(stream)' is the child of a child; two levels are allowed")
            }
            // A name of its own comes before one that is inherited.
            binding.grandparent = ParentBinding.Grandparent(
                stream: own.stream, values: own.values.filter { values[$0.key] == nil })
        }
        if parent.has("only_with") { binding.condition = parent.pointer("only_with") }
        if parent.has("reread") { binding.readsChangedAlone = parent.word("reread", Reread.self) == .changed }
        return Loaded(binding: binding, gone: gone(parent))
    }

    private func values(_ parent: MappingReader) -> [String: JSONPointer]? {
        guard let node = parent.node("values"), case .mapping(let mapping) = node else {
            parent.complain(
                "values", "is missing; names for ${parent.NAME} and where they are in the parent's record")
            return nil
        }
        var values: [String: JSONPointer] = [:]
        for (name, value) in mapping {
            guard let name = name.string, let pointer = parent.pointer(from: value, "values") else {
                continue
            }
            values[name] = pointer
        }
        return values
    }

    /// One rule or a list of them.
    private func gone(_ parent: MappingReader) -> [ResponseCondition] {
        guard let node = parent.node("gone") else { return [] }
        var nodes = [node]
        if case .sequence(let list) = node { nodes = Array(list) }
        return nodes.compactMap { node in
            MappingReader(
                node, path: parent.keyPath("gone"), keys: ResponseCondition.keys, problems: parent.problems
            ).flatMap { ResponseCondition($0) }
        }
    }
}

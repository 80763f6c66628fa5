// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// The body of a request as a manifest writes it: JSON whose texts may have places.
indirect enum JSONTemplate: Sendable, Equatable {
    case object([Member])
    case array([JSONTemplate])
    case text(Template)
    case scalar(JSONScalar)

    struct Member: Sendable, Equatable {
        let name: String
        let value: JSONTemplate
    }

    var templates: [Template] {
        switch self {
        case .object(let members): members.flatMap(\.value.templates)
        case .array(let elements): elements.flatMap(\.templates)
        case .text(let template): [template]
        case .scalar: []
        }
    }

    /// The template with its places filled in, without the members and elements that an integration may set and does not.
    ///
    /// A text that is nothing but a place of `lists` becomes an array of the names in its value.
    func filled<Failure: Error>(
        lists: Set<Template.Place> = [], _ value: (Template.Place) throws(Failure) -> String
    ) throws(Failure) -> JSONTree {
        switch self {
        case .scalar(let scalar): return .scalar(scalar)
        case .text(let template):
            let text = try template.filled(value)
            guard let place = template.onlyPlace, lists.contains(place) else { return .scalar(.string(text)) }
            return .array(ConfigSetting.names(text).map { .scalar(.string($0)) })
        case .array(let elements):
            var filled: [JSONTree] = []
            for element in elements {
                let tree = try element.filled(lists: lists, value)
                if !element.isUnset(tree) { filled.append(tree) }
            }
            return .array(filled)
        case .object(let members):
            var filled: [JSONTree.Member] = []
            for member in members {
                let tree = try member.value.filled(lists: lists, value)
                if !member.value.isUnset(tree) {
                    filled.append(JSONTree.Member(name: member.name, value: tree))
                }
            }
            return .object(filled)
        }
    }

    private func isUnset(_ tree: JSONTree) -> Bool {
        guard case .text(let template) = self else { return false }
        guard case .scalar(.string(let text)) = tree else { return tree == .array([]) }
        return template.isUnset(text)
    }
}

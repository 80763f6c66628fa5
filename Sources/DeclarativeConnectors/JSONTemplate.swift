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

    /// The template with its places filled in.
    func filled<Failure: Error>(
        _ value: (Template.Place) throws(Failure) -> String
    ) throws(Failure) -> JSONTree {
        switch self {
        case .scalar(let scalar): return .scalar(scalar)
        case .text(let template): return .scalar(.string(try template.filled(value)))
        case .array(let elements):
            var filled: [JSONTree] = []
            for element in elements { filled.append(try element.filled(value)) }
            return .array(filled)
        case .object(let members):
            var filled: [JSONTree.Member] = []
            for member in members {
                filled.append(JSONTree.Member(name: member.name, value: try member.value.filled(value)))
            }
            return .object(filled)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// How requests prove who asks.
enum Authentication: Sendable {
    case bearer(Template)
    case header(name: String, value: Template)
    case query(name: String, value: Template)
    case basic(username: Template, password: Template)

    var templates: [Template] {
        switch self {
        case .bearer(let token): [token]
        case .header(_, let value), .query(_, let value): [value]
        case .basic(let username, let password): [username, password]
        }
    }
}

extension Template {
    /// The template as a text of an OAuth profile; the loader has refused places of a parent.
    var profileText: OAuthText {
        OAuthText(
            parts.map { part in
                switch part {
                case .text(let text): .text(text)
                case .place(let place):
                    place.namespace == .secret ? .secret(place.name) : .configuration(place.name)
                }
            })
    }
}

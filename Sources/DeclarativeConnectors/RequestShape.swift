// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner

/// A request as a manifest describes it: everything but what changes from page to page.
struct RequestShape: Sendable {
    /// Reads by POST carry what they search for in their body; they change nothing and may be sent again.
    enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
    }

    var method = Method.get
    var path: Template
    /// Names may come several times.
    var query: [(name: String, value: Template)] = []
    var body: JSONTemplate?
}

/// A parameter that the reader fills in.
struct RequestParameter: Sendable, Equatable {
    /// Where a parameter stands in a request.
    enum Place: Sendable, Equatable {
        case query
        case header
        case body(JSONPointer)
    }

    let name: String
    let place: Place

    static func query(_ name: String) -> RequestParameter { RequestParameter(name: name, place: .query) }
}

/// Where a page has a value.
enum ValueSource: Sendable, Hashable {
    case body(JSONPointer)
    case header(String)

    var text: String {
        switch self {
        case .body(let pointer): pointer.text
        case .header(let name): "header:\(name)"
        }
    }

    var pointer: JSONPointer? {
        if case .body(let pointer) = self { pointer } else { nil }
    }
}

/// What one request adds to its shape.
struct RequestAdditions: Sendable {
    /// A query parameter or a header replaces the shape's own of the same name.
    var parameters: [(parameter: RequestParameter, value: JSONScalar)] = []
    /// Replaces parameters of the shape's query.
    var query: [(name: String, value: Template)] = []
    /// Merged into the shape's body.
    var body: JSONTemplate?
    /// What the places stand for that belong to a request.
    var values = PlaceValues()

    mutating func add(_ parameter: RequestParameter, _ value: JSONScalar) {
        parameters.append((parameter, value))
    }
}

/// The values of a request's places.
struct PlaceValues: Sendable {
    var slice = StreamSlice.whole
    /// Where changes are read from.
    var cursor: String?
    var windowStart: String?
    var windowEnd: String?
    /// The id of the one object that is asked for.
    var id: String?
    /// The watch that is asked for.
    var watch: WatchRequest?
    /// The watch that is ended.
    var heldWatch: HeldWatch?
}

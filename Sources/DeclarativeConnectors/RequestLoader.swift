// SPDX-License-Identifier: Apache-2.0

import ConnectorKit

/// Reads the requests of a stream.
struct RequestLoader {
    let parent: ParentBinding?

    static let keys = ["method", "path", "query", "body"]

    /// A request whose places are among these. Secrets have no place in it: URLs get into logs.
    func shape(_ reader: MappingReader, allowing places: Set<Template.Place.Namespace>) -> RequestShape? {
        let method = reader.has("method") ? reader.word("method", RequestShape.Method.self) : .get
        let path = reader.template("path", required: true)
        if let path, !path.text.hasPrefix("/") { reader.complain("path", "has to begin with '/'") }
        let query = reader.templates("query")
        let body = reader.json("body")
        if body != nil, method == .get {
            reader.complain("method", "has to be POST for a request with a body")
        }
        check(path.map { [$0] } ?? [], "path", reader, places)
        check(query.map(\.value), "query", reader, places)
        check(body?.templates ?? [], "body", reader, places)
        guard let path, let method else { return nil }
        return RequestShape(method: method, path: path, query: query, body: body)
    }

    func check(
        _ templates: [Template], _ key: String, _ reader: MappingReader,
        _ allowed: Set<Template.Place.Namespace>
    ) {
        for place in templates.flatMap(\.places) {
            if place.namespace == .parent {
                guard let parent else {
                    reader.complain(key, "\(place.text) needs a parent")
                    continue
                }
                if !parent.names.contains(place.name) {
                    reader.complain(key, "\(place.text) is not among parent.values")
                }
            } else if place.namespace == .secret {
                reader.complain(
                    key,
                    "\(place.text) is not allowed here: URLs and bodies get into logs. Put it into auth or headers"
                )
            } else if !allowed.contains(place.namespace) {
                reader.complain(key, "\(place.text) has no value in this request")
            }
        }
    }

    /// Whether a request asks for something by this name: a parameter of its query, or a member of its body.
    func hasParameter(_ name: String, _ reader: MappingReader) -> Bool {
        if reader.templates("query").contains(where: { $0.name == name }) { return true }
        return reader.json("body")?.has(name) ?? false
    }
}

extension RequestShape {
    var templates: [Template] { [path] + query.map(\.value) + (body?.templates ?? []) }
}

extension JSONTemplate {
    /// Whether a member of this name is anywhere in it, or a text that has it as a part: GraphQL asks so.
    fileprivate func has(_ name: String) -> Bool {
        switch self {
        case .object(let members): members.contains { $0.name == name || $0.value.has(name) }
        case .array(let elements): elements.contains { $0.has(name) }
        case .text(let template): template.text.contains(name)
        case .scalar: false
        }
    }
}

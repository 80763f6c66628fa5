// SPDX-License-Identifier: Apache-2.0

/// Text with `${namespace.name}` places. There is nothing else to it: no operators, no code.
struct Template: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        case text(String)
        case place(Place)
    }

    /// What a place may name.
    struct Place: Sendable, Hashable {
        enum Namespace: String, Sendable, CaseIterable {
            case config
            case secret
            case parent
            /// The bounds of the window that is read: `start` and `end`.
            case slice
            case cursor
            /// The object that is asked for.
            case id
            /// A watch that is asked for, or ended: `id`, `token`, `address` and `resource`.
            case watch
            /// What an action takes.
            case input
            /// What an action has besides: `key`, `message` and `message_id`.
            case action

            /// Whether the namespace is a value by itself.
            var isValue: Bool { self == .cursor || self == .id }
        }

        let namespace: Namespace
        /// Empty where the namespace is the value.
        let name: String

        var text: String {
            namespace.isValue ? "${\(namespace.rawValue)}" : "${\(namespace.rawValue).\(name)}"
        }
    }

    struct ParseError: Error, Equatable {
        let message: String
    }

    let parts: [Part]

    /// The place that is all of it; nil for anything else.
    var onlyPlace: Place? {
        if parts.count == 1, case .place(let place) = parts[0] { place } else { nil }
    }

    /// Text without places.
    init(literal text: String) {
        parts = [.text(text)]
    }

    init(_ text: String) throws(ParseError) {
        var parts: [Part] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            if open.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<open.lowerBound]))) }
            guard let close = rest[open.upperBound...].firstIndex(of: "}") else {
                throw ParseError(message: "'${' has no '}'")
            }
            parts.append(.place(try Self.place(rest[open.upperBound..<close])))
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
    }

    /// The template as it was written.
    var text: String {
        parts.reduce(into: "") { text, part in
            switch part {
            case .text(let piece): text += piece
            case .place(let place): text += place.text
            }
        }
    }

    var places: [Place] {
        parts.compactMap { if case .place(let place) = $0 { place } else { nil } }
    }

    /// Whether it is nothing but a setting that the integration leaves empty, by the text that it became. What such a value would
    /// be sent as is left out.
    func isUnset(_ text: String) -> Bool { text.isEmpty && onlyPlace?.namespace == .config }

    /// The text with each place filled in by `value`; throws what `value` throws.
    func filled<Failure: Error>(_ value: (Place) throws(Failure) -> String) throws(Failure) -> String {
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .place(let place): result += try value(place)
            }
        }
        return result
    }

    private static func place(_ text: Substring) throws(ParseError) -> Place {
        let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let unknown = ParseError(
            message: "'${\(text)}' is unknown; allowed: ${config.NAME}, ${secret.NAME}, ${parent.NAME}, "
                + "${cursor}, ${slice.start}, ${slice.end}, ${id}, ${watch.id}, ${watch.token}, ${watch.address}, ${watch.resource}, "
                + "${input.NAME}, ${action.key}, ${action.message}, ${action.message_id}")
        guard let namespace = Place.Namespace(rawValue: String(halves[0])) else { throw unknown }
        if namespace.isValue {
            guard halves.count == 1 else { throw unknown }
            return Place(namespace: namespace, name: "")
        }
        guard halves.count == 2, !halves[1].isEmpty,
            halves[1].utf8.allSatisfy({
                $0 == UInt8(ascii: "_") || Character(Unicode.Scalar($0)).isLetter
                    || Character(Unicode.Scalar($0)).isNumber
            }), namespace != .slice || ["start", "end"].contains(halves[1]),
            namespace != .watch || ["id", "token", "address", "resource"].contains(halves[1]),
            namespace != .action || ActionValues.names.contains(String(halves[1]))
        else { throw unknown }
        return Place(namespace: namespace, name: String(halves[1]))
    }
}

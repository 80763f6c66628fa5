// SPDX-License-Identifier: Apache-2.0

/// Why a control request is refused, in a sentence for the person who sent it.
struct ControlRefusal: Error {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    var response: SandboxResponse {
        SandboxResponse(status: 400, json: "{\"error\":\(JSONText.quoted(reason))}")
    }
}

/// The parameters of a control request: from its query, and from its body when that is a flat JSON object.
struct ControlParameters {
    private let values: [String: String]

    init(_ request: SandboxRequest, allowed: Set<String>) throws(ControlRefusal) {
        var values = request.query
        if !request.body.isEmpty {
            for (name, value) in try FlatJSON.parse(request.body) { values[name] = value }
        }
        if let unknown = values.keys.sorted().first(where: { !allowed.contains($0) }) {
            throw ControlRefusal(
                "'\(unknown)' is unknown here; known: \(allowed.sorted().joined(separator: ", "))")
        }
        self.values = values
    }

    func text(_ name: String) -> String? { values[name] }

    func integer(_ name: String, in range: ClosedRange<Int> = 0...1_000_000_000) throws(ControlRefusal)
        -> Int?
    {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ControlRefusal("'\(name)' is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func service() throws(ControlRefusal) -> SandboxService? {
        guard let text = values["service"] else { return nil }
        guard let service = SandboxService(rawValue: text) else {
            throw Self.oneOf("service", SandboxService.allCases.map(\.rawValue))
        }
        return service
    }

    func stream() throws(ControlRefusal) -> SandboxStream? {
        guard let text = values["stream"] else { return nil }
        let streams = SandboxStream.allCases.filter { $0.name == text }
        guard let first = streams.first else {
            throw Self.oneOf("stream", Set(SandboxStream.allCases.map(\.name)).sorted())
        }
        guard let service = try service() else {
            guard streams.count == 1 else {
                throw ControlRefusal(
                    "'\(text)' is a stream of \(streams.map(\.service.rawValue).joined(separator: " and ")); "
                        + "'service' says which")
            }
            return first
        }
        guard let stream = SandboxStream(text, of: service) else {
            throw ControlRefusal("the service '\(service.rawValue)' has no stream '\(text)'")
        }
        return stream
    }

    func flag(_ name: String) throws(ControlRefusal) -> Bool? {
        switch values[name] {
        case nil: nil
        case "1", "true": true
        case "0", "false": false
        default: throw Self.oneOf(name, ["0", "1"])
        }
    }

    /// Nil without a user, and for the user `all`.
    func user(_ configuration: SandboxConfiguration) throws(ControlRefusal) -> Int? {
        guard let text = values["user"], text != "all" else { return nil }
        guard let user = configuration.user(named: text) else {
            let last = configuration.name(ofUser: configuration.userCount)
            throw ControlRefusal(
                "there is no user '\(text)'; there are \(configuration.name(ofUser: 1)) … \(last), and 'all'")
        }
        return user
    }

    static func oneOf(_ name: String, _ values: [String]) -> ControlRefusal {
        ControlRefusal("'\(name)' is one of \(values.joined(separator: ", "))")
    }
}

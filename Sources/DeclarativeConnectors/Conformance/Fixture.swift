// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import HTTPTransport
import PageScanner
import Yams

/// What a provider answers, as its documentation shows it: requests with their responses, and what has to be in the copy
/// afterwards.
struct Fixture: Sendable {
    /// One request and its response.
    struct Exchange: Sendable {
        let request: FixtureRequest
        let status: Int
        let headers: [(name: String, value: String)]
        let body: [UInt8]
        /// Whether the exchange belongs to the incremental sync that follows the full one.
        let isIncremental: Bool
        /// Whether the request is answered so once, and then as the next exchange of the same request says.
        let isOnce: Bool
    }

    /// The copy of a stream.
    struct Expectation: Sendable {
        var full: Set<String> = []
        /// After the incremental sync; nil for a stream that has none in this fixture.
        var incremental: Set<String>?
    }

    var secrets: [String: String] = [:]
    var configuration: [String: String] = [:]
    var exchanges: [Exchange] = []
    /// Nil for a fixture of actions alone.
    var streams: [String: Expectation]? = [:]
    var actions: [ActionFixture] = []
    /// What stands between two fields, where the stream that is checked is read from tables.
    var delimiter: UInt8?
}

/// A request, in the parts that tell it from others.
struct FixtureRequest: Sendable, Equatable, CustomStringConvertible {
    let method: String
    let path: String
    /// `NAME=VALUE`, decoded and sorted.
    let query: [String]
    let headers: [String]
    let body: JSONTree?

    var description: String {
        var text = "\(method) \(path)"
        if !query.isEmpty { text += "?" + query.joined(separator: "&") }
        if !headers.isEmpty { text += " [" + headers.joined(separator: ", ") + "]" }
        if let body { text += " " + String(decoding: body.bytes, as: UTF8.self) }
        return text
    }

    /// Whether this asks for another page of the same list: only the parameter that tells pages from each other is another.
    func continues(_ other: FixtureRequest, by parameter: RequestParameter?) -> Bool {
        guard method == other.method, path == other.path, let parameter else { return false }
        let differences = Set(query).symmetricDifference(other.query)
        switch parameter.place {
        case .query:
            return body == other.body && differences.allSatisfy { $0.hasPrefix(parameter.name + "=") }
        case .body, .header: return differences.isEmpty
        }
    }

    init(method: String, target: String, headers: [String], body: JSONTree?) {
        self.method = method
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = URLText.decoded(halves[0])
        query =
            halves.count < 2
            ? [] : halves[1].split(separator: "&").map { URLText.decoded($0) }.sorted()
        self.headers = headers
        self.body = body?.sorted
    }
}

extension JSONTree {
    /// The same with the members of each object in the order of their names: two that mean the same are equal.
    var sorted: JSONTree {
        switch self {
        case .scalar: self
        case .array(let elements): .array(elements.map(\.sorted))
        case .object(let members):
            .object(
                members.map { Member(name: $0.name, value: $0.value.sorted) }.sorted { $0.name < $1.name })
        }
    }

    /// Reads JSON, or YAML; nil for what is neither.
    init?(yaml text: String) {
        do {
            guard let node = try Yams.compose(yaml: text) else { return nil }
            self.init(node)
        } catch {
            return nil
        }
    }

    init(_ node: Node) {
        switch node {
        case .mapping(let mapping):
            self = .object(mapping.map { Member(name: $0.key.string ?? "", value: JSONTree($0.value)) })
        case .sequence(let list): self = .array(list.map { JSONTree($0) })
        case .scalar(let scalar): self = .scalar(JSONScalar(scalar))
        default: self = .scalar(.null)
        }
    }
}

/// Reads a fixture.
enum FixtureLoader {
    static func load(_ text: String, file: String) throws(ManifestError) -> Fixture {
        let problems = ProblemList(file: file)
        let node = try ManifestLoader.parse(text, problems)
        var fixture = Fixture()
        if let root = MappingReader(
            node, path: "", keys: ["secrets", "config", "exchanges", "streams", "actions"], problems: problems
        ) {
            fixture.secrets = texts(root, "secrets")
            fixture.configuration = texts(root, "config")
            fixture.actions = ActionFixtureLoader(root: root).load()
            if root.has("exchanges") || root.has("streams") || !root.has("actions") {
                fixture.exchanges = exchanges(root)
                fixture.streams = streams(root)
            } else {
                fixture.streams = nil
            }
        }
        guard problems.problems.isEmpty else { throw ManifestError(problems: problems.problems) }
        return fixture
    }

    static func texts(_ root: MappingReader, _ key: String) -> [String: String] {
        guard case .mapping(let mapping)? = root.node(key) else { return [:] }
        return Dictionary(
            mapping.compactMap { name, value in
                name.string.flatMap { name in value.scalar.map { (name, $0.string) } }
            },
            uniquingKeysWith: { first, _ in first })
    }

    private static func exchanges(_ root: MappingReader) -> [Fixture.Exchange] {
        guard case .sequence(let list)? = root.node("exchanges"), !list.isEmpty else {
            root.complain("exchanges", "has to be a list of requests with their responses")
            return []
        }
        return list.enumerated().compactMap { index, node in
            let keys = [
                "request", "with", "headers", "status", "response_headers", "response", "text", "base64",
                "incremental", "once",
            ]
            guard
                let reader = MappingReader(
                    node, path: "exchanges[\(index)]", keys: keys, problems: root.problems),
                let line = reader.text("request", required: true)
            else { return nil }
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else {
                reader.complain("request", "has to be METHOD TARGET, such as GET /v1/items?limit=2")
                return nil
            }
            let body: [UInt8] =
                reader.text("text", mayBeEmpty: true).map { Array($0.utf8) } ?? bytes(reader, "base64")
                ?? reader.node("response").map { JSONTree($0).bytes } ?? []
            return Fixture.Exchange(
                request: FixtureRequest(
                    method: String(words[0]), target: String(words[1]),
                    headers: texts(reader, "headers").map { "\($0.key.lowercased()): \($0.value)" }.sorted(),
                    body: reader.node("with").map { JSONTree($0) }),
                status: reader.integer("status", in: 100...599) ?? 200,
                headers: texts(reader, "response_headers").map { ($0.key, $0.value) }, body: body,
                isIncremental: reader.bool("incremental") ?? false, isOnce: reader.bool("once") ?? false)
        }
    }

    /// Bytes that are no text, such as gzip.
    private static func bytes(_ reader: MappingReader, _ key: String) -> [UInt8]? {
        guard let text = reader.text(key) else { return nil }
        guard let bytes = Base64.standard.decode(text) else {
            reader.complain(key, "has to be base64")
            return nil
        }
        return bytes
    }

    private static func streams(_ root: MappingReader) -> [String: Fixture.Expectation] {
        guard case .mapping(let mapping)? = root.node("streams") else {
            root.complain("streams", "has to be a mapping of stream names to the ids that a copy has")
            return [:]
        }
        var streams: [String: Fixture.Expectation] = [:]
        for (name, value) in mapping {
            let name = name.string ?? ""
            guard
                let reader = MappingReader(
                    value, path: "streams.\(name)", keys: ["full", "incremental"], problems: root.problems)
            else { continue }
            streams[name] = Fixture.Expectation(
                full: Set(reader.words("full")),
                incremental: reader.has("incremental") ? Set(reader.words("incremental")) : nil)
        }
        return streams
    }
}

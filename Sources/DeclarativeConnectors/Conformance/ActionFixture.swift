// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import PageScanner
import Yams

/// One wish to have an action done, what is sent for it, and what comes of it.
struct ActionFixture: Sendable {
    /// One request and its answer.
    struct Exchange: Sendable {
        /// Its headers are those that have to be there; others may be too.
        let request: FixtureRequest
        let status: Int
        let headers: [(name: String, value: String)]
        let body: [UInt8]
    }

    /// The question whether an earlier request took effect, and the two answers.
    struct LookUp: Sendable {
        let request: FixtureRequest
        let found: [UInt8]
        let missing: [UInt8]
        /// What the action gives when it was found.
        let result: JSONTree
    }

    /// How an action ends.
    enum Status: String, Sendable, CaseIterable {
        case succeeded
        case failed
        case unknown
    }

    /// What has to come of it.
    struct Expectation: Sendable {
        let status: Status
        /// Nil where the fixture does not say.
        let result: JSONTree?
        let code: String?
        let message: String?
    }

    let action: String
    /// Tells it from other cases of the action.
    let name: String
    let input: JSONTree
    let exchanges: [Exchange]
    let lookUp: LookUp?
    let expectation: Expectation

    /// The key of every wish of a fixture.
    static let key = String(repeating: "0f", count: 32)
}

/// Reads the `actions` of a fixture.
struct ActionFixtureLoader {
    let root: MappingReader

    static let keys = ["action", "name", "input", "message", "exchanges", "look_up", "expect"]

    func load() -> [ActionFixture] {
        guard let node = root.node("actions") else { return [] }
        guard case .sequence(let list) = node, !list.isEmpty else {
            root.complain("actions", "has to be a list of actions with their requests")
            return []
        }
        return list.enumerated().compactMap { index, node in
            MappingReader(
                node, path: "actions[\(index)]", keys: Self.keys, problems: root.problems
            ).flatMap { fixture($0, number: index + 1) }
        }
    }

    private func fixture(_ reader: MappingReader, number: Int) -> ActionFixture? {
        let places = Places(message: reader.text("message"))
        let exchanges = exchanges(reader, places)
        guard let action = reader.text("action", required: true),
            let expectation = expectation(reader)
        else { return nil }
        return ActionFixture(
            action: action, name: reader.text("name") ?? "case \(number)",
            input: reader.node("input").map { JSONTree($0) } ?? .object([]), exchanges: exchanges,
            lookUp: lookUp(reader, places), expectation: expectation)
    }

    /// What stands in a fixture for values that nobody can write by hand.
    private struct Places {
        let values: [(place: String, value: String)]

        /// `message` is the mail that has to be sent, with line feeds alone.
        init(message: String?) {
            let id = EmailMessage.id(of: ActionFixture.key)
            let own = [("${action.key}", ActionFixture.key), ("${action.message_id}", id)]
            let mail = Self.filled(message ?? "", own)
            let bytes = mail.utf8.flatMap { $0 == UInt8(ascii: "\n") ? [0x0D, 0x0A] : [$0] }
            values = own + [("${action.message}", Base64.urlSafe.encode(bytes))]
        }

        func fill(_ text: String) -> String { Self.filled(text, values) }

        func fill(_ tree: JSONTree) -> JSONTree {
            switch tree {
            case .object(let members):
                .object(members.map { JSONTree.Member(name: $0.name, value: fill($0.value)) })
            case .array(let elements): .array(elements.map { fill($0) })
            case .scalar(.string(let text)): .scalar(.string(fill(text)))
            case .scalar: tree
            }
        }

        private static func filled(_ text: String, _ values: [(place: String, value: String)]) -> String {
            values.reduce(text) { text, pair in text.replacing(pair.place, with: pair.value) }
        }
    }

    private func exchanges(_ reader: MappingReader, _ places: Places) -> [ActionFixture.Exchange] {
        guard case .sequence(let list)? = reader.node("exchanges"), !list.isEmpty else {
            reader.complain("exchanges", "has to be a list of requests with their answers")
            return []
        }
        let keys = ["request", "with", "form", "headers", "status", "response_headers", "response", "text"]
        return list.enumerated().compactMap { index, node in
            guard
                let exchange = MappingReader(
                    node, path: "\(reader.keyPath("exchanges"))[\(index)]", keys: keys,
                    problems: root.problems),
                let request = request(exchange, places)
            else { return nil }
            return ActionFixture.Exchange(
                request: request, status: exchange.integer("status", in: 100...599) ?? 200,
                headers: FixtureLoader.texts(exchange, "response_headers").map { ($0.key, $0.value) },
                body: exchange.text("text", mayBeEmpty: true).map { Array($0.utf8) }
                    ?? exchange.node("response").map { JSONTree($0).bytes } ?? [])
        }
    }

    private func request(_ reader: MappingReader, _ places: Places) -> FixtureRequest? {
        guard let line = reader.text("request", required: true) else { return nil }
        let words = line.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else {
            reader.complain("request", "has to be METHOD TARGET, such as POST /v1/items")
            return nil
        }
        if reader.has("with"), reader.has("form") {
            reader.complain("form", "stands beside 'with'; a request has one body")
        }
        let body = (reader.node("with") ?? reader.node("form")).map { places.fill(JSONTree($0)) }
        return FixtureRequest(
            method: String(words[0]), target: places.fill(String(words[1])),
            headers: FixtureLoader.texts(reader, "headers").map {
                "\($0.key.lowercased()): \(places.fill($0.value))"
            }.sorted(), body: reader.has("form") ? body.map(ActionWire.texts) : body)
    }

    private func lookUp(_ reader: MappingReader, _ places: Places) -> ActionFixture.LookUp? {
        guard
            let lookUp = reader.mapping(
                "look_up", keys: ["request", "headers", "with", "form", "found", "missing", "result"]),
            let request = request(lookUp, places)
        else { return nil }
        guard let found = lookUp.node("found"), let missing = lookUp.node("missing") else {
            lookUp.complain("found", "and missing are the two answers; both have to be there")
            return nil
        }
        return ActionFixture.LookUp(
            request: request, found: JSONTree(found).bytes, missing: JSONTree(missing).bytes,
            result: lookUp.node("result").map { JSONTree($0) } ?? .object([]))
    }

    private func expectation(_ reader: MappingReader) -> ActionFixture.Expectation? {
        guard
            let expect = reader.mapping(
                "expect", keys: ["status", "result", "code", "message"], required: true),
            let status = expect.word("status", ActionFixture.Status.self, required: true)
        else { return nil }
        if status != .failed, expect.has("message") {
            expect.complain("message", "means nothing for '\(status.rawValue)'; the user is told of failures")
        }
        return ActionFixture.Expectation(
            status: status, result: expect.node("result").map { JSONTree($0) }, code: expect.text("code"),
            message: expect.text("message"))
    }
}

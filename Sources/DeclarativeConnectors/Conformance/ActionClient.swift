// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// A request of an action in the form that fixtures are compared by.
enum ActionWire {
    /// The request, with all its headers.
    static func read(_ request: HTTPRequest, _ baseURL: String) -> FixtureRequest {
        let target =
            request.url.hasPrefix(baseURL) ? String(request.url.dropFirst(baseURL.count)) : request.url
        let type = request.headers.first { $0.name.lowercased() == "content-type" }?.value ?? ""
        let text = request.body.map { String(decoding: $0, as: UTF8.self) }
        return FixtureRequest(
            method: request.method, target: target,
            headers: request.headers.map { "\($0.name.lowercased()): \($0.value)" }.sorted(),
            body: type.hasPrefix("application/x-www-form-urlencoded")
                ? text.map(form) : text.flatMap { JSONTree(yaml: $0) })
    }

    /// Whether a request is the one that a fixture names.
    static func matches(_ sent: FixtureRequest, _ expected: FixtureRequest) -> Bool {
        sent.method == expected.method && sent.path == expected.path && sent.query == expected.query
            && sent.body == expected.body && Set(expected.headers).isSubset(of: sent.headers)
    }

    /// Form fields as an object; a name that comes several times has a list.
    private static func form(_ text: String) -> JSONTree {
        var fields: [(name: String, values: [JSONTree])] = []
        for pair in text.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { half in URLText.decoded(half.replacing("+", with: "%20")[...]) }
            let value = JSONTree.scalar(.string(halves.count > 1 ? halves[1] : ""))
            if let index = fields.firstIndex(where: { $0.name == halves[0] }) {
                fields[index].values.append(value)
            } else {
                fields.append((halves[0], [value]))
            }
        }
        return .object(
            fields.map { field in
                JSONTree.Member(
                    name: field.name, value: field.values.count == 1 ? field.values[0] : .array(field.values))
            })
    }

    /// The same with texts for numbers and truth values, as a form has them.
    static func texts(_ tree: JSONTree) -> JSONTree {
        switch tree {
        case .object(let members):
            .object(members.map { JSONTree.Member(name: $0.name, value: texts($0.value)) })
        case .array(let elements): .array(elements.map(texts))
        case .scalar(let scalar): .scalar(.string(scalar.text ?? ""))
        }
    }
}

/// A provider made of one action's fixture, with one thing wrong at its first request. It answers in the process.
final class ActionClient: ProviderClient {
    /// What is wrong with the provider.
    enum Fault: Sendable, Equatable {
        case none
        /// The first request is refused with 429.
        case limited
        /// The first request is answered with 500.
        case failing
        /// The first request's connection is cut after it was sent.
        case cut
        /// The first request's connection is never made.
        case unreachable
        /// The first request is answered with markup and status 200.
        case markup
    }

    private struct State {
        var sent: [FixtureRequest] = []
        var lookUps = 0
        var confirmed = 0
        var used: Set<Int> = []
        var unknown: FixtureRequest?
    }

    private let fixture: ActionFixture
    private let fault: Fault
    private let isFound: Bool
    private let state = LockedBox(State())
    static let baseURL = FixtureClient.baseURL

    /// `isFound` is what a look-up says.
    init(_ fixture: ActionFixture, fault: Fault = .none, isFound: Bool = false) {
        self.fixture = fixture
        self.fault = fault
        self.isFound = isFound
    }

    /// The requests that were sent for the action itself, with all their headers.
    var sent: [FixtureRequest] { state.withLock { $0.sent } }
    /// How often it was looked up.
    var lookUps: Int { state.withLock { $0.lookUps } }
    /// How often it was asked whether a request may be sent.
    var confirmed: Int { state.withLock { $0.confirmed } }
    /// A request that the fixture has no answer to.
    var unknown: FixtureRequest? { state.withLock { $0.unknown } }
    /// A request of the fixture that was never sent.
    var unused: FixtureRequest? {
        let used = state.withLock { $0.used }
        return fixture.exchanges.indices.first { !used.contains($0) }.map { fixture.exchanges[$0].request }
    }

    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        if let confirm = request.confirm {
            try await confirm()
            state.withLock { $0.confirmed += 1 }
        }
        let asked = ActionWire.read(request.http, Self.baseURL)
        let outcome = state.withLock { answer(to: asked, &$0) }
        if let failure = request.reading.failure(of: outcome) { throw failure }
        return try request.response(outcome)
    }

    private func answer(to request: FixtureRequest, _ state: inout State) -> Result<HTTPResponse, HTTPError> {
        if let lookUp = fixture.lookUp, ActionWire.matches(request, lookUp.request) {
            state.lookUps += 1
            return .success(Self.response(200, [], isFound ? lookUp.found : lookUp.missing))
        }
        state.sent.append(request)
        let matching = fixture.exchanges.indices.filter {
            ActionWire.matches(request, fixture.exchanges[$0].request)
        }
        guard let index = matching.first(where: { !state.used.contains($0) }) ?? matching.last else {
            state.unknown = state.unknown ?? request
            return .success(Self.response(404, [], Array(#"{"error":"the fixture has no answer"}"#.utf8)))
        }
        if state.sent.count == 1, let answer = Self.broken(fault) { return answer }
        state.used.insert(index)
        let exchange = fixture.exchanges[index]
        return .success(Self.response(exchange.status, exchange.headers, exchange.body))
    }

    private static func broken(_ fault: Fault) -> Result<HTTPResponse, HTTPError>? {
        switch fault {
        case .none: nil
        case .limited: .success(response(429, [("Retry-After", "1")], Array("{}".utf8)))
        case .failing: .success(response(500, [], Array("{}".utf8)))
        case .cut: .failure(HTTPError(.reset, "the connection was cut", requestWasSent: true))
        case .unreachable: .failure(HTTPError(.connect, "no connection could be made"))
        case .markup: .success(response(200, [], Array("<!doctype html><title>Sign in</title>".utf8)))
        }
    }

    private static func response(
        _ status: Int, _ headers: [(name: String, value: String)], _ body: [UInt8]
    ) -> HTTPResponse {
        HTTPResponse(status: status, headers: HTTPHeaders(headers), body: body, url: baseURL)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// A provider made of a fixture, with one thing wrong at a time. It answers in the process: nothing is sent.
final class FixtureClient: ProviderClient {
    /// What is wrong with the provider.
    enum Fault: Sendable, Equatable {
        case none
        /// Each request is refused twice with 429 before it is answered.
        case storm
        /// The response with this number ends in its middle.
        case truncated(Int)
        /// The response with this number is markup with status 200.
        case markup(Int)
        /// The response with this number is an empty object.
        case emptied(Int)
        /// The response with this number never comes.
        case dropped(Int)
        /// The response with this number is the one before once more.
        case repeated(Int)
        /// Each request with a cursor is refused.
        case refused(status: Int)
        /// The records of each page stand in the opposite order.
        case reversed(JSONPointer)
    }

    private struct State {
        var count = 0
        var refusals: [String: Int] = [:]
        var last: HTTPResponse?
        var requests: [FixtureRequest] = []
        var unknown: FixtureRequest?
    }

    private let fixture: Fixture
    private let fault: Fault
    private let isIncremental: Bool
    private let page: RequestParameter?
    private let state = LockedBox(State())
    static let baseURL = "http://fixture"
    /// The headers that tell requests from each other; all others belong to the manifest as a whole.
    private let headers: Set<String>

    /// `page` is the parameter that tells the pages of a list from each other, where one does.
    init(
        _ fixture: Fixture, isIncremental: Bool = false, fault: Fault = .none, page: RequestParameter? = nil
    ) {
        self.page = page
        self.fixture = fixture
        self.fault = fault
        self.isIncremental = isIncremental
        headers = Set(
            fixture.exchanges.flatMap(\.request.headers).map { String($0.prefix { $0 != ":" }) })
    }

    /// What was asked for, in order.
    var requests: [FixtureRequest] { state.withLock { $0.requests } }
    /// A request that the fixture has no answer to.
    var unknown: FixtureRequest? { state.withLock { $0.unknown } }

    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        let asked = read(request.http)
        let outcome = state.withLock { answer(to: asked, &$0) }
        if let failure = request.reading.failure(of: outcome) { throw failure }
        return try request.response(outcome)
    }

    private func read(_ request: HTTPRequest) -> FixtureRequest {
        let target =
            request.url.hasPrefix(Self.baseURL)
            ? String(request.url.dropFirst(Self.baseURL.count)) : request.url
        let told = request.headers.filter { headers.contains($0.name.lowercased()) }
            .map { "\($0.name.lowercased()): \($0.value)" }.sorted()
        return FixtureRequest(
            method: request.method, target: target, headers: told,
            body: request.body.flatMap { JSONTree(yaml: String(decoding: $0, as: UTF8.self)) })
    }

    private func answer(to request: FixtureRequest, _ state: inout State) -> Result<HTTPResponse, HTTPError> {
        if fault == .storm, state.refusals[request.description, default: 0] < 2 {
            state.refusals[request.description, default: 0] += 1
            return .success(Self.response(429, headers: [("Retry-After", "1")], Array("{}".utf8)))
        }
        let before = state.requests.last
        state.requests.append(request)
        let matching = fixture.exchanges.filter { $0.request == request }
        guard let exchange = matching.first(where: { $0.isIncremental == isIncremental }) ?? matching.first
        else {
            state.unknown = state.unknown ?? request
            return .success(Self.response(404, Array(#"{"error":"the fixture has no answer"}"#.utf8)))
        }
        state.count += 1
        var answer = Self.response(exchange.status, headers: exchange.headers, exchange.body)
        switch fault {
        case .truncated(state.count): answer = answer.with(Array(answer.body.prefix(answer.body.count / 2)))
        case .markup(state.count): answer = answer.with(Array("<!doctype html><title>Sign in</title>".utf8))
        case .emptied(state.count):
            answer = Self.response(
                200, headers: exchange.headers.filter { $0.name == "Date" }, Array("{}".utf8))
        case .dropped(state.count): return .success(Self.response(503, []))
        case .repeated(state.count) where before.map({ request.continues($0, by: page) }) ?? false:
            answer = state.last ?? answer
        case .refused(let status): answer = Self.response(status, Array("{}".utf8))
        case .reversed(let records): answer = answer.with(Self.reversed(answer.body, records))
        default: break
        }
        state.last = answer
        return .success(answer)
    }

    private static func response(
        _ status: Int, headers: [(name: String, value: String)] = [], _ body: [UInt8]
    ) -> HTTPResponse {
        HTTPResponse(status: status, headers: HTTPHeaders(headers), body: body, url: baseURL)
    }

    private static func reversed(_ body: [UInt8], _ records: JSONPointer) -> [UInt8] {
        guard var tree = JSONTree(yaml: String(decoding: body, as: UTF8.self)) else { return body }
        tree.reverse(at: records.tokens[...])
        return tree.bytes
    }
}

extension HTTPResponse {
    fileprivate func with(_ body: [UInt8]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: body, url: url)
    }
}

extension JSONTree {
    /// Turns the array at a place around.
    fileprivate mutating func reverse(at tokens: ArraySlice<String>) {
        guard let token = tokens.first else {
            if case .array(let elements) = self { self = .array(elements.reversed()) }
            return
        }
        guard case .object(var members) = self, let index = members.firstIndex(where: { $0.name == token })
        else {
            return
        }
        members[index].value.reverse(at: tokens.dropFirst())
        self = .object(members)
    }
}

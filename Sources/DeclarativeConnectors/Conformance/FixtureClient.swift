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
        /// The request of the response with this number is refused for good.
        case gone(Int, status: Int)
        /// The response with this number has its own records, and the way on of the one before.
        case stuck(Int, PageRule.Kind)
        /// All records have this value at a place.
        case tied(JSONPointer, JSONPointer, String)
        /// The first record of the response with this number has moved to a page that was read before.
        case drifted(Int, JSONPointer)
        /// The object of this id is not there any more.
        case deleted(JSONPointer, id: [JSONPointer], String)
    }

    private struct State {
        var count = 0
        var refusals: [String: Int] = [:]
        var last: HTTPResponse?
        /// What is refused for good.
        var refused: FixtureRequest?
        var requests: [FixtureRequest] = []
        var unknown: FixtureRequest?
        /// The exchanges that come once and have come.
        var spent: Set<Int> = []
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

    /// Those of the sync that is on come first.
    private func exchange(for request: FixtureRequest, _ state: inout State) -> Fixture.Exchange? {
        let matching = fixture.exchanges.indices.filter {
            fixture.exchanges[$0].request == request && !state.spent.contains($0)
        }
        guard
            let index = matching.first(where: { fixture.exchanges[$0].isIncremental == isIncremental })
                ?? matching.first
        else { return nil }
        if fixture.exchanges[index].isOnce { state.spent.insert(index) }
        return fixture.exchanges[index]
    }

    private func answer(to request: FixtureRequest, _ state: inout State) -> Result<HTTPResponse, HTTPError> {
        if fault == .storm, state.refusals[request.description, default: 0] < 2 {
            state.refusals[request.description, default: 0] += 1
            return .success(Self.response(429, headers: [("Retry-After", "1")], Array("{}".utf8)))
        }
        let before = state.requests.last
        state.requests.append(request)
        guard let exchange = exchange(for: request, &state) else {
            state.unknown = state.unknown ?? request
            return .success(Self.response(404, Array(#"{"error":"the fixture has no answer"}"#.utf8)))
        }
        state.count += 1
        if case .gone(state.count, _) = fault { state.refused = request }
        if case .gone(_, let status) = fault, state.refused == request {
            return .success(Self.response(status, Array(#"{"error":"gone"}"#.utf8)))
        }
        var answer = Self.response(exchange.status, headers: exchange.headers, exchange.body)
        do throws(HTTPError) {
            if case .truncated(state.count) = fault { answer = try ended(answer) }
            answer = try answer.decodingGzip(atMost: HTTPRequest(url: Self.baseURL).maxBodyBytes)
        } catch {
            return .failure(error)
        }
        switch fault {
        case .markup(state.count): answer = answer.with(Array("<!doctype html><title>Sign in</title>".utf8))
        case .emptied(state.count):
            answer = Self.response(
                200, headers: exchange.headers.filter { $0.name == "Date" }, Array("{}".utf8))
        case .dropped(state.count): return .success(Self.response(503, []))
        case .repeated(state.count) where before.map({ request.continues($0, by: page) }) ?? false:
            answer = state.last ?? answer
        case .refused(let status): answer = Self.response(status, Array("{}".utf8))
        case .reversed(let records): answer = answer.with(changed(answer.body) { $0.reverse(records) })
        case .stuck(state.count, let kind): answer = FixtureMutation.stuck(answer, state.last, kind)
        case .tied(let records, let place, let value):
            answer = answer.with(changed(answer.body) { $0.tie(records, place, value) })
        case .drifted(state.count, let records):
            answer = answer.with(changed(answer.body) { $0.dropFirst(records) })
        case .deleted(let records, let id, let gone):
            answer = answer.with(changed(answer.body) { $0.delete(records, id, gone) })
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

    /// A response that ends in its middle. Half a table may be a table: what tells is that fewer bytes came than were announced.
    private func ended(_ answer: HTTPResponse) throws(HTTPError) -> HTTPResponse {
        if fixture.delimiter != nil {
            throw HTTPError(.truncated, "the response ended in its middle", requestWasSent: true)
        }
        return answer.with(Array(answer.body.prefix(answer.body.count / 2)))
    }

    private func changed(_ body: [UInt8], _ change: (inout JSONTree) -> Void) -> [UInt8] {
        if let delimiter = fixture.delimiter {
            return FixtureTable.changed(body, delimiter: delimiter, change)
        }
        guard var tree = JSONTree(yaml: String(decoding: body, as: UTF8.self)) else { return body }
        change(&tree)
        return tree.bytes
    }
}

extension HTTPResponse {
    func with(_ body: [UInt8]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: body, url: url)
    }
}

// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import Testing

@testable import Gateway

@Suite struct `An idempotency key that was taken over` {
    /// A request that does not end before the test says so.
    private struct Slow {
        let begun = AsyncStream.makeStream(of: Void.self)
        let end = AsyncStream.makeStream(of: GatewayResponse?.self)

        /// Answers what the test gives; nil: it refuses.
        func route(_ api: ApiRoutes) -> Route {
            api.write("/slow") { _ in
                begun.continuation.yield()
                var answers = end.stream.makeAsyncIterator()
                guard let answer = await answers.next() ?? nil else {
                    throw Problem(409, "too_slow", "It came to nothing.")
                }
                return answer
            }
        }

        func waitUntilBegun() async {
            var notices = begun.stream.makeAsyncIterator()
            await notices.next()
        }
    }

    /// What the key means now: a request that would be answered at once.
    private static func ask(_ api: ApiRoutes) async throws -> GatewayResponse {
        try await api.write("/slow") { _ in GatewayResponse(status: 200, body: Array("another".utf8)) }
            .handler(request())
    }

    private static func request() -> GatewayRequest {
        GatewayRequest(
            method: "POST", path: "/api/v1/slow",
            headers: HTTPHeaders([
                ("Authorization", "Bearer \(ApiFixture.token)"), ("Idempotency-Key", "k-1"),
            ]), id: "r-1")
    }

    private static func text(_ response: GatewayResponse) -> String {
        guard case .bytes(let bytes) = response.body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func run(
        first: GatewayResponse?
    ) async throws {
        try await ApiFixture.run { fixture in
            let (slow, quick) = (Slow(), Slow())
            let held = Task { try await slow.route(fixture.api).handler(request()) }
            await slow.waitUntilBegun()
            // Too early: it is still the first one's.
            let early = await #expect(throws: Problem.self) {
                try await ask(fixture.api)
            }
            #expect(early?.code == "under_way")

            try await fixture.sql(
                "UPDATE lockstep.idempotency_keys SET created_at = created_at - interval '61 seconds'")
            let taker = Task { try await quick.route(fixture.api).handler(request()) }
            await quick.waitUntilBegun()

            // The first one ends while the second is under way.
            slow.end.continuation.yield(first)
            let outcome = await held.result
            if let first {
                #expect(try text(outcome.get()) == text(first))
            } else {
                #expect(throws: Problem.self) { try outcome.get() }
            }
            let meanwhile = await #expect(throws: Problem.self) {
                try await ask(fixture.api)
            }
            #expect(meanwhile?.code == "under_way")

            quick.end.continuation.yield(GatewayResponse(status: 202, body: Array("second".utf8)))
            #expect(try await text(taker.value) == "second")
            let again = try await ask(fixture.api)
            #expect(again.status == 202 && text(again) == "second")
            #expect(again.headers.contains { $0.name == "Idempotent-Replayed" })
        }
    }

    @Test func `is not answered for by the one that was too slow`() async throws {
        try await Self.run(first: GatewayResponse(status: 200, body: Array("first".utf8)))
    }

    @Test func `is not given back by the one that was too slow`() async throws {
        try await Self.run(first: nil)
    }
}

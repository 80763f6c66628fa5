// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `Objects that are fetched one by one` {
    private static let stream = """
            path: /items
            page: { kind: none }
            hydrate: { path: "/items/${id}", gone: [404] }
            absence: full_run
        """

    @Test func `may be thousands of one page: it is asked for again before too many are remembered`()
        async throws
    {
        let names = (1...1_150).map { #"{"id":"\#($0)"}"# }.joined(separator: ",")
        let provider = try Provider(manifest(Self.stream)) { request in
            let path = request.target.split(separator: "/")
            return path.last == "items"
                ? json(#"{"data":[\#(names)]}"#) : json(#"{"id":"\#(path.last ?? "")"}"#)
        }
        let reader = try provider.strategy().fullSync(of: .whole, resumingAt: nil)
        var ids: [String] = []
        var looks = 0
        while true {
            let page = try await reader.nextPage()
            ids += page.scanned.records.map {
                String(decoding: page.scanned.identifiers[$0.identifierRange], as: UTF8.self)
            }
            if page.listed != nil {
                looks += 1
                // The second look is at a page that is known: no list that goes in circles.
                #expect(page.continuesListed == (looks > 1))
            }
            if case .end = page.continuation { break }
        }
        #expect(ids == (1...1_150).map(String.init))
        #expect(looks == 2)
        #expect(provider.targets.count { $0.hasSuffix("/items") } == 2)
    }

    /// What a response has that is smaller than a worker reads, and larger than a record.
    @Test func `are no page of megabytes when they are too large to be stored`() async throws {
        let text = String(repeating: "x", count: 3 << 19)
        let provider = try Provider(manifest(Self.stream)) { request in
            request.target.hasSuffix("/items")
                ? json(#"{"data":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"}]}"#)
                : json(#"{"id":"\#(request.target.split(separator: "/").last ?? "")","text":"\#(text)"}"#)
        }
        let page = try await provider.strategy().fullSync(of: .whole, resumingAt: nil).nextPage()
        #expect(page.scanned.rejected.map(\.reason) == [.tooLarge, .tooLarge, .tooLarge, .tooLarge])
        #expect(page.scanned.rejected.compactMap(\.namedID) == ["a", "b", "c", "d"].map { Array($0.utf8) })
        #expect(page.scanned.body.count < 1_000)
    }

    @Test func `are not rejected when it is a list that is too large, which others may have made so`()
        async throws
    {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    fetch: { path: /history, query: { from: "${id}" }, records: /messages, complete: { pointer: /more, equals: false } }
                """)
        ) { _ in
            let text = String(repeating: "x", count: 3 << 20)
            return json(#"{"more":false,"messages":[{"id":"a"},{"id":"b","text":"\#(text)"}]}"#)
        }
        let reader = try #require(
            try provider.strategy(answerBytes: 2 << 20).realTimeSync(of: .whole, objects: ["a"]))
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.code == "body_too_large")
    }

    /// What cannot be had is a token: its endpoint answers with megabytes.
    private struct TokenlessClient: ProviderClient {
        func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
            throw ConnectorError(
                .transient, code: "body_too_large", userMessage: "Later.", operatorDetail: "no token")
        }
    }

    @Test func `are not rejected when it is an answer for a token that is too large`() async throws {
        let strategy = try ManifestLoader.load(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                    fetch: { path: "/items/${id}" }
                """), file: "demo.yaml"
        ).strategy(
            for: "items",
            access: ProviderAccess(
                client: TokenlessClient(), secrets: ["api_key": SecretString("k")], configuration: [:],
                baseURL: "http://127.0.0.1:1"))
        let reader = try #require(strategy.realTimeSync(of: .whole, objects: ["a"]))
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.errorClass == .transient)
    }

    /// No request can name it, and no record can have it.
    @Test func `are not asked for by an id that is too long`() async throws {
        let long = String(repeating: "i", count: 2_001)
        let provider = try Provider(manifest(Self.stream)) { request in
            request.target.hasSuffix("/items")
                ? json(#"{"data":[{"id":"a"},{"id":"\#(long)"}]}"#) : json(#"{"id":"a"}"#)
        }
        let page = try await provider.strategy().fullSync(of: .whole, resumingAt: nil).nextPage()
        #expect(page.scanned.records.count == 1)
        #expect(page.unnamed.map(\.reason) == [.idTooLong])
        #expect(provider.targets.count == 2)
    }

    @Test func `are rejected one by one when they are too large, and named`() async throws {
        let provider = try Provider(manifest(Self.stream)) { request in
            let path = request.target.split(separator: "/")
            guard path.last != "items" else { return json(#"{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#) }
            let size = path.last == "b" ? 3 << 20 : 10
            return json(#"{"id":"\#(path.last ?? "")","text":"\#(String(repeating: "x", count: size))"}"#)
        }
        // As a worker bounds the answer, and as a tool reads it.
        for limit in [2 << 20, 16 << 20] {
            let page = try await provider.strategy(answerBytes: limit).fullSync(of: .whole, resumingAt: nil)
                .nextPage()
            #expect(page.scanned.records.count == 2)
            #expect(page.scanned.rejected.map(\.reason) == [.tooLarge])
            #expect(page.scanned.rejected.first?.namedID == Array("b".utf8))
            #expect(page.continuation == .end(.singlePage))
        }
    }
}

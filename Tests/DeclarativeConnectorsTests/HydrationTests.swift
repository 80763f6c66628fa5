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

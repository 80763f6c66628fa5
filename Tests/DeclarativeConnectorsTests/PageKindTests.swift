// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `A list of a manifest` {
    private static func read(_ provider: Provider, size: Int? = nil) async throws -> Enumeration {
        let configuration = size.map { ["page_size": "\($0)"] } ?? [:]
        return try await Enumeration(
            provider.strategy(configuration: configuration).fullSync(of: .whole, resumingAt: nil))
    }

    @Test func `may be asked for by POST, with the token in the body`() async throws {
        let provider = try Provider(
            manifest(
                """
                    method: POST
                    path: /search
                    body: { filter: { kind: "${config.kind}", deep: [1, 2.50, true, null, "7"] }, limit: 1 }
                    page: { kind: token, token: /next, parameter: /page/token, in: body, end: "null", size_parameter: limit, size: 50 }
                """)
        ) { request in
            let isFirst = !String(decoding: request.body, as: UTF8.self).contains("token")
            return json(
                isFirst ? #"{"data":[{"id":"a"}],"next":"p\"1"}"# : #"{"data":[{"id":"b"}],"next":null}"#)
        }
        let reader = try provider.strategy(configuration: ["kind": "x\"y", "page_size": "20"])
            .fullSync(of: .whole, resumingAt: nil)
        #expect(try await Enumeration(reader).pages == [["a"], ["b"]])
        let requests = provider.server.log.requests
        #expect(requests.map(\.method) == ["POST", "POST"])
        #expect(requests.first?.header("Content-Type") == "application/json")
        let bodies = requests.map { String(decoding: $0.body, as: UTF8.self) }
        let filter = #"{"filter":{"kind":"x\"y","deep":[1,2.50,true,null,"7"]},"limit":20"#
        #expect(bodies == [filter + "}", filter + #","page":{"token":"p\"1"}}"#])
    }

    @Test func `may go on by a header of the response and of the request`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: token, token: header:X-Next, parameter: X-Continue, in: header, end: missing }
                """)
        ) { request in
            request.header("X-Continue") == nil
                ? json(#"{"data":[{"id":"a"}]}"#, headers: "x-next: t1\r\n")
                : json(#"{"data":[{"id":"b"}]}"#)
        }
        #expect(try await Self.read(provider).pages == [["a"], ["b"]])
        #expect(provider.server.log.requests.last?.header("X-Continue") == "t1")
    }

    @Test func `may go on by a URL in a header`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: next_url, url: header:X-Next-Url, end: missing }
                """)
        ) { request in
            request.target == "/api/items"
                ? json(#"{"data":[{"id":"a"}]}"#, headers: "X-Next-Url: /api/items?after=a\r\n")
                : json(#"{"data":[{"id":"b"}]}"#)
        }
        #expect(try await Self.read(provider).pages == [["a"], ["b"]])
        #expect(provider.targets == ["/api/items", "/api/items?after=a"])
    }

    @Test func `of numbered pages is read up to its total, however few records a page has`() async throws {
        // A hundred are asked for; the provider gives fifty at most, of a hundred and twenty.
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: page_number, parameter: page, end: { total: /total }, size_parameter: size, size: 100 }
                """)
        ) { request in
            let number = (1...3).first { request.target.contains("page=\($0)") } ?? 4
            let records = (1...120).dropFirst((number - 1) * 50).prefix(50).map { "{\"id\":\($0)}" }
            return json("{\"data\":[\(records.joined(separator: ","))],\"total\":120}")
        }

        let read = try await Self.read(provider)

        #expect(read.pages.map(\.count) == [50, 50, 20])
        #expect(read.end == .totalReached)
        // A reader that goes on where another one stopped knows what came before it.
        let first = try await provider.strategy().fullSync(of: .whole, resumingAt: nil).nextPage()
        guard case .next(let position) = first.continuation else {
            Issue.record("the list ended with its first page")
            return
        }
        let rest = try await Enumeration(provider.strategy().fullSync(of: .whole, resumingAt: position))
        #expect(rest.pages.map(\.count) == [50, 20])
    }

    /// Fifty at most where a hundred are asked for; the third page's are counted and not shown.
    @Test func `of numbered pages is not over at an empty one in its middle, however many were asked for`()
        async throws
    {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: page_number, parameter: page, end: { total: /total }, size_parameter: size, size: 100 }
                """)
        ) { request in
            let number = (1...4).first { request.target.contains("page=\($0)") } ?? 5
            let records = number == 3 ? [] : ((number - 1) * 50..<number * 50).map { "{\"id\":\($0)}" }
            return json("{\"data\":[\(records.joined(separator: ","))],\"total\":200}")
        }

        let error = await #expect(throws: ConnectorError.self) { try await Self.read(provider) }

        #expect(error?.code == "contradictory_page")
    }

    @Test(arguments: [
        ("short_page: documented", TerminalCondition.shortPage), ("total: /total", .totalReached),
    ])
    func `of answers is counted with the question that it leaves out`(
        end: String, expected: TerminalCondition
    ) async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: none }
                  answers:
                    parent: { stream: items, values: { item: /id } }
                    path: "/items/${parent.item}/answers"
                    records: /data
                    id: /id
                    skip_id: "${parent.item}"
                    page: { kind: page_number, parameter: page, end: { \(end) }, size_parameter: size, size: 3 }
                """)
        ) { request in
            // The question is the first of five records.
            let number = (1...2).first { request.target.contains("page=\($0)") } ?? 3
            let records = ["q", "a", "b", "c", "d"].dropFirst((number - 1) * 3).prefix(3)
            return json(
                "{\"data\":[\(records.map { "{\"id\":\"\($0)\"}" }.joined(separator: ","))],\"total\":5}")
        }
        let slice = StreamSlice(partition: "q", values: ["item": "q"])
        let read = try await Enumeration(
            provider.strategy("answers").fullSync(of: slice, resumingAt: nil))
        #expect(read.pages == [["a", "b"], ["c", "d"]])
        #expect(read.end == expected)
    }

    @Test func `may be a connection of GraphQL`() async throws {
        let provider = try Provider(
            """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            errors: [ { pointer: /errors/0/message, class: rejected } ]
            streams:
              items:
                method: POST
                path: /graphql
                body: { query: "query($first: Int, $after: String) { items }", variables: { team: 7 } }
                records: /data/items/nodes
                id: /id
                page: { kind: graphql_cursor, page_info: /data/items/pageInfo, variable: after, size_variable: first, size: 50 }
            """
        ) { request in
            let isFirst = !String(decoding: request.body, as: UTF8.self).contains("c1")
            let info = #""pageInfo":{"hasNextPage":\#(isFirst),"endCursor":"c\#(isFirst ? 1 : 2)"}"#
            return json(#"{"data":{"items":{"nodes":[{"id":"\#(isFirst ? "a" : "b")"}],\#(info)}}}"#)
        }
        let read = try await Self.read(provider)
        #expect(read.pages == [["a"], ["b"]])
        #expect(read.end == .hasMoreFalse)
        let last = provider.server.log.requests.last.map { String(decoding: $0.body, as: UTF8.self) } ?? ""
        #expect(last.hasSuffix(#""variables":{"team":7,"first":50,"after":"c1"}}"#))
    }

    @Test func `may be lines, an object of records, or lack its records`() async throws {
        let lines = try Provider(
            """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            streams:
              items: { path: /export, layout: ndjson, id: /id, page: { kind: none } }
            """
        ) { _ in json("{\"id\":1}\n{\"id\":2}\n") }
        #expect(try await Self.read(lines).pages == [["1", "2"]])

        let keyed = try Provider(
            manifest(
                """
                    path: /items
                    keys_as_field: id
                    records_optional: true
                    page: { kind: token, token: /next, parameter: t, end: missing }
                """)
        ) { request in
            request.target.contains("t=1") ? json(#"{"n":0}"#) : json(#"{"data":{"u1":{"n":1}},"next":1}"#)
        }
        #expect(try await Self.read(keyed).pages == [["u1"], []])
    }

    @Test func `repeats a parameter that has a list of values`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    query: { "types[]": [a, "b c"], n: 1 }
                    page: { kind: none }
                """)
        ) { _ in json(#"{"data":[]}"#) }
        _ = try await Self.read(provider)
        #expect(provider.targets == ["/api/items?types%5B%5D=a&types%5B%5D=b%20c&n=1"])
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `A list that is asked by time` {
    private static let byRecords = manifest(
        """
            path: /items
            page: { kind: token, token: /next, parameter: after, end: absent }
            incremental:
              { kind: time_param, parameter: since, cursor: /updated, format: epoch_seconds, until_parameter: until, compare: inclusive }
        """)

    @Test func `sends the cursor with every page, and tells the newest of each`() async throws {
        let provider = try Provider(Self.byRecords) { request in
            request.target.contains("after=")
                ? json(#"{"data":[{"id":"c","updated":250}]}"#)
                : json(#"{"data":[{"id":"a","updated":200},{"id":"b","updated":300}],"next":"p 2"}"#)
        }
        let reader = try provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: "150", order: 150_000_000), resumingAt: nil)

        let first = try await reader.nextPage()
        #expect(first.cursor == Cursor(text: "300", order: 300_000_000))
        guard case .next(let position) = first.continuation else {
            Issue.record("the first page is not the last one")
            return
        }
        let second = try await reader.nextPage()
        #expect(second.cursor == Cursor(text: "250", order: 250_000_000))
        guard case .end = second.continuation else {
            Issue.record("the list goes on after its last page")
            return
        }
        #expect(provider.targets == ["/api/items?since=150", "/api/items?since=150&after=p%202"])

        // A reader that takes over asks for the same page in the same way.
        let other = try provider.strategy().incrementalSync(
            of: .whole, since: Cursor(text: "150", order: 150_000_000), resumingAt: position)
        #expect(try await other.nextPage().scanned.records.count == 1)
        #expect(provider.targets.last == "/api/items?since=150&after=p%202")
    }

    @Test func `is narrowed by a backfill, and read whole by a full sync`() async throws {
        let provider = try Provider(Self.byRecords) { _ in json(#"{"data":[]}"#) }
        let strategy = try provider.strategy()
        let backfill = try #require(
            strategy.backfill(
                of: .whole, since: Timestamp(seconds: 100), until: Timestamp(seconds: 200), resumingAt: nil))
        _ = try await backfill.nextPage()
        _ = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
        #expect(provider.targets == ["/api/items?since=100&until=200", "/api/items"])
    }

    @Test func `that is compared by the day is narrowed from the day before`() async throws {
        let byDay = Self.byRecords.replacing(
            "compare: inclusive", with: "compare: exclusive, granularity: 1d")
        let provider = try Provider(byDay) { _ in json(#"{"data":[]}"#) }
        let backfill = try #require(
            provider.strategy().backfill(
                of: .whole, since: Timestamp(seconds: 100_000), until: nil, resumingAt: nil))
        _ = try await backfill.nextPage()
        #expect(provider.targets == ["/api/items?since=13600"])
    }

    private static let byDate = manifest(
        """
            path: /items
            page: { kind: token, token: /next, parameter: after, end: absent }
            incremental:
              { kind: time_param, parameter: since, cursor: response_date, format: epoch_seconds, lag: 60s, compare: inclusive }
        """)

    @Test func `and by the clock of the provider keeps the time of the first page`() async throws {
        let provider = try Provider(Self.byDate) { request in
            request.target.contains("after=")
                ? json(#"{"data":[{"id":"b"}]}"#, headers: "Date: Sun, 06 Nov 1994 09:49:37 GMT\r\n")
                : json(
                    #"{"data":[{"id":"a"}],"next":"2"}"#, headers: "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
        }
        let expected = Cursor(text: "784111777", order: 784_111_777_000_000)
        let first = try await provider.strategy().fullSync(of: .whole, resumingAt: nil).nextPage()
        #expect(first.cursor == expected)
        guard case .next(let position) = first.continuation else {
            Issue.record("the first page is not the last one")
            return
        }

        // Also where another reader takes over, whose first response is an hour younger.
        let second = try await provider.strategy().fullSync(of: .whole, resumingAt: position).nextPage()
        #expect(second.cursor == expected)
    }

    @Test func `and by a clock that the provider does not tell ends the run`() async throws {
        let provider = try Provider(Self.byDate) { _ in json(#"{"data":[]}"#) }
        let reader = try provider.strategy().fullSync(of: .whole, resumingAt: nil)
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.code == "date_header_missing")
    }
}

@Suite struct `A request of a manifest` {
    private static let plain = """
            path: /teams/${config.team}/items
            query: { expand: "a&b=${config.team}" }
            page: { kind: none }
        """

    private static func request(_ auth: String) async throws -> ScriptedServer.Request? {
        let provider = try Provider(manifest(plain, auth: auth)) { _ in json(#"{"data":[]}"#) }
        let strategy = try provider.strategy(configuration: ["team": "ä/1"])
        _ = try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage()
        return provider.server.log.requests.first
    }

    @Test func `encodes values in paths and queries`() async throws {
        let request = try await Self.request("")
        #expect(request?.target == "/api/teams/%C3%A4%2F1/items?expand=a%26b%3D%C3%A4%2F1")
        #expect(request?.header("Accept") == "application/json")
        #expect(request?.header("Authorization") == nil)
    }

    @Test(
        arguments: [
            (#"auth: { kind: bearer, token: "${secret.api_key}" }"#, "Authorization", "Bearer k 1"),
            (#"auth: { kind: header, name: X-Key, value: "key=${secret.api_key}" }"#, "X-Key", "key=k 1"),
            (
                #"auth: { kind: basic, username: "${secret.api_key}", password: "" }"#, "Authorization",
                "Basic ayAxOg=="
            ),
        ])
    func `proves who asks by a header`(auth: String, header: String, value: String) async throws {
        #expect(try await Self.request(auth)?.header(header) == value)
    }

    @Test func `proves who asks in the query`() async throws {
        let request = try await Self.request(#"auth: { kind: query, name: key, value: "${secret.api_key}" }"#)
        #expect(request?.target.hasSuffix("&key=k%201") == true)
    }

    @Test(arguments: [[:], ["team": "a\r\nX-Evil: 1"]])
    func `is not made without a usable value`(configuration: [String: String]) throws {
        let provider = try Provider(manifest(Self.plain)) { _ in json(#"{"data":[]}"#) }
        let error = #expect(throws: ConnectorError.self) {
            try provider.strategy(configuration: configuration)
        }
        #expect(error?.code == "missing_value")
        #expect(error?.operatorDetail.contains("config.team") == true)
        #expect(provider.targets.isEmpty)
    }

    @Test(
        arguments: [
            "https://evil.example/items?page=2", "http://127.0.0.1:1/items", "//evil.example/items",
        ])
    func `never takes the credential to another host`(url: String) async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: next_url, url: /next, end: absent }
                """, auth: #"auth: { kind: bearer, token: "${secret.api_key}" }"#)
        ) { _ in json(#"{"data":[{"id":"a"}],"next":"\#(url)"}"#) }
        let reader = try provider.strategy().fullSync(of: .whole, resumingAt: nil)
        _ = try await reader.nextPage()
        let error = await #expect(throws: ConnectorError.self) { try await reader.nextPage() }
        #expect(error?.code == "foreign_next_url")
        #expect(provider.targets == ["/api/items"])
    }

    @Test func `follows a next URL of its own host, relative or not`() async throws {
        let provider = try Provider(
            manifest(
                """
                    path: /items
                    page: { kind: next_url, url: /next, end: absent }
                """)
        ) { request in
            switch request.target {
            case "/api/items": json(#"{"data":[{"id":"a"}],"next":"/api/more?x=1"}"#)
            case "/api/more?x=1":
                json(#"{"data":[{"id":"b"}],"next":"http://\#(request.header("Host") ?? "")/api/last"}"#)
            default: json(#"{"data":[{"id":"c"}]}"#)
            }
        }
        let reader = try provider.strategy().fullSync(of: .whole, resumingAt: nil)
        for _ in 1...3 { _ = try await reader.nextPage() }
        #expect(provider.targets == ["/api/items", "/api/more?x=1", "/api/last"])
    }
}

// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import TestSupport
import Testing

@Suite struct `A request` {
    @Test func `carries its method, headers and body`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let request = HTTPRequest(
            method: "PATCH", url: server.url("/v1/a%20b?q=%22"),
            headers: [
                (name: "Authorization", value: "Bearer t"), (name: "Content-Type", value: "application/json"),
                (name: "X-Empty", value: ""),
            ], body: Array(#"{"a":1}"#.utf8))

        _ = try await makeClient(for: server).send(request)

        let received = try #require(server.log.requests.first)
        #expect(received.method == "PATCH")
        #expect(received.target == "/v1/a%20b?q=%22")
        #expect(received.body == Array(#"{"a":1}"#.utf8))
        #expect(received.header("Authorization") == "Bearer t")
        #expect(received.header("Content-Type") == "application/json")
        #expect(received.header("X-Empty") == "")
        #expect(received.header("User-Agent") == "lockstep")
        #expect(received.header("Host") == server.origin)
    }

    @Test func `with form fields is encoded as browsers do`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let request = HTTPRequest.form(
            url: server.url(),
            fields: [
                (name: "grant_type", value: "refresh_token"), (name: "a b", value: "1&2=3+4/é"),
                (name: "empty", value: ""),
            ])

        _ = try await makeClient(for: server).send(request)

        let received = try #require(server.log.requests.first)
        #expect(received.method == "POST")
        #expect(received.header("Content-Type") == "application/x-www-form-urlencoded")
        #expect(
            String(decoding: received.body, as: UTF8.self)
                == "grant_type=refresh_token&a+b=1%262%3D3%2B4%2F%C3%A9&empty=")
    }

    @Test(arguments: [0, 1, 3_000_000])
    func `with a body sends it at once, with its length and no guessed type`(_ count: Int) async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let body = [UInt8](repeating: 0, count: count)

        _ = try await makeClient(for: server).send(HTTPRequest(method: "POST", url: server.url(), body: body))

        let received = try #require(server.log.requests.first)
        #expect(received.body == body)
        #expect(received.header("Content-Length") == "\(count)")
        #expect(received.header("Content-Type") == nil)
        #expect(received.header("Expect") == nil)
    }

    @Test func `leaves nothing behind for the next one on the same handle`() async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let client = makeClient(for: server)

        for (method, body) in [
            ("POST", Array("x".utf8)), ("GET", nil), ("DELETE", nil), ("OPTIONS", nil),
            ("PUT", Array("y".utf8)), ("POST", nil), ("GET", nil),
        ] as [(String, [UInt8]?)] {
            let headers = body == nil ? [] : [(name: "X-Secret", value: "1")]
            _ = try await client.send(
                HTTPRequest(method: method, url: server.url("/\(method)"), headers: headers, body: body))
        }

        for request in server.log.requests {
            #expect("/\(request.method)" == request.target)
            #expect((request.header("X-Secret") != nil) == !request.body.isEmpty)
        }
        #expect(server.log.requests.map { $0.body.count } == [1, 0, 0, 0, 1, 0, 0])
    }

    @Test(
        arguments: [
            "", "example.com", "//example.com/", "/path", "ftp://example.com/", "file:///etc/passwd",
            "gopher://127.0.0.1/", "http://", "http://user@example.com/", "http://user:pw@example.com/",
            "http://example.com:0/", "http://example.com:99999/", "http://exa mple.com/",
            "http://example.com/a b",
            "http://example.com/\r\nX: y", "http://example.com/\u{0}", "http://example.com/é", "http://[::1/",
        ])
    func `needs an absolute http URL without credentials`(_ url: String) async {
        #expect(await failure(of: HTTPRequest(url: url), with: makeClient())?.code == .invalidURL)
    }

    @Test(
        arguments: [
            ("X-A", "b\r\nX-B: c"), ("X-A", "b\nX-B: c"), ("X-A", "b\rc"), ("X-A", "b\u{0}"),
            ("X-A\r\nX-B", "c"),
            ("X A", "b"), ("X-A:", "b"), ("", "b"), ("Xé", "b"), ("Content-Length", "5"),
            ("host", "example.com"),
            ("Transfer-Encoding", "chunked"), ("Connection", "close"),
        ])
    func `cannot smuggle anything into its header section`(_ name: String, _ value: String) async throws {
        let server = try ScriptedServer { _ in [.reply()] }
        let request = HTTPRequest(url: server.url(), headers: [(name: name, value: value)])

        let error = await failure(of: request, with: makeClient(for: server))

        #expect(error?.code == .invalidRequest)
        #expect(server.log.accepted == 0)
    }

    @Test(arguments: ["", "GE T", "GET\r\nX: y", "CONNECT", "TRACE"])
    func `needs a method that makes sense`(_ method: String) async throws {
        let request = HTTPRequest(method: method, url: "http://example.com/")

        #expect(await failure(of: request, with: makeClient())?.code == .invalidRequest)
    }

    @Test func `needs a time limit`() async {
        var request = HTTPRequest(url: "http://example.com/")
        request.timeout = .zero

        #expect(await failure(of: request, with: makeClient())?.code == .invalidRequest)
    }
}

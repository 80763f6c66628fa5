// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import TestSupport
import Testing

@Suite struct `A response` {
    @Test(arguments: [200, 201, 304, 400, 401, 404, 410, 429, 500, 503])
    func `has its status and is no error, whatever the status`(_ status: Int) async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 \(status) Whatever\r\nContent-Length: 0\r\n\r\n")]
        }

        let response = try await makeClient(for: server).send(HTTPRequest(url: server.url("/v1/x?a=b")))

        #expect(response.status == status)
        #expect(response.url == server.url("/v1/x?a=b"))
        #expect(server.log.requests.first?.target == "/v1/x?a=b")
    }

    @Test func `has headers whose names are compared without case, several of one name too`() async throws {
        let fields =
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRETRY-AFTER:120 \r\n"
            + "Link: <https://a.example/?p=2>; rel=\"next\"\r\nlink: <https://a.example/?p=9>; rel=\"last\"\r\n"
            + "X-Empty:\r\nX-Latin: caf\u{e9}\r\nX-Folded: one\r\n  two\r\n"
        let server = try ScriptedServer { _ in [.reply(headers: fields)] }

        let headers = try await makeClient(for: server).send(HTTPRequest(url: server.url())).headers

        #expect(headers.first("Date") == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(headers.first("retry-after") == "120")
        #expect(headers.all("LINK").count == 2)
        #expect(headers.all("link").last == #"<https://a.example/?p=9>; rel="last""#)
        #expect(headers.first("x-empty") == "")
        #expect(headers.first("x-latin") == "caf\u{e9}")
        #expect(headers.first("x-folded") == "one two")
        #expect(headers.first("X-Absent") == nil)
        #expect(headers.count == 8)
        #expect(headers.pairs.first?.name == "Content-Length")
    }

    @Test func `may come in chunks, and its trailers are no headers`() async throws {
        let server = try ScriptedServer { _ in
            [
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
                .send("7;ext=1\r\n, world\r\n0\r\nRetry-After: 9\r\n\r\n"),
            ]
        }
        let client = makeClient(for: server)

        for _ in 0..<2 {
            let response = try await client.send(HTTPRequest(url: server.url()))
            #expect(response.text == "hello, world")
            #expect(response.headers.first("Retry-After") == nil)
        }
        #expect(server.log.accepted == 1)
    }

    @Test func `may end with the connection`() async throws {
        let server = try ScriptedServer { _ in [.send("HTTP/1.0 200 OK\r\n\r\nall of it"), .close] }

        #expect(try await makeClient(for: server).send(HTTPRequest(url: server.url())).text == "all of it")
    }

    @Test func `is decompressed`() async throws {
        let server = try ScriptedServer { request in
            guard request.header("Accept-Encoding")?.contains("gzip") == true else { return [.close] }
            return [.reply(headers: "Content-Encoding: gzip\r\n", body: Fixture.compressedPage)]
        }

        let response = try await makeClient(for: server).send(HTTPRequest(url: server.url()))

        #expect(response.body.count == Fixture.pageByteCount)
        #expect(response.text.hasPrefix(#"{"data":[{"id":0},{"id":1}"#))
        #expect(response.text.hasSuffix(#"{"id":49}]}"#))
    }

    @Test func `follows interim responses, whose headers are dropped`() async throws {
        let server = try ScriptedServer { _ in
            [
                .send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
                .reply(headers: "X-Final: yes\r\n"),
            ]
        }

        let response = try await makeClient(for: server).send(HTTPRequest(url: server.url()))

        #expect(response.status == 200)
        #expect(response.headers.first("Link") == nil)
        #expect(response.headers.first("X-Final") == "yes")
    }

    @Test func `to HEAD has the length in its headers and no body`() async throws {
        let server = try ScriptedServer { request in
            request.method == "HEAD"
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")] : [.reply()]
        }
        let client = makeClient(for: server)

        let head = try await client.send(HTTPRequest(method: "HEAD", url: server.url()))
        let get = try await client.send(HTTPRequest(url: server.url()))

        #expect(head.headers.first("content-length") == "999999999")
        #expect(head.body.isEmpty)
        #expect(get.text == "{}")
        #expect(server.log.accepted == 1)
    }

    @Test(arguments: [0, 1, 63, 64, 65, 100_000, 5_000_000])
    func `leaves room behind its body`(_ count: Int) async throws {
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        let chunked =
            count == 0
            ? "" : "\(String(count, radix: 16))\r\n\(String(decoding: body, as: UTF8.self))\r\n"
        let server = try ScriptedServer { request in
            request.target == "/plain"
                ? [.reply(body: body)]
                : [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunked)0\r\n\r\n")]
        }
        let client = makeClient(for: server)

        for target in ["/plain", "/chunked"] {
            let response = try await client.send(HTTPRequest(url: server.url(target)))
            #expect(response.body == body)
            #expect(response.body.capacity - response.body.count >= HTTPResponse.spareBodyCapacity)
        }
    }

    @Test func `that redirects is returned, not followed, and cookies are not kept`() async throws {
        let server = try ScriptedServer { _ in
            [.reply("302 Found", headers: "Location: /elsewhere\r\nSet-Cookie: session=1; Path=/\r\n")]
        }
        let client = makeClient(for: server)

        let response = try await client.send(HTTPRequest(url: server.url("/start")))
        _ = try await client.send(HTTPRequest(url: server.url("/again")))

        #expect(response.status == 302)
        #expect(response.headers.first("Location") == "/elsewhere")
        #expect(server.log.requests.map(\.target) == ["/start", "/again"])
        #expect(server.log.requests.last?.header("Cookie") == nil)
    }
}

enum Fixture {
    static let pageByteCount = 500
    /// `{"data":[{"id":0},…,{"id":49}]}` in gzip.
    static let compressedPage = decode(
        "H4sIAAAAAAACA0XROw7CQBAE0btsTMB0Nx/7KojAkhNyMst3J0BTm1XUb7R7jH37bmN9HeOzj/V6Xv5RHepwRzpuHfeOR8e"
            + "zY2FwTrNdjBfrxXyxXwCFUBCFIQzN+zGEIQxhCEMYwhCGMYzh+UgYxjCGMYxhDGMEIxjByPwJjGAEIxjByHK+zx9oBdcl9A"
            + "EAAA==")
    static let zerosByteCount = 200 * 1024
    /// 200 KiB of zero bytes in 233 bytes of gzip.
    static let compressedZeros = decode(
        "H4sIAAAAAAACA+3BAQ0AAADCoPdPbQ8HFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            + "AAAAAAAAAAAAE8GP0831QAgAwA=")

    private static func decode(_ text: String) -> [UInt8] {
        Data(base64Encoded: text).map(Array.init) ?? []
    }
}

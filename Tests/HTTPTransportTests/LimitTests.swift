// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import TestSupport
import Testing

@Suite struct `Limits` {
    @Test func `refuse a body that announces too much before it comes`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n{"), .hang]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .bodyTooLarge)
        try await eventually("the connection was kept") { server.log.ended == 1 }
    }

    @Test(arguments: [(1000, true), (1001, false)])
    func `of the body are exact`(_ count: Int, _ isAccepted: Bool) async throws {
        let body = [UInt8](repeating: 0x20, count: count)
        let server = try ScriptedServer { request in
            switch request.target {
            case "/length": [.reply(body: body)]
            case "/chunked":
                [
                    .send(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(count, radix: 16))\r\n"
                    ),
                    .send(body), .send("\r\n0\r\n\r\n"),
                ]
            default: [.send("HTTP/1.1 200 OK\r\n\r\n"), .send(body), .close]
            }
        }
        let client = makeClient(for: server)

        for target in ["/length", "/chunked", "/close"] {
            for keyPath in [\HTTPRequest.maxBodyBytes, \HTTPRequest.maxWireBytes] {
                var request = HTTPRequest(url: server.url(target))
                request[keyPath: keyPath] = 1000
                if isAccepted {
                    #expect(try await client.send(request).body.count == count)
                } else {
                    #expect(await failure(of: request, with: client)?.code == .bodyTooLarge)
                }
            }
        }
    }

    @Test func `cut the body of a refusal, whose status and headers count`() async throws {
        let server = try ScriptedServer { request in
            let status = request.target == "/announced" ? "429 Too Many Requests" : "503 Service Unavailable"
            let begin = "HTTP/1.1 \(status)\r\nRetry-After: 7\r\n"
            if request.target == "/announced" {
                return [.send(begin + "Content-Length: 9000000000000\r\n\r\n{"), .hang]
            }
            return [.send(begin + "\r\n"), .sendForever([UInt8](repeating: 0x20, count: 60_000))]
        }
        let client = makeClient(for: server)

        for (target, status) in [("/announced", 429), ("/endless", 503)] {
            var request = HTTPRequest(url: server.url(target))
            request.maxBodyBytes = 1_000_000
            let response = try await client.send(request)
            #expect(response.status == status)
            #expect(response.headers.first("Retry-After") == "7")
            #expect(response.body.count <= 1_000_000)
        }
        try await eventually("a connection was kept") { server.log.ended == 2 }
    }

    @Test func `cut any body where the request says that its status is enough`() async throws {
        let server = try ScriptedServer { request in
            switch request.target {
            case "/announced": [.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n{"), .hang]
            case "/gzip": [.reply(body: Fixture.compressedZeros)]
            default:
                [.send("HTTP/1.1 200 OK\r\n\r\n"), .sendForever([UInt8](repeating: 0x20, count: 60_000))]
            }
        }
        let client = makeClient(for: server)

        for target in ["/announced", "/gzip", "/endless"] {
            var request = HTTPRequest(url: server.url(target))
            request.maxBodyBytes = 10_000
            #expect(await failure(of: request, with: client)?.code == .bodyTooLarge)
            request.mayCutBody = true
            let response = try await client.send(request)
            #expect(response.status == 200)
            #expect(response.body.count <= 10_000)
        }
    }

    @Test func `stop a body without end`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\n\r\n"), .sendForever([UInt8](repeating: 0x20, count: 60_000))]
        }
        var request = HTTPRequest(url: server.url())
        request.maxBodyBytes = 1_000_000

        let error = await failure(of: request, with: makeClient(for: server))

        #expect(error?.code == .bodyTooLarge)
        // It is no server that did not answer.
        #expect(error?.status == 200)
        try await eventually("the connection was kept") { server.log.ended == 1 }
    }

    @Test func `stop a decompression bomb`() async throws {
        let server = try ScriptedServer { _ in
            [.reply(headers: "Content-Encoding: gzip\r\n", body: Fixture.compressedZeros)]
        }
        let client = makeClient(for: server)
        var request = HTTPRequest(url: server.url())
        request.maxWireBytes = 1000

        request.maxBodyBytes = Fixture.zerosByteCount
        #expect(try await client.send(request).body.count == Fixture.zerosByteCount)
        request.maxBodyBytes = Fixture.zerosByteCount - 1
        #expect(await failure(of: request, with: client)?.code == .bodyTooLarge)
    }

    @Test func `stop compressed bytes that decode to nothing`() async throws {
        // A gzip header, then empty stored blocks without end.
        let header: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
        let block: [UInt8] = [0, 0, 0, 0xff, 0xff]
        let server = try ScriptedServer { _ in
            [
                .send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"), .send(header),
                .sendForever(Array(repeatElement(block, count: 10_000).joined())),
            ]
        }
        var request = HTTPRequest(url: server.url())
        request.maxWireBytes = 1_000_000

        let error = await failure(of: request, with: makeClient(for: server))

        #expect(error?.code == .bodyTooLarge)
    }

    @Test func `of the number of headers are exact`() async throws {
        let server = try ScriptedServer { request in
            let count = Int(request.target.dropFirst()) ?? 0
            return [.reply(headers: String(repeating: "X-A: b\r\n", count: count - 1))]
        }
        let client = makeClient(for: server)

        let response = try await client.send(HTTPRequest(url: server.url("/\(HTTPHeaders.maxCount)")))
        let error = await failure(
            of: HTTPRequest(url: server.url("/\(HTTPHeaders.maxCount + 1)")), with: client)

        #expect(response.headers.count == HTTPHeaders.maxCount)
        #expect(error?.code == .headersTooLarge)
    }

    @Test(arguments: [70_000, 200_000, 2_000_000])
    func `refuse a header that is too long`(_ count: Int) async throws {
        let server = try ScriptedServer { _ in
            [.reply(headers: "X-Long: \(String(repeating: "a", count: count))\r\n")]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .headersTooLarge)
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
            ("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X-A: b\r\n"),
        ])
    func `stop headers, interim responses and trailers without end`(_ start: String, _ part: String)
        async throws
    {
        let server = try ScriptedServer { _ in
            [.send(start), .sendForever(Array(String(repeating: part, count: 1000).utf8))]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .headersTooLarge)
    }

    @Test func `of requests under way refuse one more`() async throws {
        let server = try ScriptedServer { _ in [.hang] }
        let client = makeClient(for: server) { $0.maxRequests = 2 }
        let url = server.url()
        let waiting = (0..<2).map { _ in Task { try await client.send(HTTPRequest(url: url)) } }
        try await eventually("the requests did not start") { server.log.requests.count == 2 }

        let error = await failure(of: HTTPRequest(url: url), with: client)

        #expect(error?.code == .overloaded)
        for task in waiting { task.cancel() }
        for task in waiting { _ = await task.result }
        // The places are free again.
        var request = HTTPRequest(url: url)
        request.timeout = .milliseconds(20)
        #expect(await failure(of: request, with: client)?.code == .timeout)
    }
}

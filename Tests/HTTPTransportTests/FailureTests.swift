// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import TestSupport
import Testing

@Suite struct `A request fails` {
    @Test func `when the body is shorter than announced`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\":"), .close]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .truncated)
        #expect(error?.requestWasSent == true)
    }

    @Test func `when the last chunk is missing`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), .close]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .truncated)
    }

    @Test func `when the connection is reset in the middle of the body`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), .reset]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .reset)
    }

    @Test func `when the connection ends without a response`() async throws {
        let server = try ScriptedServer { _ in [.close] }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .reset)
    }

    @Test func `when the peer says nothing until the deadline`() async throws {
        let server = try ScriptedServer { _ in [.hang] }
        var request = HTTPRequest(url: server.url())
        // Long enough for the request to be sent on a busy machine.
        request.timeout = .seconds(2)
        let start = ContinuousClock.now

        let error = await failure(of: request, with: makeClient(for: server))

        #expect(error?.code == .timeout)
        #expect(error?.requestWasSent == true)
        #expect(ContinuousClock.now - start >= .milliseconds(1_950))
        try await eventually("the connection was kept") { server.log.ended == 1 }
    }

    @Test func `when the body stops coming`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), .hang]
        }
        var request = HTTPRequest(url: server.url())
        request.timeout = .seconds(2)

        #expect(await failure(of: request, with: makeClient(for: server))?.code == .timeout)
    }

    @Test func `when the peer is too slow for too long`() async throws {
        let server = try ScriptedServer { _ in [.hang] }
        let client = makeClient(for: server) {
            $0.lowSpeedLimit = 1000
            $0.lowSpeedDuration = .seconds(1)
        }
        let start = ContinuousClock.now

        let error = await failure(of: HTTPRequest(url: server.url()), with: client)

        #expect(error?.code == .timeout)
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test func `when nobody listens`() async throws {
        let origin = try { try ScriptedServer { _ in [] }.origin }()
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: [origin])
        let client = makeClient { $0 = configuration }
        try await eventually("the port stays open") { !isListening(origin) }

        let error = await failure(of: HTTPRequest(url: "http://\(origin)/"), with: client)

        #expect(error?.code == .connect)
        #expect(error?.requestWasSent == false)
    }

    @Test func `when the host has no address`() async throws {
        let error = await failure(of: HTTPRequest(url: "http://nowhere.invalid/"), with: makeClient())

        #expect(error?.code == .dns)
        #expect(error?.requestWasSent == false)
    }

    @Test(arguments: ["not http at all\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"])
    func `when the peer does not speak HTTP`(_ greeting: String) async throws {
        let server = try ScriptedServer { _ in [.send(greeting), .close] }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .protocolViolation)
    }

    @Test func `when the content encoding is broken`() async throws {
        let server = try ScriptedServer { _ in
            [.reply(headers: "Content-Encoding: gzip\r\n", body: Array("this is not gzip".utf8))]
        }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == .protocolViolation)
    }

    @Test func `with a text that has no secrets in it`() async throws {
        let server = try ScriptedServer { _ in
            [.send("HTTP/1.1 200 OK\r\nX-A: s3cret\r\n\r\ns3cret"), .reset]
        }
        let client = makeClient(for: server)
        var request = HTTPRequest(
            method: "POST", url: server.url("/s3cret?token=s3cret"),
            headers: [(name: "Authorization", value: "Bearer s3cret")], body: Array("s3cret".utf8))

        let error = await failure(of: request, with: client)
        request.url = "http://s3cret:s3cret@\(server.origin)/s3cret"
        let invalid = await failure(of: request, with: client)
        request.url = server.url()
        request.headers.append((name: "X-B", value: "s3cret\r\nX-C: s3cret"))
        let refused = await failure(of: request, with: client)

        #expect(error?.code == .reset)
        #expect(invalid?.code == .invalidURL)
        #expect(refused?.code == .invalidRequest)
        for error in [error, invalid, refused].compactMap(\.self) {
            #expect(!"\(error) \(String(reflecting: error))".contains("s3cret"))
        }
        #expect(!"\(request) \(String(reflecting: request))".contains("s3cret"))
        var dumped = ""
        dump(request, to: &dumped)
        #expect(!dumped.contains("s3cret"))
    }

    private func isListening(_ origin: String) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = UInt16(origin.split(separator: ":").last.flatMap { UInt16($0) } ?? 0).bigEndian
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

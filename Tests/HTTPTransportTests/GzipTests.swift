// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import TestSupport
import Testing

@Suite struct `A body that is gzip and does not say so` {
    private static let text = #"{"data":[{"id":"a"},{"id":"b"}]}"#
    /// The text as gzip writes it.
    private static let bytes: [UInt8] = [
        0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3, 0xAB, 0x56, 0x4A, 0x49, 0x2C, 0x49, 0x54, 0xB2, 0x8A, 0xAE, 0x56,
        0xCA, 0x4C, 0x51, 0xB2, 0x52, 0x4A, 0x54, 0xAA, 0xD5, 0x81, 0x32, 0x93, 0x94, 0x6A, 0x63, 0x6B, 0x01,
        0x55, 0x1E, 0x03, 0x31, 0x20, 0, 0, 0,
    ]

    /// The bytes in pieces that arrive one after the other.
    private static func chunks(_ bytes: [UInt8], of size: Int) -> [ScriptedServer.Step] {
        [
            .send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
        ]
            + stride(from: 0, to: bytes.count, by: size).map { start in
                let piece = Array(bytes[start..<min(start + size, bytes.count)])
                return .send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
            } + [.send("0\r\n\r\n")]
    }

    private static func body(of steps: [ScriptedServer.Step]) async throws -> String {
        let server = try ScriptedServer { _ in steps }
        return try await makeClient(for: server).send(HTTPRequest(url: server.url("/export.json.gz"))).text
    }

    @Test(arguments: [1, 2, 3, 7, 46])
    func `is decoded, in whatever pieces it comes`(size: Int) async throws {
        #expect(try await Self.body(of: Self.chunks(Self.bytes, of: size)) == Self.text)
    }

    @Test func `may have several members`() async throws {
        #expect(try await Self.body(of: [.reply(body: Self.bytes + Self.bytes)]) == Self.text + Self.text)
    }

    @Test func `is decoded although another encoding was around it`() async throws {
        // Stored in a member of its own, which the header names.
        let outer = Self.stored(Self.bytes)
        #expect(
            try await Self.body(of: [.reply(headers: "Content-Encoding: gzip\r\n", body: outer)]) == Self.text
        )
    }

    private static let broken: [(body: [UInt8], code: HTTPError.Code)] = [
        (Array(bytes.prefix(bytes.count - 1)), .truncated), (Array(bytes.prefix(12)), .truncated),
        (Array(bytes.prefix(5)), .truncated), (bytes + [0x1F], .truncated), (bytes + [0], .protocolViolation),
        (bytes + Array("trailing".utf8), .protocolViolation),
        (Array(bytes.prefix(20)) + [0xFF, 0xFF] + Array(bytes.dropFirst(22)), .protocolViolation),
        (Array(bytes.dropLast(8)) + [0, 0, 0, 0] + Array(bytes.suffix(4)), .protocolViolation),
    ]

    @Test(arguments: broken.indices)
    func `is refused when it is broken`(index: Int) async throws {
        let (body, code) = Self.broken[index]
        let server = try ScriptedServer { _ in [.reply(body: body)] }

        let error = await failure(of: HTTPRequest(url: server.url()), with: makeClient(for: server))

        #expect(error?.code == code)
        #expect(error?.message.contains("gzip") == true, "\(error?.message ?? "")")
    }

    @Test func `counts as what it decodes to, and a bomb stops at the limit`() async throws {
        let server = try ScriptedServer { _ in [.reply(body: Fixture.compressedZeros)] }
        let client = makeClient(for: server)
        var request = HTTPRequest(url: server.url())
        request.maxWireBytes = 1000

        request.maxBodyBytes = Fixture.zerosByteCount
        #expect(try await client.send(request).body.count == Fixture.zerosByteCount)
        request.maxBodyBytes = Fixture.zerosByteCount - 1
        #expect(await failure(of: request, with: client)?.code == .bodyTooLarge)
        // The client goes on with the next request.
        request.maxBodyBytes = Fixture.zerosByteCount
        #expect(try await client.send(request).status == 200)
    }

    @Test(arguments: [[], [0x1F], [0x1F, 0x8B], [0x1F, 0x8B, 9, 1], Array("{}".utf8)] as [[UInt8]])
    func `is not what only begins a little like it`(body: [UInt8]) async throws {
        let server = try ScriptedServer { _ in [.reply(body: body)] }
        let client = makeClient(for: server)
        #expect(try await client.send(HTTPRequest(url: server.url())).body == body)
        #expect(
            try HTTPResponse(status: 200, headers: HTTPHeaders(), body: body, url: "http://a")
                .decodingGzip(atMost: 10).body == body)
    }

    /// gzip without compression.
    private static func stored(_ content: [UInt8]) -> [UInt8] {
        var crc = UInt32.max
        for byte in content {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> ($0 * 8) & 0xFF) } }
        let length = little(UInt32(content.count)).prefix(2)
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1] + length + length.map { ~$0 } + content + little(~crc)
            + little(UInt32(content.count))
    }
}

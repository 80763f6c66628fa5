// SPDX-License-Identifier: Apache-2.0

import Glibc
import TestSupport
import Testing

@Suite struct `A fault proxy` {
    /// A proxy before a server that answers each request, and a client of it.
    private func connected() throws -> (ScriptedServer, FaultProxy, RawClient) {
        let server = try ScriptedServer { _ in [.reply()] }
        let proxy = try FaultProxy(to: .port(server.port))
        return (server, proxy, try RawClient(port: proxy.port))
    }

    @Test func `passes bytes on, both ways, on many connections`() throws {
        let (server, proxy, client) = try connected()
        let other = try RawClient(port: proxy.port)

        #expect(client.ask() == .answer)
        #expect(other.ask() == .answer)
        #expect(client.ask() == .answer)
        #expect(proxy.accepted == 2)
        #expect(server.log.requests.count == 3)
    }

    @Test func `holds bytes back`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)

        proxy.delay(.milliseconds(150), [.toServer])
        proxy.delay(.milliseconds(150), [.toClient])
        let asked = ContinuousClock.now
        #expect(client.ask() == .answer)
        #expect(asked.duration(to: .now) >= .milliseconds(300))

        proxy.heal()
        #expect(client.ask() == .answer)
        #expect(server.log.requests.count == 3)
    }

    @Test func `cuts connections with a reset, and takes new ones`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)

        proxy.cut()

        #expect(client.receive() == .reset)
        #expect(try RawClient(port: proxy.port).ask() == .answer)
        #expect(server.log.accepted == 2)
    }

    @Test func `swallows what is sent, and a connection that lost bytes never speaks again`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)

        proxy.swallow()
        #expect(client.ask(within: 200) == .nothing)
        let during = try RawClient(port: proxy.port)
        #expect(during.ask(within: 200) == .nothing)
        proxy.heal()

        #expect(client.ask(within: 200) == .nothing)
        #expect(during.receive(within: 100) == .nothing)
        // The server was not told of anything: its side of the first connection is still open.
        #expect(server.log.requests.count == 1)
        #expect(server.log.ended == 0)
        #expect(try RawClient(port: proxy.port).ask() == .answer)
    }

    @Test func `swallows in one direction`() throws {
        let (server, proxy, client) = try connected()

        proxy.swallow([.toClient])
        #expect(client.ask(within: 300) == .nothing)

        #expect(server.log.requests.count <= 1)
        proxy.cut()
        #expect(client.receive() == .reset)
    }

    @Test func `closes one direction`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)

        proxy.halfClose(.toClient)

        #expect(client.receive() == .end)
        #expect(server.log.requests.count == 1)
    }

    @Test func `refuses new connections, keeps the others, and listens again at the same port`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)

        proxy.refuse()
        #expect(throws: RawClient.Refused.self) { try RawClient(port: proxy.port) }
        #expect(client.ask() == .answer)
        proxy.heal()

        #expect(try RawClient(port: proxy.port).ask() == .answer)
        #expect(server.log.accepted == 2)
    }

    @Test func `sends new connections to another server`() throws {
        let (server, proxy, client) = try connected()
        #expect(client.ask() == .answer)
        let other = try ScriptedServer { _ in [.reply()] }

        proxy.retarget(.port(other.port))

        #expect(client.ask() == .answer)
        #expect(try RawClient(port: proxy.port).ask() == .answer)
        #expect(server.log.requests.count == 2)
        #expect(other.log.requests.count == 1)
    }

    @Test func `passes large amounts on whole`() throws {
        let body = (0..<6_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let server = try ScriptedServer { _ in [.send(body), .close] }
        let proxy = try FaultProxy(to: .port(server.port))
        let client = try RawClient(port: proxy.port)

        client.send()

        #expect(client.receiveAll() == body)
    }
}

/// A blocking client of a TCP port.
private final class RawClient {
    struct Refused: Error {}

    enum Outcome: Equatable {
        case answer
        case nothing
        case end
        case reset
    }

    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let (descriptor, length) = (self.descriptor, socklen_t(MemoryLayout<sockaddr_in>.size))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard isConnected else {
            close(descriptor)
            throw Refused()
        }
    }

    deinit { close(descriptor) }

    func send() {
        let request = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        _ = Glibc.send(descriptor, request, request.count, Int32(MSG_NOSIGNAL))
    }

    func ask(within milliseconds: Int32 = 10_000) -> Outcome {
        send()
        return receive(within: milliseconds)
    }

    func receive(within milliseconds: Int32 = 10_000) -> Outcome {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, milliseconds) > 0 else { return .nothing }
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? .answer : count == 0 ? .end : .reset
    }

    func receiveAll() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return all }
            all += buffer[..<count]
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Model

/// An HTTP/1.1 server on a free port of 127.0.0.1 that answers with the exact bytes a test asks for, and
/// remembers what it was sent.
public final class ScriptedServer: Sendable {
    /// What the server was sent.
    public struct Request: Sendable {
        /// The method, as it came.
        public let method: String
        /// Path and query, as they came.
        public let target: String
        /// The headers, in the order in which they came.
        public let headers: [(name: String, value: String)]
        /// The body, as `Content-Length` says.
        public let body: [UInt8]
        /// The number of the connection, from 0.
        public let connection: Int
        /// The number of the request on its connection, from 0.
        public let index: Int

        /// The first header of this name, in whatever case.
        public func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// What the server does in answer to a request.
    public enum Step: Sendable {
        case send([UInt8])
        /// Sends until the peer closes the connection.
        case sendForever([UInt8])
        /// Says nothing until the peer closes the connection.
        case hang
        case close
        /// Closes with a TCP reset.
        case reset

        /// Sends text as it is.
        public static func send(_ text: String) -> Step { .send(Array(text.utf8)) }

        /// A whole response with a length.
        public static func reply(
            _ status: String = "200 OK", headers: String = "", body: [UInt8] = Array("{}".utf8)
        ) -> Step {
            .send(Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.count)\r\n\(headers)\r\n".utf8) + body)
        }
    }

    /// What happened so far.
    public struct Log: Sendable {
        /// Connections that were accepted.
        public var accepted = 0
        /// Connections that have ended.
        public var ended = 0
        /// The requests, in the order in which they were read.
        public var requests: [Request] = []
    }

    /// The port it listens on.
    public let port: Int
    private let listener: Int32
    private let handler: @Sendable (Request) -> [Step]
    private let state = LockedBox(Log())

    /// What happened so far.
    public var log: Log { state.withLock { $0 } }
    /// Host and port, as a URL and an address policy write them.
    public var origin: String { "127.0.0.1:\(port)" }

    /// The URL of a target.
    public func url(_ target: String = "/") -> String { "http://\(origin)\(target)" }

    /// Listens at once; each request is answered with the steps that the handler returns for it.
    public init(_ handler: @escaping @Sendable (Request) -> [Step]) throws {
        self.handler = handler
        // Not for child processes of other tests, which would keep the connections open.
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let isListening = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 512) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        port = Int(UInt16(bigEndian: address.sin_port))
        let (state, handler) = (state, handler)
        Thread.detachNewThread { Self.accept(from: listener, state, handler) }
    }

    deinit {
        // Ends the thread that accepts; those of connections end with them.
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private static func accept(
        from listener: Int32, _ state: LockedBox<Log>, _ handler: @escaping @Sendable (Request) -> [Step]
    ) {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            let number = state.withLock { log in
                log.accepted += 1
                return log.accepted - 1
            }
            Thread.detachNewThread {
                serve(Connection(socket: socket, number: number), state, handler)
                state.withLock { $0.ended += 1 }
            }
        }
        Glibc.close(listener)
    }

    private static func serve(
        _ connection: Connection, _ state: LockedBox<Log>, _ handler: @Sendable (Request) -> [Step]
    ) {
        var connection = connection
        while let request = connection.readRequest() {
            state.withLock { $0.requests.append(request) }
            for step in handler(request) {
                switch step {
                case .send(let bytes): _ = connection.send(bytes)
                case .sendForever(let bytes): while connection.send(bytes) {}
                case .hang: connection.waitForEnd()
                case .close: return connection.close()
                case .reset: return connection.reset()
                }
            }
        }
        connection.close()
    }
}

/// One connection of the server, read on its own thread.
private struct Connection {
    let socket: Int32
    let number: Int
    private var index = 0
    private var buffer: [UInt8] = []

    init(socket: Int32, number: Int) {
        self.socket = socket
        self.number = number
    }

    mutating func readRequest() -> ScriptedServer.Request? {
        var end: Int?
        while true {
            end = headEnd()
            if end != nil { break }
            guard fill() else { return nil }
        }
        guard let end else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(
            separator: "\r\n", omittingEmptySubsequences: true)
        buffer.removeFirst(end + 4)
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3 else { return nil }
        let headers = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                name: String(parts[0]),
                value: parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
            )
        }
        let length = headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
        while buffer.count < length {
            guard fill() else { return nil }
        }
        let body = Array(buffer.prefix(length))
        buffer.removeFirst(length)
        defer { index += 1 }
        return ScriptedServer.Request(
            method: String(words[0]), target: String(words[1]), headers: headers, body: body,
            connection: number, index: index)
    }

    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    mutating func waitForEnd() {
        while fill() {}
    }

    func close() {
        Glibc.close(socket)
    }

    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        Glibc.close(socket)
    }

    private func headEnd() -> Int? {
        guard buffer.count >= 4 else { return nil }
        return (0...(buffer.count - 4)).first { buffer[$0..<($0 + 4)].elementsEqual([13, 10, 13, 10]) }
    }

    private mutating func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(socket, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Requests that are sent when their time has come, whether the earlier ones were answered or not: what providers do. The wait of
/// a request that finds no free connection counts as its own.
struct OpenLoop {
    /// What came of it.
    struct Outcome {
        /// From the time at which a request was due to the end of its answer, in milliseconds, sorted.
        var milliseconds: [Double] = []
        /// Answers by status.
        var statuses: [Int: Int] = [:]
        var seconds = 0.0

        func quantile(_ share: Double) -> Double {
            milliseconds.isEmpty ? .nan : milliseconds[Int(Double(milliseconds.count - 1) * share)]
        }
    }

    /// How much later an answer may be seen than it came, in seconds.
    private static let grain = 0.0002

    private struct Connection {
        let socket: Int32
        var due: Double?
        var received: [UInt8] = []
    }

    let port: Int
    let connections: Int
    let perSecond: Double

    /// Sends the requests, whole and as they are, with one thread. An answer has to have no body, or a `Content-Length`.
    func run(_ requests: [[UInt8]]) throws -> Outcome {
        var open: [Connection] = []
        defer { for connection in open { close(connection.socket) } }
        for _ in 0..<connections { open.append(Connection(socket: try connect())) }
        var outcome = Outcome()
        outcome.milliseconds.reserveCapacity(requests.count)
        var free = Array(open.indices)
        var (next, answered) = (0, 0)
        let start = Self.now()
        while answered < requests.count {
            // The one that was free for the longest: none is idle for so long that the gateway closes it.
            while next < requests.count, let index = free.first {
                let due = Double(next) / perSecond
                guard Self.now() - start >= due else { break }
                free.removeFirst()
                open[index].due = due
                try send(requests[next], to: open[index].socket)
                next += 1
            }
            var polled = open.map {
                pollfd(fd: $0.due == nil ? -1 : $0.socket, events: Int16(POLLIN), revents: 0)
            }
            let left = Double(next) / perSecond - (Self.now() - start)
            let wait = free.isEmpty || next == requests.count ? 0.005 : max(0, min(left, 0.005))
            let ready = poll(&polled, nfds_t(polled.count), Int32(wait * 1_000))
            guard ready >= 0 || errno == EINTR else { throw BenchFailure("poll: \(errno)") }
            // Shorter than a millisecond; a loop that never slept would take a core from what it measures.
            if ready == 0, wait > 0, wait < 0.001 { usleep(useconds_t(min(wait, Self.grain) * 1e6)) }
            for index in polled.indices where polled[index].revents != 0 {
                guard let status = try receive(&open[index]) else { continue }
                let due = open[index].due ?? 0
                outcome.milliseconds.append((Self.now() - start - due) * 1_000)
                outcome.statuses[status, default: 0] += 1
                open[index].due = nil
                free.append(index)
                answered += 1
            }
            guard Self.now() - start < 120 else {
                throw BenchFailure(
                    "\(requests.count - answered) of \(requests.count) requests have no answer")
            }
        }
        outcome.seconds = Self.now() - start
        outcome.milliseconds.sort()
        return outcome
    }

    private func connect() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw BenchFailure("the gateway cannot be reached: \(errno)") }
        var isOn: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
    }

    private func send(_ request: [UInt8], to descriptor: Int32) throws {
        var sent = 0
        while sent < request.count {
            let count = request[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw BenchFailure("a request could not be sent: \(errno)") }
            sent += count
        }
    }

    /// The status of an answer that is complete.
    private func receive(_ connection: inout Connection) throws -> Int? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(connection.socket, &buffer, buffer.count, 0)
        guard count > 0 else { throw BenchFailure("the gateway closed a connection: \(errno)") }
        connection.received += buffer[..<count]
        let text = String(decoding: connection.received, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let length =
            text[..<end.lowerBound].firstMatch(of: /\r\n[Cc]ontent-[Ll]ength: *([0-9]+)/).flatMap {
                Int($0.1)
            } ?? 0
        guard text[end.upperBound...].utf8.count >= length else { return nil }
        connection.received = []
        return Int(text.dropFirst(9).prefix(3))
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One client of a proxy and the connection made for it.
struct ProxyPair {
    private struct Flow {
        var pending: [(due: ContinuousClock.Instant, bytes: [UInt8])] = []
        var queued = 0
        /// The sender will send no more; the receiver is told when what is pending is written.
        var hasEnded = false
        var toldEnd = false
    }

    /// Beyond this many bytes in one direction the sender has to wait.
    private static let bound = 4 << 20

    private(set) var client: Int32
    private(set) var server: Int32
    /// The directions in which bytes, and the end of the connection, vanish.
    var vanishing: Set<FaultProxy.Direction>
    private var flows: [FaultProxy.Direction: Flow] = [.toServer: Flow(), .toClient: Flow()]

    init(client: Int32, server: Int32, vanishing: Set<FaultProxy.Direction> = []) {
        (self.client, self.server, self.vanishing) = (client, server, vanishing)
    }

    var isOver: Bool { client < 0 && server < 0 }

    private func source(of direction: FaultProxy.Direction) -> Int32 {
        direction == .toServer ? client : server
    }

    private func sink(of direction: FaultProxy.Direction) -> Int32 {
        direction == .toServer ? server : client
    }

    /// What to poll the source of a direction for: its bytes, and room for those of the other direction.
    func events(_ direction: FaultProxy.Direction, _ now: ContinuousClock.Instant) -> Int16 {
        var events: Int32 = 0
        if let flow = flows[direction], !flow.hasEnded, flow.queued < Self.bound { events |= POLLIN }
        let other: FaultProxy.Direction = direction == .toServer ? .toClient : .toServer
        if let first = flows[other]?.pending.first, first.due <= now { events |= POLLOUT }
        return Int16(events)
    }

    /// When bytes that are held back may go.
    func nextDue(after now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        flows.values.compactMap(\.pending.first?.due).filter { $0 > now }.min()
    }

    /// Takes what the source of a direction sent.
    mutating func read(_ direction: FaultProxy.Direction, _ delays: [FaultProxy.Direction: Duration]) {
        let descriptor = source(of: direction)
        guard descriptor >= 0, flows[direction]?.hasEnded == false else { return }
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        let vanishes = vanishing.contains(direction)
        if count > 0, !vanishes {
            let due = ContinuousClock.now.advanced(by: delays[direction] ?? .zero)
            flows[direction]?.pending.append((due, Array(buffer[..<count])))
            flows[direction]?.queued += count
        }
        guard count <= 0 else { return }
        flows[direction]?.hasEnded = true
        if vanishes {
            close(direction == .toServer ? .toClient : .toServer)
            closeWhenBothEnded()
        } else if count < 0 {
            reset()
        }
    }

    /// Passes on what is due, and the end behind it.
    mutating func write() {
        for direction in FaultProxy.Direction.allCases {
            let descriptor = sink(of: direction)
            guard descriptor >= 0, !vanishing.contains(direction), var flow = flows[direction] else {
                continue
            }
            let now = ContinuousClock.now
            while let first = flow.pending.first, first.due <= now {
                let sent = send(descriptor, first.bytes, first.bytes.count, Int32(MSG_NOSIGNAL))
                if sent < 0 && errno != EAGAIN && errno != EINTR { return reset() }
                guard sent > 0 else { break }
                flow.queued -= sent
                if sent < first.bytes.count {
                    flow.pending[0].bytes.removeFirst(sent)
                } else {
                    flow.pending.removeFirst()
                }
            }
            if flow.hasEnded, flow.pending.isEmpty, !flow.toldEnd {
                shutdown(descriptor, Int32(SHUT_WR))
                flow.toldEnd = true
            }
            flows[direction] = flow
        }
        closeWhenBothEnded()
    }

    /// The sink of a direction hears of its end when it has got what is pending.
    mutating func endAfterPending(_ direction: FaultProxy.Direction) {
        flows[direction]?.hasEnded = true
        write()
    }

    /// Resets both sides.
    mutating func reset() {
        for descriptor in [client, server] where descriptor >= 0 { LoopSocket.reset(descriptor) }
        (client, server) = (-1, -1)
    }

    private mutating func closeWhenBothEnded() {
        let isOver = flows.allSatisfy { direction, flow in
            flow.toldEnd || flow.hasEnded && vanishing.contains(direction)
        }
        guard isOver else { return }
        close(.toServer)
        close(.toClient)
    }

    /// Closes the sink of a direction. The other side is told only what does not vanish.
    private mutating func close(_ direction: FaultProxy.Direction) {
        let descriptor = sink(of: direction)
        if descriptor >= 0 { Glibc.close(descriptor) }
        if direction == .toServer { server = -1 } else { client = -1 }
    }
}

/// The sockets of a proxy: not blocking, and not for child processes.
enum LoopSocket {
    /// A socket that listens on a free port of 127.0.0.1.
    static func listener() throws -> (descriptor: Int32, port: Int) {
        // A port of its own, not one that the kernel would take back when it stops listening.
        let port = try RedisServer.freePort()
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let isListening = withAddress(port: port) { address, length in
            bind(descriptor, address, length) == 0 && listen(descriptor, 512) == 0
        }
        guard descriptor >= 0, isListening else {
            throw ServerError(message: "cannot listen on port \(port): errno \(errno)")
        }
        prepare(descriptor)
        return (descriptor, port)
    }

    /// A connection to the target, or -1. The target is on this machine: it answers at once or not at all.
    static func connect(to target: FaultProxy.Target) -> Int32 {
        let family = if case .port = target { AF_INET } else { AF_UNIX }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return -1 }
        let isConnected =
            switch target {
            case .port(let port): withAddress(port: port) { Glibc.connect(descriptor, $0, $1) == 0 }
            case .unixSocket(let path): withAddress(path: path) { Glibc.connect(descriptor, $0, $1) == 0 }
            }
        guard isConnected else {
            close(descriptor)
            return -1
        }
        prepare(descriptor)
        return descriptor
    }

    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        // Fails on a Unix socket, which needs it not.
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Closes with a TCP reset.
    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    private static func withAddress(
        port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func withAddress(
        path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

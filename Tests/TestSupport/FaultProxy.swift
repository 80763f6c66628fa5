// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Model

/// A TCP proxy on a free port of 127.0.0.1 whose connections a test can disturb while they are in use.
///
/// One thread moves all bytes. A fault takes effect before the call that asks for it returns.
public final class FaultProxy: Sendable {
    /// Where connections are forwarded to.
    public enum Target: Sendable {
        case port(Int)
        case unixSocket(String)
    }

    /// Which way bytes go.
    public enum Direction: Sendable, CaseIterable {
        case toServer
        case toClient
    }

    /// The port that clients connect to; it stays the same while new connections are refused.
    public let port: Int
    private let orders: LockedBox<[Order]>
    /// The writing end of a pipe that wakes the thread.
    private let wakeUp: Int32
    private let log: LockedBox<Log>

    private struct Log {
        var accepted = 0
        var open = 0
    }

    /// Connections that were accepted so far.
    public var accepted: Int { log.withLock { $0.accepted } }
    /// Connections that are open on the client's side.
    public var open: Int { log.withLock { $0.open } }

    /// Listens at once. Connects to `target` for each client.
    public init(to target: Target) throws {
        let socket = try LoopSocket.listener()
        port = socket.port
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw ServerError(message: "no pipe: errno \(errno)") }
        for end in ends { LoopSocket.prepare(end) }
        let wakeUps = ends[0]
        wakeUp = ends[1]
        (orders, log) = (LockedBox([]), LockedBox(Log()))
        let (orders, log) = (orders, log)
        Thread.detachNewThread {
            var loop = ProxyLoop(listener: socket.descriptor, wakeUps: wakeUps, target: target)
            var isRunning = true
            while isRunning {
                loop.turn()
                let taken = orders.withLock { orders in
                    defer { orders = [] }
                    return orders
                }
                for order in taken {
                    order.change(&loop)
                    isRunning = isRunning && !order.isLast
                }
                log.withLock { ($0.accepted, $0.open) = (loop.accepted, loop.open) }
                for order in taken { order.done.signal() }
            }
        }
    }

    deinit {
        send(isLast: true) { $0.end() }
        close(wakeUp)
    }

    /// Holds bytes back for this long, on their way in one direction or in both. Zero ends it.
    public func delay(_ duration: Duration, _ directions: [Direction] = Direction.allCases) {
        send { loop in for direction in directions { loop.delays[direction] = duration } }
    }

    /// From now on what is sent vanishes, and nobody is told: on the connections there are and on new ones, which are
    /// accepted and reach nobody.
    public func swallow(_ directions: [Direction] = Direction.allCases) {
        send { $0.swallow(directions) }
    }

    /// New connections work again, and bytes are held back no more. A connection that lost bytes stays silent for ever,
    /// as one whose state a firewall has forgotten.
    public func heal() {
        send { $0.heal() }
    }

    /// Resets every connection, on both sides.
    public func cut() {
        send { $0.cut() }
    }

    /// Ends one direction of every connection in good order; the other one goes on.
    public func halfClose(_ direction: Direction) {
        send { $0.halfClose(direction) }
    }

    /// Refuses new connections until `heal`; those there are go on.
    public func refuse() {
        send { $0.stopListening() }
    }

    /// Sends new connections somewhere else; those there are go on.
    public func retarget(_ target: Target) {
        send { $0.target = target }
    }

    private struct Order: Sendable {
        let isLast: Bool
        let change: @Sendable (inout ProxyLoop) -> Void
        let done: DispatchSemaphore
    }

    /// Waits until the thread has done it; that is a matter of microseconds.
    private func send(isLast: Bool = false, _ change: @escaping @Sendable (inout ProxyLoop) -> Void) {
        let order = Order(isLast: isLast, change: change, done: DispatchSemaphore(value: 0))
        orders.withLock { $0.append(order) }
        // A full pipe wakes the thread as well.
        _ = write(wakeUp, [1], 1)
        order.done.wait()
    }
}

/// What the proxy's thread knows. It is confined to that thread.
private struct ProxyLoop {
    let listener: Int32
    let wakeUps: Int32
    var target: FaultProxy.Target
    var delays: [FaultProxy.Direction: Duration] = [:]
    private(set) var accepted = 0
    private var isListening = true
    private var swallowed: Set<FaultProxy.Direction> = []
    private var pairs: [ProxyPair] = []

    init(listener: Int32, wakeUps: Int32, target: FaultProxy.Target) {
        (self.listener, self.wakeUps, self.target) = (listener, wakeUps, target)
    }

    var open: Int { pairs.count { $0.client >= 0 } }

    /// Waits for something to do, and does it.
    mutating func turn() {
        var polled = [
            pollfd(fd: wakeUps, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isListening ? listener : -1, events: Int16(POLLIN), revents: 0),
        ]
        let now = ContinuousClock.now
        for pair in pairs {
            polled.append(pollfd(fd: pair.client, events: pair.events(.toServer, now), revents: 0))
            polled.append(pollfd(fd: pair.server, events: pair.events(.toClient, now), revents: 0))
        }
        // A descriptor without events still reports that its peer is gone; a negative one is left out.
        for index in polled.indices where polled[index].events == 0 { polled[index].fd = -1 }
        let next = pairs.compactMap { $0.nextDue(after: now) }.min()
        // Rounded up, as a wait of less than a millisecond would be none.
        let wait = next.map { Int32(clamping: now.duration(to: $0).wholeMilliseconds + 1) }
        let count = poll(&polled, UInt(polled.count), wait ?? -1)
        guard count >= 0 else { return }
        if polled[0].revents != 0 {
            var buffer = [UInt8](repeating: 0, count: 64)
            while Glibc.read(wakeUps, &buffer, buffer.count) > 0 {}
        }
        for index in pairs.indices {
            let (client, server) = (polled[2 + index * 2].revents, polled[3 + index * 2].revents)
            if client & Int16(POLLIN | POLLHUP | POLLERR) != 0 { pairs[index].read(.toServer, delays) }
            if server & Int16(POLLIN | POLLHUP | POLLERR) != 0 { pairs[index].read(.toClient, delays) }
            pairs[index].write()
        }
        pairs.removeAll { $0.isOver }
        if polled[1].revents != 0 { accept() }
    }

    private mutating func accept() {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return }
        accepted += 1
        LoopSocket.prepare(client)
        guard swallowed.isEmpty else {
            pairs.append(ProxyPair(client: client, server: -1, vanishing: Set(FaultProxy.Direction.allCases)))
            return
        }
        let server = LoopSocket.connect(to: target)
        if server < 0 {
            LoopSocket.reset(client)
        } else {
            pairs.append(ProxyPair(client: client, server: server))
        }
    }

    mutating func swallow(_ directions: [FaultProxy.Direction]) {
        swallowed.formUnion(directions)
        for index in pairs.indices { pairs[index].vanishing.formUnion(directions) }
    }

    mutating func heal() {
        swallowed = []
        delays = [:]
        // A shut down listener is closed, but its port is still its own.
        if !isListening { isListening = listen(listener, 512) == 0 }
    }

    mutating func cut() {
        for index in pairs.indices { pairs[index].reset() }
        pairs = []
    }

    mutating func halfClose(_ direction: FaultProxy.Direction) {
        for index in pairs.indices { pairs[index].endAfterPending(direction) }
    }

    mutating func stopListening() {
        shutdown(listener, Int32(SHUT_RDWR))
        isListening = false
    }

    mutating func end() {
        cut()
        for descriptor in [listener, wakeUps] { Glibc.close(descriptor) }
    }
}

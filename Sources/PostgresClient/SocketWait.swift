// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Waiting for a socket on a connection's own thread.
enum SocketWait {
    enum Outcome {
        case ready
        case interrupted
        case timedOut
    }

    /// Blocks until the socket is ready, `interrupt` is readable or the limit has passed.
    static func wait(
        for events: Int16, on socket: Int32, until limit: ContinuousClock.Instant,
        interruptedBy interrupt: Int32 = -1
    ) -> Outcome {
        var polled = [
            pollfd(fd: socket, events: events, revents: 0),
            pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let left = ContinuousClock.now.duration(to: limit)
            guard left > .zero else { return .timedOut }
            // Rounded up: a wait of less than a millisecond must not become a busy loop.
            let milliseconds = Int32(clamping: left.components.seconds * 1_000 + 1)
                .addingReportingOverflow(Int32(left.components.attoseconds / 1_000_000_000_000_000))
            let count = poll(&polled, 2, milliseconds.overflow ? Int32.max : milliseconds.partialValue)
            if count < 0 && errno == EINTR { continue }
            if polled[1].revents != 0 { return .interrupted }
            if count != 0 { return .ready }
        }
    }

    /// Whether something can be read now.
    static func hasInput(_ socket: Int32) -> Bool {
        var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) != 0
    }
}

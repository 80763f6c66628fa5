// SPDX-License-Identifier: Apache-2.0

import CCurl

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Readiness of libcurl's sockets by epoll, and a signal that ends the wait from another thread.
final class SocketPoller: @unchecked Sendable {
    // @unchecked: only the waiting thread uses `events`; the descriptors never change.
    private static let batch = 64

    private let epoll: Int32
    private let wakeUp: Int32
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: batch)

    init() throws(HTTPError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard epoll >= 0, wakeUp >= 0, control(EPOLL_CTL_ADD, wakeUp, EPOLLIN.rawValue) else {
            throw HTTPError(.unavailable, "the system has no descriptor for polling: errno \(errno)")
        }
    }

    deinit {
        close(epoll)
        close(wakeUp)
        events.deallocate()
    }

    /// Ends the current or the next wait. From any thread.
    func signal() {
        eventfd_write(wakeUp, 1)
    }

    /// Reports the readiness that libcurl asks for by `CURL_POLL_…`.
    func watch(_ socket: Int32, for interest: Int32) {
        var mask: UInt32 = 0
        if interest & CURL_POLL_IN != 0 { mask |= EPOLLIN.rawValue }
        if interest & CURL_POLL_OUT != 0 { mask |= EPOLLOUT.rawValue }
        // A socket with the number of a closed one is new to epoll, whatever was known about the number.
        if !control(EPOLL_CTL_MOD, socket, mask) { _ = control(EPOLL_CTL_ADD, socket, mask) }
    }

    /// Reports nothing more. The socket may be closed already, and then epoll has forgotten it by itself.
    func unwatch(_ socket: Int32) {
        _ = control(EPOLL_CTL_DEL, socket, 0)
    }

    /// Waits until a socket is ready, a signal comes or the time is over, and gives each ready socket with
    /// its `CURL_CSELECT_…` bits. An event of a socket that an earlier one of the batch closed is harmless:
    /// libcurl does not know the number, or finds its new socket not ready.
    func wait(milliseconds: Int32, _ onReady: (Int32, Int32) -> Void) {
        let count = epoll_wait(epoll, events, Int32(Self.batch), milliseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = events[index]
            if event.data.fd == wakeUp {
                var value: eventfd_t = 0
                eventfd_read(wakeUp, &value)
                continue
            }
            var ready: Int32 = 0
            if event.events & (EPOLLIN.rawValue | EPOLLHUP.rawValue) != 0 { ready |= CURL_CSELECT_IN }
            if event.events & EPOLLOUT.rawValue != 0 { ready |= CURL_CSELECT_OUT }
            if event.events & EPOLLERR.rawValue != 0 { ready |= CURL_CSELECT_ERR }
            onReady(event.data.fd, ready)
        }
    }

    private func control(_ operation: Int32, _ socket: Int32, _ mask: UInt32) -> Bool {
        var event = epoll_event()
        event.events = mask
        event.data.fd = socket
        return epoll_ctl(epoll, operation, socket, &event) == 0
    }
}

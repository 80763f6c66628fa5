// SPDX-License-Identifier: Apache-2.0

import CLibPQ
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The thread of one connection, as the executor of its actor: libpq may wait here without holding a thread of the
/// cooperative pool.
final class ConnectionThread: SerialExecutor {
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var isStopping = false
    }

    private let inbox = LockedBox(Inbox())
    private let wakeUp: EventDescriptor
    /// The thread's id once it runs, for `checkIsolated`.
    private let identity = LockedBox<pthread_t?>(nil)

    init() throws(PostgresError) {
        wakeUp = try EventDescriptor()
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<ConnectionThread>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<ConnectionThread>.fromOpaque(context).release()
            throw PostgresError(.connectFailed, "no thread for a connection: errno \(status)")
        }
        pthread_detach(thread)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let wasEmpty = inbox.withLock { inbox in
            inbox.jobs.append(job)
            return inbox.jobs.count == 1
        }
        if wasEmpty { wakeUp.signal() }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func checkIsolated() {
        let isHere = identity.withLock { identity in
            identity.map { pthread_equal($0, pthread_self()) != 0 } ?? false
        }
        precondition(isHere, "called outside the connection's thread")
    }

    /// Ends the thread when the jobs it has are done. The actor calls it last.
    func stop() {
        inbox.withLock { $0.isStopping = true }
        wakeUp.signal()
    }

    private func run() {
        identity.withLock { $0 = pthread_self() }
        while true {
            wakeUp.wait()
            while true {
                let jobs = inbox.withLock { inbox in
                    let jobs = inbox.jobs
                    inbox.jobs = []
                    return jobs
                }
                if jobs.isEmpty { break }
                for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            }
            if inbox.withLock({ $0.isStopping && $0.jobs.isEmpty }) { return }
        }
    }
}

/// An eventfd: one thread signals, another waits or polls.
final class EventDescriptor: Sendable {
    let descriptor: Int32

    init() throws(PostgresError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else {
            throw PostgresError(.connectFailed, "no event descriptor: errno \(errno)")
        }
    }

    deinit {
        close(descriptor)
    }

    func signal() {
        eventfd_write(descriptor, 1)
    }

    /// Blocks until it is signalled, and takes the signals.
    func wait() {
        var value: eventfd_t = 0
        while eventfd_read(descriptor, &value) != 0 && errno == EINTR {}
    }
}

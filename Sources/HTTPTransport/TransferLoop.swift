// SPDX-License-Identifier: Apache-2.0

import CCurl
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The thread that drives libcurl: all transfers of a client on one multi handle.
///
/// Sockets are watched with epoll, so that a step costs as much as the sockets that are ready, not as all of
/// them.
final class TransferLoop: @unchecked Sendable {
    // @unchecked: after init, only the thread touches what is not in `inbox` or in the poller.
    private static let maxIdleTransfers = 64

    private let configuration: HTTPClientConfiguration
    private let inbox = LockedBox(TransferInbox())
    private let poller: SocketPoller
    private let multi: UnsafeMutableRawPointer

    private var active: [UInt64: (transfer: Transfer, submission: Submission)] = [:]
    private var idle: [Transfer] = []
    /// When libcurl wants to be called without an event.
    private var timer: ContinuousClock.Instant?

    init(_ configuration: HTTPClientConfiguration) throws(HTTPError) {
        try CurlLibrary.started.get()
        self.configuration = configuration
        poller = try SocketPoller()
        guard let multi = curl_multi_init() else {
            throw HTTPError(.unavailable, "libcurl has no memory for a client")
        }
        self.multi = multi
        do throws(HTTPError) {
            try prepareMulti()
            try startThread()
        } catch {
            curl_multi_cleanup(multi)
            throw error
        }
    }

    func makeID() -> UInt64 {
        inbox.withLock { $0.makeID() }
    }

    /// Hands a request to the thread, or gives its failure at once.
    func submit(_ submission: Submission) {
        let accepted = inbox.withLock { inbox in
            Result { () throws(HTTPError) in
                try inbox.submit(submission, limit: configuration.maxRequests)
            }
        }
        switch accepted {
        case .success(let mustWake): if mustWake { poller.signal() }
        case .failure(let error): submission.continuation.resume(returning: .failure(error))
        }
    }

    /// Ends a request with `cancelled`, unless it has ended already.
    func cancel(_ id: UInt64) {
        if inbox.withLock({ $0.cancel(id) }) { poller.signal() }
    }

    /// Refuses further requests, and lets the thread end those under way with `closed`.
    func stop() {
        inbox.withLock { $0.beginClosing() }
        poller.signal()
    }

    /// Stops, and returns when the connections are closed and the thread is gone.
    func close() async {
        stop()
        await withCheckedContinuation { closer in
            let mustWait = inbox.withLock { $0.wait(closer) }
            if !mustWait { closer.resume() }
        }
    }
}

// MARK: Set-up

extension TransferLoop {
    private func prepareMulti() throws(HTTPError) {
        let this = Unmanaged.passUnretained(self).toOpaque()
        let results = [
            lockstep_curl_multi_set_long(
                multi, CURLMOPT_MAX_HOST_CONNECTIONS, configuration.maxConnectionsPerHost),
            lockstep_curl_multi_set_long(
                multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.maxConnections),
            lockstep_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.maxIdleConnections),
            lockstep_curl_multi_on_socket(
                multi,
                { _, socket, interest, context, _ in
                    TransferLoop.from(context)?.watch(socket, for: interest)
                    return 0
                }, this),
            lockstep_curl_multi_on_timer(
                multi,
                { _, milliseconds, context in
                    TransferLoop.from(context)?.setTimer(milliseconds: milliseconds)
                    return 0
                }, this),
        ]
        if let failed = results.first(where: { $0 != CURLM_OK }) {
            throw HTTPError(library: failed, doing: "set up a client")
        }
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> TransferLoop? {
        context.map { Unmanaged<TransferLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The thread owns the loop until it ends.
    private func startThread() throws(HTTPError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<TransferLoop>.fromOpaque(context).release()
            throw HTTPError(.unavailable, "the system has no thread for HTTP: errno \(status)")
        }
        pthread_detach(thread)
    }
}

// MARK: On the thread

extension TransferLoop {
    private func run() {
        // A write by OpenSSL to a closed socket raises SIGPIPE. Signals for the process go to other threads.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)

        while true {
            let (commands, isOpen) = inbox.withLock { inbox in (inbox.take(), inbox.state == .open) }
            for command in commands { perform(command) }
            guard isOpen else { break }
            runDueTimer()
            settleFinished()
            poller.wait(milliseconds: patience()) { socket, ready in
                var running: Int32 = 0
                curl_multi_socket_action(multi, socket, ready, &running)
            }
            settleFinished()
        }
        shutDown()
    }

    private func perform(_ command: TransferInbox.Command) {
        switch command {
        case .start(let submission): start(submission)
        case .cancel(let id): giveUp(id, .cancelled, because: "its task was cancelled")
        }
    }

    private func start(_ submission: Submission) {
        do throws(HTTPError) {
            let transfer = if let used = idle.popLast() { used } else { try Transfer(configuration) }
            try transfer.begin(submission.request, id: submission.id)
            try add(transfer, for: submission)
        } catch {
            settle(submission, with: .failure(error))
        }
    }

    private func startAgain(_ transfer: Transfer, _ submission: Submission) {
        do throws(HTTPError) {
            transfer.forget()
            try transfer.begin(submission.request, id: submission.id, isSecondTry: true)
            try add(transfer, for: submission)
        } catch {
            settle(submission, with: .failure(error))
        }
    }

    private func add(_ transfer: Transfer, for submission: Submission) throws(HTTPError) {
        let result = curl_multi_add_handle(multi, transfer.easy)
        guard result == CURLM_OK else { throw HTTPError(library: result, doing: "start a request") }
        active[submission.id] = (transfer, submission)
    }

    private func settleFinished() {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            // The message is gone once its handle is removed.
            let result = lockstep_curl_message_result(message)
            guard message.pointee.msg == CURLMSG_DONE,
                let transfer = Transfer.from(lockstep_curl_get_private(message.pointee.easy_handle)),
                let (_, submission) = active.removeValue(forKey: transfer.id)
            else { continue }
            curl_multi_remove_handle(multi, transfer.easy)
            if transfer.deservesSecondTry(after: result) {
                startAgain(transfer, submission)
                continue
            }
            let outcome = transfer.finish(result)
            recycle(transfer)
            settle(submission, with: outcome)
        }
    }

    private func giveUp(_ id: UInt64, _ code: HTTPError.Code, because reason: String) {
        guard let (transfer, submission) = active.removeValue(forKey: id) else { return }
        let outcome = transfer.abandon(code, because: reason)
        curl_multi_remove_handle(multi, transfer.easy)
        recycle(transfer)
        settle(submission, with: outcome)
    }

    private func recycle(_ transfer: Transfer) {
        transfer.forget()
        if idle.count < Self.maxIdleTransfers { idle.append(transfer) }
    }

    private func settle(_ submission: Submission, with outcome: Transfer.Outcome) {
        inbox.withLock { $0.settle(1) }
        submission.continuation.resume(returning: outcome)
    }

    private func shutDown() {
        for id in active.keys.sorted() { giveUp(id, .closed, because: "the client was closed") }
        idle.removeAll()
        curl_multi_cleanup(multi)
        let closers = inbox.withLock { $0.finishClosing() }
        for closer in closers { closer.resume() }
    }
}

// MARK: What libcurl wishes

extension TransferLoop {
    private func watch(_ socket: Int32, for interest: Int32) {
        if interest == CURL_POLL_REMOVE {
            poller.unwatch(socket)
        } else {
            poller.watch(socket, for: interest)
        }
    }

    private func setTimer(milliseconds: Int) {
        timer = milliseconds < 0 ? nil : .now.advanced(by: .milliseconds(milliseconds))
    }

    private func runDueTimer() {
        guard let due = timer, due <= .now else { return }
        timer = nil
        var running: Int32 = 0
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running)
    }

    /// How long to wait for an event, in milliseconds; -1 is without end.
    private func patience() -> Int32 {
        guard let timer else { return -1 }
        let (seconds, attoseconds) = (timer - .now).components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        // Rounded up: woken too early, the loop would spin until the timer is due.
        let milliseconds = seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}

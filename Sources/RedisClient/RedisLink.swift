// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore
import NIOPosix

/// The place in which a connection lives: commands of any task go in, one channel at a time carries them.
///
/// Commands of many tasks that arrive between two turns of the event loop leave in one write. The link
/// outlives its channel: `connect` may be called again after the channel closed, and what was not sent yet
/// goes out then.
final class RedisLink: Sendable {
    private struct State {
        var pipeline: CommandPipeline<CommandWaiter>
        var channel: (any Channel)?
        var isClosed = false
        var flushIsScheduled = false
        /// The channel closes when it has brought the replies that are due.
        var isLeaving = false
        /// When the next deadline check is due; no check is scheduled when nil.
        var checkAt: NIODeadline?
        /// Why the last attempt to connect failed, for the text of timeouts.
        var trouble: RedisError?
    }

    /// What a submission leaves to do outside the lock.
    private enum Errand {
        case refuse(RedisError)
        case proceed(number: UInt64, flush: (any Channel)?, checkAt: NIODeadline?)
    }

    let configuration: RedisConfiguration
    let eventLoop: any EventLoop
    private let isBlocking: Bool
    private let state: LockedBox<State>

    /// A link for commands that block has no stall limit: silence is normal on it.
    init(configuration: RedisConfiguration, isBlocking: Bool) {
        self.configuration = configuration
        self.isBlocking = isBlocking
        eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let limits = CommandPipeline<CommandWaiter>.Limits(
            commands: configuration.maxPendingCommands, bytes: configuration.maxPendingBytes)
        let stallTimeout = isBlocking ? nil : TimeAmount(configuration.stallTimeout)
        state = LockedBox(State(pipeline: CommandPipeline(limits: limits, stallTimeout: stallTimeout)))
    }

    /// Whether commands would leave at once.
    var isOpen: Bool { state.withLock { $0.channel?.isActive ?? false } }

    /// Sends a command as soon as there is a connection, and waits for its reply. An error reply is a value
    /// here.
    func send(_ arguments: [RedisArgument], timeout: Duration) async throws(RedisError) -> RedisValue {
        let ticket = CommandTicket()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                submit(arguments, timeout: timeout, waiter: .task(continuation), ticket: ticket)
            }
        } onCancel: {
            abandon(ticket)
        }
        return try result.get()
    }

    /// Sends a command after all that were sent before, and does not wait: `ended` hears of the reply.
    func post(
        _ arguments: [RedisArgument], timeout: Duration,
        ended: @escaping @Sendable (CommandWaiter.Outcome) -> Void
    ) {
        submit(arguments, timeout: timeout, waiter: .callback(ended), ticket: nil)
    }

    /// Fails everything that waits with `closed` and closes the channel. Further commands fail at once.
    func close() {
        let (waiters, channel) = state.withLock { state in
            state.isClosed = true
            return (state.pipeline.removeAll(), state.channel)
        }
        for waiter in waiters { waiter.resume(returning: .failure(Self.closed)) }
        channel?.close(promise: nil)
    }

    /// Ends the channel without losing anything: nothing more is sent on it, and it closes when the replies to
    /// what was sent are there. Commands wait for the next `connect` meanwhile.
    func leave() {
        let channel = state.withLock { state -> (any Channel)? in
            guard let channel = state.channel else { return nil }
            state.isLeaving = true
            return state.pipeline.awaitsReplies ? nil : channel
        }
        channel?.close(promise: nil)
    }

    /// Closes the channel as if the server had: what was sent fails with `connectionLost`.
    func disconnect() {
        state.withLock { $0.channel }?.close(promise: nil)
    }

    /// Remembers why there is no connection.
    func note(trouble: RedisError) {
        state.withLock { $0.trouble = trouble }
    }

    /// Waits until the channel, if there is one, is gone.
    func waitUntilDisconnected() async throws {
        let channel = state.withLock { $0.channel }
        try await channel?.closeFuture.get()
    }

    private static let closed = RedisError(.closed, "the Redis client is closed")

    private func submit(
        _ arguments: [RedisArgument], timeout: Duration, waiter: CommandWaiter, ticket: CommandTicket?
    ) {
        let now = NIODeadline.now()
        let deadline = now + TimeAmount(timeout)
        // A silent server has to be noticed before a late deadline.
        let due = isBlocking ? deadline : min(deadline, now + TimeAmount(configuration.stallTimeout))
        let command = EncodedCommand(arguments)
        let errand = state.withLock { state -> Errand in
            guard !state.isClosed else { return .refuse(Self.closed) }
            guard let number = state.pipeline.submit(command, deadline: deadline, waiter: waiter) else {
                return .refuse(
                    RedisError(.overloaded, "too many Redis commands wait for their replies"))
            }
            var flush: (any Channel)?
            if !state.flushIsScheduled, let channel = state.channel {
                state.flushIsScheduled = true
                flush = channel
            }
            var checkAt: NIODeadline?
            if due < state.checkAt ?? .distantFuture {
                state.checkAt = due
                checkAt = due
            }
            return .proceed(number: number, flush: flush, checkAt: checkAt)
        }
        switch errand {
        case .refuse(let error):
            waiter.resume(returning: .failure(error))
        case .proceed(let number, let channel, let checkAt):
            if let channel { eventLoop.execute { self.flush(channel) } }
            if let checkAt { scheduleCheck(at: checkAt) }
            guard let ticket else { return }
            ticket.number = number
            // The cancellation may have come before there was anything to give up.
            if Task.isCancelled { abandon(ticket) }
        }
    }

    private func abandon(_ ticket: CommandTicket) {
        let number = ticket.number
        guard number > 0, let waiter = state.withLock({ $0.pipeline.abandon(number) }) else { return }
        waiter.resume(
            returning: .failure(RedisError(.cancelled, "cancelled while waiting for a reply of Redis")))
    }

    private func flush(_ channel: any Channel) {
        let batch = state.withLock { state -> ByteBuffer? in
            state.flushIsScheduled = false
            guard state.channel != nil, !state.isLeaving else { return nil }
            return state.pipeline.takeUnsent(now: .now())
        }
        if let batch { channel.writeAndFlush(batch, promise: nil) }
    }

    private func scheduleCheck(at deadline: NIODeadline) {
        eventLoop.scheduleTask(deadline: deadline) { self.checkDeadlines() }
    }

    private func checkDeadlines() {
        let now = NIODeadline.now()
        let found = state.withLock {
            state -> (CommandPipeline<CommandWaiter>.Expiry, (any Channel)?, RedisError?)? in
            // An earlier deadline may have come in after this check was scheduled: then another one did its
            // work.
            guard let checkAt = state.checkAt, checkAt <= now else { return nil }
            let expiry = state.pipeline.expire(now: now)
            state.checkAt = expiry.next
            return (expiry, state.channel, state.trouble)
        }
        guard let (expiry, channel, trouble) = found else { return }
        if let next = expiry.next { scheduleCheck(at: next) }
        let reason =
            if channel != nil {
                "it did not answer in time"
            } else {
                "there is no connection" + (trouble.map { ": \($0.message)" } ?? "")
            }
        for waiter in expiry.timedOut {
            waiter.resume(returning: .failure(RedisError(.timeout, "a Redis command timed out: \(reason)")))
        }
        if expiry.isStalled { channel?.close(promise: nil) }
    }
}

// MARK: - Called by the channel's handler, on the event loop

extension RedisLink {
    /// The handshake is done: commands may go out.
    func channelOpened(_ channel: any Channel) {
        let isClosed = state.withLock { state in
            state.channel = channel
            state.trouble = nil
            return state.isClosed
        }
        if isClosed { channel.close(promise: nil) } else { flush(channel) }
    }

    /// The channel is gone: the outcome of what was sent is unknown.
    func channelClosed(_ error: RedisError) {
        let lost = state.withLock { state in
            state.channel = nil
            state.isLeaving = false
            state.trouble = error
            return state.pipeline.connectionLost()
        }
        for waiter in lost {
            waiter.resume(returning: .failure(RedisError(.connectionLost, error.message)))
        }
    }

    /// Gives each reply to the command it belongs to.
    func receive(_ replies: [RedisValue]) throws(RedisError) {
        let now = NIODeadline.now()
        var waiters: [CommandWaiter?] = []
        waiters.reserveCapacity(replies.count)
        let (matched, left) = state.withLock { state -> (Bool, (any Channel)?) in
            for _ in replies {
                var waiter: CommandWaiter?
                guard state.pipeline.reply(now: now, waiter: &waiter) else { return (false, nil) }
                waiters.append(waiter)
            }
            return (true, state.isLeaving && !state.pipeline.awaitsReplies ? state.channel : nil)
        }
        for (waiter, reply) in zip(waiters, replies) { waiter?.resume(returning: .success(reply)) }
        guard matched else {
            throw RedisError(.protocolViolation, "the server sent more replies than it got commands")
        }
        left?.close(promise: nil)
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Feeds the bytes of one channel to the reply reader: first the replies of the handshake, then those of the
/// pipeline.
///
/// Lives on the channel's event loop.
final class RedisChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum Phase {
        case handshake(replies: [RedisValue], expected: Int, EventLoopPromise<[RedisValue]>)
        case open
        case closed
    }

    private var reader: ReplyReader
    private let link: RedisLink
    private let handshake: [[RedisArgument]]
    private let check: @Sendable ([RedisValue]) throws(RedisError) -> Void
    private var phase: Phase
    private var failure: RedisError?

    /// `check` sees the replies of the handshake before any command goes out.
    init(
        link: RedisLink, handshake: [[RedisArgument]],
        check: @escaping @Sendable ([RedisValue]) throws(RedisError) -> Void,
        promise: EventLoopPromise<[RedisValue]>
    ) throws(RedisError) {
        reader = try ReplyReader()
        self.link = link
        self.handshake = handshake
        self.check = check
        phase = .handshake(replies: [], expected: handshake.count, promise)
    }

    func channelActive(context: ChannelHandlerContext) {
        var buffer = ByteBuffer()
        for command in handshake { buffer.writeBytes(EncodedCommand(command).bytes) }
        context.writeAndFlush(NIOAny(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do throws(RedisError) {
            try feed(unwrapInboundIn(data))
        } catch {
            fail(error, context: context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        do throws(RedisError) {
            var replies: [RedisValue] = []
            while let reply = try reader.next() { replies.append(reply) }
            guard !replies.isEmpty else { return }
            try deliver(replies, context: context)
        } catch {
            fail(error, context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(RedisError(.connectionLost, "the connection failed: \(error)"), context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let error = failure ?? RedisError(.connectionLost, "the server closed the connection")
        if case .handshake(_, _, let promise) = phase {
            promise.fail(error)
        } else if case .open = phase {
            link.channelClosed(error)
        }
        phase = .closed
    }

    private func feed(_ buffer: ByteBuffer) throws(RedisError) {
        let outcome = buffer.withUnsafeReadableBytes { bytes -> Result<Void, RedisError> in
            do throws(RedisError) {
                return .success(try reader.feed(bytes))
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
    }

    private func deliver(_ arrived: [RedisValue], context: ChannelHandlerContext) throws(RedisError) {
        guard case .handshake(var replies, let expected, let promise) = phase else {
            return try link.receive(arrived)
        }
        replies += arrived
        guard replies.count >= expected else {
            phase = .handshake(replies: replies, expected: expected, promise)
            return
        }
        for case .error(let text) in replies { throw RedisError(refusal: text) }
        guard replies.count == expected else {
            throw RedisError(.protocolViolation, "the server sent more replies than it got commands")
        }
        try check(replies)
        phase = .open
        link.channelOpened(context.channel)
        promise.succeed(replies)
    }

    private func fail(_ error: RedisError, context: ChannelHandlerContext) {
        if failure == nil { failure = error }
        context.close(promise: nil)
    }
}

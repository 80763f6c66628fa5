// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Ends connections whose request does not arrive in time, and those whose answer says that they end. Counts them all.
///
/// The time runs from the head of a request to its end, however many pieces come in between: a sender that trickles a
/// body keeps its connection no longer than one that is silent. The time for the head itself is the idle time of the channel.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long a peer may take to read the last answer before the connection is cut.
    private static let linger: TimeAmount = .seconds(1)

    private let bodyTime: TimeAmount
    private let side: GatewayMetrics.Side
    private let metrics: GatewayMetrics
    private var timer: Scheduled<Void>?
    private var ends = false
    private var isBroken = false

    init(bodyTime: Duration, side: GatewayMetrics.Side, metrics: GatewayMetrics) {
        self.bodyTime = TimeAmount(bodyTime)
        self.side = side
        self.metrics = metrics
    }

    func handlerAdded(context: ChannelHandlerContext) {
        metrics.connections(side, changedBy: 1)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            timer?.cancel()
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: bodyTime) { [metrics] in
                metrics.refused(for: "slow_body")
                context.close(promise: nil)
            }
        case .end:
            timer?.cancel()
            timer = nil
        case .body: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        if case .head(let head) = part, head.headerFields[.connection] == "close" { ends = true }
        guard case .end = part, ends else {
            context.write(data, promise: promise)
            return
        }
        context.writeAndFlush(data, promise: promise)
        // What the peer still sends is read for a moment: closing at once would reset the connection, and the answer would be
        // lost on its way.
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.linger) {
            context.close(promise: nil)
        }
        context.close(mode: .output, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        context.fireChannelInactive()
    }

    /// A head that is no HTTP, or is over a limit: the server answers it by itself.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that ends early was not refused. Of one that was, the parser complains again when it goes on.
        if let error = error as? HTTPParserError, error != .invalidEOFState, !isBroken {
            isBroken = true
            metrics.refused(for: "bad_head")
        }
        context.fireErrorCaught(error)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        metrics.connections(side, changedBy: -1)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// One connection: collects a request, asks the state, writes the response. Lives on the connection's event
/// loop.
final class SandboxHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// What a control request may carry.
    private static let bodyLimit = 1 << 20

    private let state: LockedBox<SandboxState>
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// The listing that is on its way, as far as the client has taken it.
    private var listing: ObjectListing?
    private var closesAfterListing = false

    init(state: LockedBox<SandboxState>) {
        self.state = state
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let part):
            guard body.count + part.readableBytes <= Self.bodyLimit else {
                context.close(promise: nil)
                return
            }
            body += part.readableBytesView
        case .end:
            guard let head else { return }
            self.head = nil
            let request = SandboxRequest(
                method: head.method.rawValue, uri: head.uri, headers: head.headers, body: body)
            let time = RequestTime.now()
            let response = state.withLock { $0.answer(request, at: time) }
            deliver(response, to: head, context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        // Nobody takes the rest.
        listing = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The client went away or speaks no HTTP; there is nobody to answer.
        context.close(promise: nil)
    }

    private func deliver(
        _ response: SandboxResponse, to head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        switch response.delivery {
        case .hang: return
        case .reset:
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            guard let options = context.channel as? any SocketOptionProvider else {
                context.close(promise: nil)
                return
            }
            // Closing with a linger time of zero sends RST.
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                bound.value.close(promise: nil)
            }
        case .delayed(let milliseconds):
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                let (handler, context) = bound.value
                handler.write(response, to: head, context)
            }
        case .normal, .truncated: write(response, to: head, context)
        }
    }

    private func write(
        _ response: SandboxResponse, to head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        let closes = !head.isKeepAlive || response.delivery == .truncated
        var headers = HTTPHeaders(response.headers)
        headers.add(name: "Date", value: HTTPDateText.text(response.date ?? Collection.epoch))
        if closes { headers.add(name: "Connection", value: "close") }
        if response.listing == nil {
            headers.add(name: "Content-Length", value: String(response.body.readableBytes))
        }
        let responseHead = HTTPResponseHead(
            version: head.version, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
        context.write(wrapOutboundOut(.head(responseHead)), promise: nil)
        if response.delivery == .truncated {
            let half = response.body.getSlice(
                at: response.body.readerIndex, length: response.body.readableBytes / 2)
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(half ?? ByteBuffer())))).whenComplete {
                _ in
                bound.value.close(promise: nil)
            }
            return
        }
        if response.listing != nil {
            (listing, closesAfterListing) = (response.listing, closes)
            pump(context)
            return
        }
        context.write(wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
        end(context, closes: closes)
    }

    /// Sends the listing as fast as the client takes it.
    private func pump(_ context: ChannelHandlerContext) {
        while listing != nil, context.channel.isWritable {
            if let piece = listing?.next() {
                context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil)
            } else {
                listing = nil
                end(context, closes: closesAfterListing)
            }
        }
    }

    private func end(_ context: ChannelHandlerContext, closes: Bool) {
        guard closes else {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            return
        }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in bound.value.close(promise: nil)
        }
    }
}

/// The `Date` header (RFC 9110, section 5.6.7).
enum HTTPDateText {
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// An instant from 1970 on.
    static func text(_ seconds: Int64) -> String {
        let days = seconds / 86_400
        let (year, month, day) = CivilDate.date(days: days)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return "\(weekdays[Int(days % 7)]), \(two(Int64(day))) \(months[month - 1]) \(year) \(clock) GMT"
    }
}

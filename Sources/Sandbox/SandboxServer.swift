// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
import NIOCore
import NIOHTTP1
import NIOPosix
public import ServiceLifecycle

/// A provider that behaves like Stripe and Google Calendar, with data from a seed, edits and faults on demand.
///
/// Services are below `/stripe` and `/google-calendar`; `/_control` makes edits and faults, and tells what there is.
public final class SandboxServer: Service, Sendable {
    private let configuration: SandboxConfiguration
    private let logger: Logger
    private let started: @Sendable (Int) -> Void

    /// `started` gets the port when the sandbox listens.
    public init(
        configuration: SandboxConfiguration, logger: Logger,
        started: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.logger = logger
        self.started = started
    }

    /// Serves until the process shuts down or the task is cancelled.
    public func run() async throws {
        // One thread: the state is behind one lock, and the machine is shared with what is tested.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let state = LockedBox(SandboxState(configuration))
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(ChannelOptions.backlog, value: 1_024)
                .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(SandboxHandler(state: state))
                    }
                }
                .childChannelOption(ChannelOptions.socketOption(.tcp_nodelay), value: 1)
                .bind(host: configuration.host, port: configuration.port).get()
            let port = channel.localAddress?.port ?? configuration.port
            logger.info("sandbox listens", metadata: ["host": "\(configuration.host)", "port": "\(port)"])
            started(port)
            await cancelWhenGracefulShutdown { await self.editUntilCancelled(state) }
            try await channel.close()
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    /// Makes the configured edits; ends when the task is cancelled.
    private func editUntilCancelled(_ state: LockedBox<SandboxState>) async {
        let rate = configuration.editsPerSecond
        while !Task.isCancelled {
            do {
                try await ContinuousClock().sleep(for: rate > 0 ? .seconds(1) / rate : .seconds(3_600))
            } catch {
                return
            }
            if rate > 0 { state.withLock { $0.editSomewhere() } }
        }
    }
}

/// One connection: collects a request, asks the state, writes the response.
private final class SandboxHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: LockedBox<SandboxState>
    private var head: HTTPRequestHead?

    init(state: LockedBox<SandboxState>) {
        self.state = state
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            let request = SandboxRequest(
                method: head.method.rawValue, uri: head.uri,
                authorization: head.headers.first(name: "Authorization"))
            let response = state.withLock { $0.answer(request, at: .now()) }
            deliver(response, to: head, context)
        }
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
            // Closing with a linger time of zero sends RST.
            let loopContext = NIOLoopBound(context, eventLoop: context.eventLoop)
            (context.channel as? any SocketOptionProvider)?
                .setSoLinger(linger(l_onoff: 1, l_linger: 0))
                .whenComplete { _ in loopContext.value.close(promise: nil) }
        case .delayed(let milliseconds):
            let loopContext = NIOLoopBound(context, eventLoop: context.eventLoop)
            let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                handler.value.write(response, to: head, loopContext.value)
            }
        case .normal, .truncated: write(response, to: head, context)
        }
    }

    private func write(
        _ response: SandboxResponse, to head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders(response.headers)
        headers.add(name: "Content-Length", value: String(response.body.count))
        headers.add(name: "Date", value: HTTPDateText.now())
        let isKept = head.isKeepAlive && response.delivery != .truncated
        if !isKept { headers.add(name: "Connection", value: "close") }
        let responseHead = HTTPResponseHead(
            version: head.version, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
        context.write(wrapOutboundOut(.head(responseHead)), promise: nil)
        guard response.delivery == .truncated else {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
            let loopContext = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
                if !isKept { loopContext.value.close(promise: nil) }
            }
            return
        }
        let half = ByteBuffer(bytes: response.body.prefix(response.body.count / 2))
        let loopContext = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(half)))).whenComplete { _ in
            loopContext.value.close(promise: nil)
        }
    }
}

/// The `Date` header (RFC 9110, section 5.6.7).
private enum HTTPDateText {
    static func now() -> String {
        let seconds = Timestamp.now().seconds
        let days = seconds / 86_400
        let (year, month, day) = CivilDate.date(days: days)
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(weekdays[Int(days % 7)]), \(two(Int64(day))) \(months[month - 1]) \(year) "
            + "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60)) GMT"
    }
}

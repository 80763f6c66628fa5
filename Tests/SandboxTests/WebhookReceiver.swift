// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore
import NIOHTTP1
import NIOPosix

/// A server that keeps what it is sent, and answers with statuses in turn, then with 200.
struct WebhookReceiver: Sendable {
    struct Received: Sendable {
        let path: String
        let headers: HTTPHeaders
        let body: String
    }

    private struct State: Sendable {
        var received: [Received] = []
        var statuses: [Int]
    }

    private let state: LockedBox<State>
    private let channel: any Channel

    var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/hook" }
    var received: [Received] { state.withLock { $0.received } }

    /// Runs `body` with a receiver that ends with it.
    static func run(
        answering statuses: [Int] = [], _ body: (WebhookReceiver) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let state = LockedBox(State(statuses: statuses))
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOHTTPServerRequestAggregator(maxContentLength: 1 << 20), Keeper(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(WebhookReceiver(state: state, channel: channel)))
        } catch {
            result = .failure(error)
        }
        try await channel.close()
        try await group.shutdownGracefully()
        try result.get()
    }

    /// Waits until so many requests came.
    func wait(for count: Int) async throws -> [Received] {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            let received = received
            if received.count >= count { return received }
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
        return received
    }

    private final class Keeper: ChannelInboundHandler {
        typealias InboundIn = NIOHTTPServerRequestFull
        typealias OutboundOut = HTTPServerResponsePart

        private let state: LockedBox<State>

        init(_ state: LockedBox<State>) {
            self.state = state
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let request = unwrapInboundIn(data)
            let received = Received(
                path: request.head.uri, headers: request.head.headers,
                body: request.body.map { String(buffer: $0) } ?? "")
            let status = state.withLock { state -> Int in
                state.received.append(received)
                return state.statuses.isEmpty ? 200 : state.statuses.removeFirst()
            }
            let head = HTTPResponseHead(
                version: request.head.version, status: HTTPResponseStatus(statusCode: status),
                headers: ["Content-Length": "0"])
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging
import Model
import NIOCore
import NIOPosix
import ServiceLifecycle

@testable import Gateway

/// A gateway on free ports, and a client for it.
struct ServedGateway: Sendable {
    let ports: Gateway.Ports
    let http: HTTPClient

    static func run(
        publicRoutes: [Route] = [], privateRoutes: [Route] = [], limits: ServerLimits = ServerLimits(),
        finding: GatewayHealth.Finding = .init(ledger: nil, dispatcher: nil), alsoAllowing: [String] = [],
        metrics: GatewayMetrics = GatewayMetrics(), logger: Logger? = nil,
        _ body: @Sendable (ServedGateway) async throws -> Void
    ) async throws {
        var quiet = Logger(label: "gateway")
        quiet.logLevel = .critical
        let (started, notice) = AsyncStream.makeStream(of: Gateway.Ports.self)
        let gateway = Gateway(
            publicAddress: .init(host: "127.0.0.1", port: 0), publicRoutes: publicRoutes,
            privateAddress: .init(host: "127.0.0.1", port: 0), privateRoutes: privateRoutes,
            health: GatewayHealth { finding }, limits: limits, metrics: metrics,
            logger: logger ?? quiet
        ) { notice.yield($0) }
        let group = ServiceGroup(services: [gateway], logger: quiet)
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { try await group.run() }
            var found = started.makeAsyncIterator()
            if let ports = await found.next() {
                var client = HTTPClientConfiguration()
                client.addressPolicy = .allowing(
                    hosts: Set(
                        alsoAllowing + ["127.0.0.1:\(ports.publicPort)", "127.0.0.1:\(ports.privatePort)"]))
                let http = HTTPClient(configuration: client, logger: quiet)
                let result: Result<Void, any Error>
                do {
                    result = .success(try await body(ServedGateway(ports: ports, http: http)))
                } catch {
                    result = .failure(error)
                }
                await group.triggerGracefulShutdown()
                try result.get()
            }
            try await tasks.waitForAll()
        }
    }

    func send(
        _ method: String, _ target: String, headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil, toPrivate: Bool = false
    ) async throws -> HTTPResponse {
        let port = toPrivate ? ports.privatePort : ports.publicPort
        return try await http.send(
            HTTPRequest(
                method: method, url: "http://127.0.0.1:\(port)\(target)", headers: headers, body: body))
    }
}

extension HTTPResponse {
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A connection whose every byte the test writes.
struct RawConnection: Sendable {
    private let channel: any Channel
    private let received: LockedBox<[UInt8]>

    static func open(port: Int, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton)
        async throws
        -> RawConnection
    {
        let received = LockedBox<[UInt8]>([])
        let channel = try await ClientBootstrap(group: group)
            .channelOption(ChannelOptions.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }.connect(host: "127.0.0.1", port: port).get()
        return RawConnection(channel: channel, received: received)
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
    }

    /// What came until the peer closed.
    func textAtEnd() async throws -> String {
        try await channel.closeFuture.get()
        return text
    }

    var text: String { received.withLock { String(decoding: $0, as: UTF8.self) } }

    var isOpen: Bool { channel.isActive }

    func close() async throws {
        if channel.isActive { try await channel.close().get() }
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let received: LockedBox<[UInt8]>

        init(_ received: LockedBox<[UInt8]>) {
            self.received = received
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            received.withLock { $0 += bytes }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}

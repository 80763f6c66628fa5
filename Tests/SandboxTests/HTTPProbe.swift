// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

@testable import Sandbox

/// A client of one request per connection.
struct HTTPProbe: Sendable {
    struct Answer: Sendable {
        let status: Int
        let headers: HTTPHeaders
        let text: String
    }

    enum Failure: Error {
        case timeout
        case closed
    }

    let port: Int
    private let group: MultiThreadedEventLoopGroup

    init() {
        self.init(port: 0, group: MultiThreadedEventLoopGroup(numberOfThreads: 1))
    }

    private init(port: Int, group: MultiThreadedEventLoopGroup) {
        self.port = port
        self.group = group
    }

    func at(_ port: Int) -> HTTPProbe { HTTPProbe(port: port, group: group) }

    func close() async throws { try await group.shutdownGracefully() }

    @discardableResult
    func send(_ control: SandboxControlRequest) async throws -> Answer {
        try await request(
            HTTPMethod(rawValue: control.method), control.target, nil, control.body, .seconds(20))
    }

    @discardableResult
    func get(_ target: String, key: String, within limit: TimeAmount = .seconds(20)) async throws -> Answer {
        try await request(.GET, target, key, [], limit)
    }

    /// Posts a body, by default a form.
    @discardableResult
    func post(
        _ target: String, key: String? = nil, headers: [(String, String)] = [], _ body: String
    ) async throws -> Answer {
        try await request(.POST, target, key, Array(body.utf8), .seconds(20), headers)
    }

    private func request(
        _ method: HTTPMethod, _ target: String, _ key: String?, _ body: [UInt8], _ limit: TimeAmount,
        _ more: [(String, String)] = []
    ) async throws -> Answer {
        let promise = group.next().makePromise(of: Answer.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: group).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOHTTPClientResponseAggregator(maxContentLength: 64 << 20), Collector(promise))
                }
            }.connect(host: "127.0.0.1", port: port).get()
        } catch {
            promise.fail(error)
            throw error
        }
        var headers = HTTPHeaders([("Host", "127.0.0.1:\(port)"), ("Content-Length", "\(body.count)")])
        if let key { headers.add(name: "Authorization", value: "Bearer \(key)") }
        headers.add(contentsOf: more)
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        let timer = group.next().scheduleTask(in: limit) { promise.fail(Failure.timeout) }
        promise.futureResult.whenComplete { _ in
            timer.cancel()
            channel.close(promise: nil)
        }
        return try await promise.futureResult.get()
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = NIOHTTPClientResponseFull

        private let promise: EventLoopPromise<Answer>

        init(_ promise: EventLoopPromise<Answer>) {
            self.promise = promise
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let response = unwrapInboundIn(data)
            promise.succeed(
                Answer(
                    status: Int(response.head.status.code), headers: response.head.headers,
                    text: response.body.map { String(buffer: $0) } ?? ""))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }

        func channelInactive(context: ChannelHandlerContext) { promise.fail(Failure.closed) }
    }
}

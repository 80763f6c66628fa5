// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// Accepts connections at one address and answers with one table of routes, until graceful shutdown.
struct Listener: Service {
    let host: String
    let port: Int
    let routes: [Route]
    let limits: ServerLimits
    let side: GatewayMetrics.Side
    let metrics: GatewayMetrics
    let logger: Logger
    let page: @Sendable (Problem, String) -> GatewayResponse
    /// Gets the port when it listens, which tells when `port` was 0.
    let started: @Sendable (Int) -> Void

    func run() async throws {
        let (limits, side, metrics) = (limits, side, metrics)
        // Hummingbird logs each start by itself; the process has said what matters.
        var quiet = logger
        quiet.logLevel = .warning
        let application = Application(
            responder: Responder(
                routes: RouteTable(routes), limits: limits, side: side, metrics: metrics, logger: logger,
                page: page),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [
                        ConnectionGuard(bodyTime: limits.bodyTime, side: side, metrics: metrics)
                    ],
                    idleTimeout: TimeAmount(limits.headTime),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: limits.headerFieldBytes, maxHeaderListSize: limits.headerBytes,
                        maxHeaderFieldCount: limits.headerCount))),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "lockstep",
                availableConnectionsDelegate: .maximum(limits.connections, logger: quiet)),
            onServerRunning: { channel in started(channel.localAddress?.port ?? 0) },
            logger: quiet)
        try await application.run()
    }
}

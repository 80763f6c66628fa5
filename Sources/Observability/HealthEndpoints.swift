// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
public import Logging
public import ServiceLifecycle

/// What a health question is answered with.
public struct HealthAnswer: Sendable, Equatable {
    /// Whether the endpoint answers 200; else 503.
    public let isHealthy: Bool
    /// One line for the person who looks.
    public let reason: String

    /// `reason` is the body of the answer.
    public init(isHealthy: Bool, reason: String) {
        self.isHealthy = isHealthy
        self.reason = reason
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics`: 200 or 503 with the reason as text.
public struct HealthEndpoints: Service {
    private let host: String
    private let port: Int
    private let health: @Sendable () -> HealthAnswer
    private let readiness: @Sendable () -> HealthAnswer
    private let metrics: @Sendable () async -> MetricsText
    private let started: @Sendable (Int) -> Void
    private let logger: Logger

    /// `started` gets the port when it listens, which tells when `port` was 0.
    public init(
        host: String, port: Int, logger: Logger, health: @escaping @Sendable () -> HealthAnswer,
        readiness: @escaping @Sendable () -> HealthAnswer,
        metrics: @escaping @Sendable () async -> MetricsText,
        started: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.host = host
        self.port = port
        self.logger = logger
        self.health = health
        self.readiness = readiness
        self.metrics = metrics
        self.started = started
    }

    /// Answers until graceful shutdown.
    public func run() async throws {
        let router = Router()
        let (health, readiness, metrics, started) = (health, readiness, metrics, started)
        router.get("healthz") { _, _ in Self.response(health()) }
        router.get("readyz") { _, _ in Self.response(readiness()) }
        router.get("metrics") { _, _ in
            let text = await metrics().text
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
        // Hummingbird logs each start by itself; the process has said what matters.
        var quiet = logger
        quiet.logLevel = .warning
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "lockstep"),
            onServerRunning: { channel in started(channel.localAddress?.port ?? 0) },
            logger: quiet)
        try await application.run()
    }

    private static func response(_ answer: HealthAnswer) -> Response {
        Response(
            status: answer.isHealthy ? .ok : .serviceUnavailable,
            headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: answer.reason + "\n")))
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Gateway
import Logging
import Observability
import RedisClient
import ServiceLifecycle
import Settings
import UnixSignals

struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "The HTTP side: a public listener for providers and users, a private one for operators.",
        discussion: """
            LOCKSTEP_LISTEN is the public address, and LOCKSTEP_PUBLIC_URL how the world
            reaches it. LOCKSTEP_PRIVATE_LISTEN is the private one: 127.0.0.1:8081 unless
            it is set. Both answer /healthz and /readyz.
            """)

    func run() async throws {
        let settings: ClusterSettings
        do throws(SettingsError) {
            settings = try ClusterSettings.load(
                ProcessInfo.processInfo.environment, requiring: [.database, .keys, .publicURL])
        } catch {
            throw Exit.complain(error.message, Exit.configuration)
        }
        LineLogHandler.bootstrap(
            format: Observability.LogFormat(rawValue: settings.logFormat.rawValue) ?? .text,
            level: Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info)
        let logger = Logger(label: "lockstep-gateway")
        do {
            let parts = try GatewayParts(settings: settings, logger: logger)
            try await parts.checkSchema()
            var quiet = Logger(label: "lifecycle")
            quiet.logLevel = .error
            var configuration = ServiceGroupConfiguration(
                services: parts.services.map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
            configuration.maximumGracefulShutdownDuration = Gateway.drainLimit
            try await ServiceGroup(configuration: configuration).run()
            await parts.close()
            logger.info("gateway ended")
        } catch let error as RedisError where error.code == .invalidURL {
            throw Exit.complain(error.message, Exit.configuration)
        } catch let code as ExitCode {
            throw code
        } catch {
            throw Exit.complain("\(error)", Exit.unavailable)
        }
    }
}

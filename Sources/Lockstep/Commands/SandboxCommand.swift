// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import Observability
import Sandbox
import ServiceLifecycle
import UnixSignals

struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "A provider that behaves like Stripe and Google Calendar, with faults on demand.",
        discussion: """
            Services are below /stripe and /google-calendar; point Lockstep at them with
            LOCKSTEP_SERVICE_URLS=stripe=http://HOST:PORT/stripe,google-calendar=http://HOST:PORT/google-calendar
            """)

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"
    @Option(help: "The port; 0 for any free one.")
    var port = 8090
    @Option(help: "Users u_1 to u_N.")
    var users = 20
    @Option(help: "Objects of each stream of each user.")
    var objects = 200
    @Option(help: "The same seed gives the same objects and edits.")
    var seed: UInt64 = 1
    @Option(help: "Random edits per second while it runs.")
    var editsPerSecond = 0

    func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port: a number from 0 to 65535") }
        guard (1...100_000).contains(users), (0...1_000_000).contains(objects),
            (0...10_000).contains(editsPerSecond)
        else { throw ValidationError("--users 1…100000, --objects 0…1000000, --edits-per-second 0…10000") }
    }

    func run() async throws {
        LineLogHandler.bootstrap(format: .text, level: .info)
        var configuration = SandboxConfiguration()
        configuration.host = host
        configuration.port = port
        configuration.users = users
        configuration.objects = objects
        configuration.seed = seed
        configuration.editsPerSecond = editsPerSecond
        let server = SandboxServer(configuration: configuration, logger: Logger(label: "sandbox")) { port in
            // The first line of the output: who started this process reads the port from it.
            print("sandbox listens on port \(port)")
            StandardOutput.flush()
        }
        var quiet = Logger(label: "lifecycle")
        quiet.logLevel = .error
        try await ServiceGroup(
            services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet
        ).run()
    }
}

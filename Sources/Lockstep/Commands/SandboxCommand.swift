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
        abstract:
            "A provider that behaves like Stripe, Google Calendar, Slack and Gmail, with faults on demand.",
        discussion: """
            Services are below /stripe, /google-calendar, /slack and /gmail.
            Point Lockstep at them, for example with
            LOCKSTEP_SERVICE_URLS=stripe=http://HOST:PORT/stripe

            User u_1 has the keys sk_test_u_1, ya29.u_1 (Google) and xoxb-u_1.
            Authorization servers are below each service and below /oauth; their
            client is lockstep with the secret lockstep-secret.

            Below /_control are edits, faults, limits, notifications and the
            ledger of requests: see docs/sandbox.md.
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
    @Option(help: "Changes that share one second of the data's time, so that times are equal.")
    var changesPerSecond = 1
    @Flag(help: "Keep the limits that the services document; otherwise only those set at /_control/limits.")
    var limits = false

    func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port: a number from 0 to 65535") }
        guard (1...100_000).contains(users), (0...1_000_000).contains(objects),
            (0...10_000).contains(editsPerSecond), (1...1_000_000).contains(changesPerSecond)
        else {
            throw ValidationError(
                "--users 1…100000, --objects 0…1000000, --edits-per-second 0…10000, "
                    + "--changes-per-second 1…1000000")
        }
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
        configuration.changesPerSecond = changesPerSecond
        configuration.keepsLimits = limits
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

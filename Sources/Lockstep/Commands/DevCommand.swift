// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cryptography
import DevCluster
import Foundation
import Logging
import Model
import Observability
import ServiceLifecycle
import UnixSignals

struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract:
            "A whole cluster on this machine: private Redis and Postgres, sandbox, scheduler, workers, gateway.",
        discussion: """
            Ctrl-C stops all of it. With --demo it shows what a cluster does, and verifies the result.
            Its processes get LOCKSTEP_LIMITS, LOCKSTEP_CONNECTORS and LOCKSTEP_WEBHOOK_… of this
            command's environment.
            """)

    @Option(help: "Where data and logs are kept.")
    var directory = ".lockstep"
    @Option(help: "Workers to start.")
    var workers = 2
    @Option(help: "Users of the sandbox.")
    var users = 20
    @Option(help: "Objects of each stream of each user.")
    var objects = 200
    @Option(help: "The gateway's public port; 0 for any free one.")
    var port = 0
    @Flag(help: "Connect all users, sync, edit, kill a worker, verify. Starts from nothing.")
    var demo = false
    @Option(
        help:
            "Kill workers so many times while they sync, and prove that nothing was lost. Starts from nothing."
    )
    var soak: Int?
    @Option(help: "What the soak's random choices are made of; it is printed.")
    var seed = UInt64.random(in: 0...999_999)

    func validate() throws {
        if demo, soak != nil { throw ValidationError("--demo or --soak, not both") }
        if let soak, !(1...10_000_000).contains(soak) { throw ValidationError("--soak 1…10000000") }
        guard (1...32).contains(workers), (1...10_000).contains(users), (1...100_000).contains(objects) else {
            throw ValidationError("--workers 1…32, --users 1…10000, --objects 1…100000")
        }
        guard (0...65_535).contains(port) else { throw ValidationError("--port: a number from 0 to 65535") }
    }

    func run() async throws {
        LineLogHandler.bootstrap(format: .text, level: .error)
        let work = DevWork(options: self)
        var quiet = Logger(label: "lifecycle")
        quiet.logLevel = .critical
        do {
            try await ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [.init(service: work, successTerminationBehavior: .gracefullyShutdownGroup)],
                    gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
            ).run()
        } catch let error as DevClusterError {
            throw Exit.complain(error.message, Exit.unavailable)
        }
        if let code = work.exitCode { throw code }
    }
}

/// Starts the cluster, runs the demo or waits, and stops the cluster on every way out.
private final class DevWork: Service {
    private let directory: String
    private let configuration: DevCluster.Configuration
    private let isDemo: Bool
    private let soak: (kills: Int, seed: UInt64)?
    private let port: Int
    private let code = LockedBox<ExitCode?>(nil)

    init(options: DevCommand) {
        let base = URL(fileURLWithPath: options.directory).path
        directory = options.demo ? "\(base)/demo" : options.soak != nil ? "\(base)/soak" : base
        let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        var configuration = DevCluster.Configuration(directory: directory, programs: programs)
        configuration.workers = options.workers
        configuration.sandboxUsers = options.users
        configuration.sandboxObjects = options.objects
        configuration.lease = options.demo ? "5s" : options.soak != nil ? "3s" : "30s"
        // The application that the sandbox's authorization servers know.
        for service in ["GMAIL", "GOOGLE_CALENDAR", "SLACK"] {
            configuration.extraEnvironment["LOCKSTEP_OAUTH_\(service)_CLIENT_ID"] = "lockstep"
            configuration.extraEnvironment["LOCKSTEP_OAUTH_\(service)_CLIENT_SECRET"] = "lockstep-secret"
        }
        configuration.extraEnvironment.merge(
            ProcessInfo.processInfo.environment.filter { Self.isPassedOn($0.key) }
        ) { $1 }
        self.configuration = configuration
        isDemo = options.demo
        soak = options.soak.map { ($0, options.seed) }
        port = options.port
    }

    var exitCode: ExitCode? { code.withLock { $0 } }

    /// Whether a variable of this command's environment is for an experiment with the cluster. All else of the cluster is its
    /// own, so that what is exported for another cluster does no harm.
    private static func isPassedOn(_ variable: String) -> Bool {
        variable == "LOCKSTEP_LIMITS" || variable == "LOCKSTEP_CONNECTORS"
            || (variable.hasPrefix("LOCKSTEP_WEBHOOK_")
                && (variable.hasSuffix("_SECRET") || variable.hasSuffix("_SECRET_FILE")))
    }

    func run() async throws {
        let output = ProgressOutput()
        if isDemo || soak != nil { try DemoData.clear(configuration.directory) }
        let keys = try DemoData.secret("keys", in: directory) {
            "dev:\(Base64.standard.encode(try SecureRandom.bytes(32)))"
        }
        output.step("starting Redis, Postgres and the sandbox in \(directory)")
        let cluster = try await DevCluster.start(configuration, keys: keys)
        do {
            let isGood = try await cancelWhenGracefulShutdown { try await self.use(cluster, output) }
            if !isGood { code.withLock { $0 = Exit.failed } }
        } catch is CancellationError {
            output.step("stopping")
        } catch {
            await cluster.stop()
            throw error
        }
        await cluster.stop()
        output.step("stopped; logs are in \(directory)")
    }
}

extension DevWork {
    /// Runs the demo, the soak, or nothing; whether all was well.
    private func use(_ cluster: DevCluster, _ output: ProgressOutput) async throws -> Bool {
        guard let soak else {
            let token = try DemoData.secret("admin-token", in: directory) {
                Base64.urlSafe.encode(try SecureRandom.bytes(24))
            }
            let demo = DemoScenario(
                cluster: cluster, output: output, users: configuration.sandboxUsers, port: port,
                adminToken: token)
            return try await demo.run(isDemo: isDemo) == 0
        }
        let report = try await SoakScenario(
            cluster: cluster, output: output, users: configuration.sandboxUsers, kills: soak.kills,
            seed: soak.seed, logs: directory
        ).run()
        output.show(report.text)
        return report.failures.isEmpty
    }
}

/// What a dev cluster keeps besides its servers' data.
enum DemoData {
    /// Removes what an earlier demo left.
    static func clear(_ directory: String) throws {
        for path in [directory, DevCluster.scratch(of: directory)]
        where FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// A secret of this directory, such as the key of its credentials; made once.
    static func secret(
        _ name: String, in directory: String, make: () throws -> String
    ) throws -> SecretString {
        let path = "\(directory)/\(name)"
        if FileManager.default.fileExists(atPath: path) {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            return SecretString(text.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        let text = try make()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        else { throw DevClusterError("cannot write \(path)") }
        return SecretString(text)
    }
}

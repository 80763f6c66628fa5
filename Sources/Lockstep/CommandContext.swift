// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import JobQueue
import Logging
import Model
import Observability
import PostgresClient
import RedisClient
import Settings
import SyncStore

/// The exit codes of all commands (sysexits.h).
enum Exit {
    static let failed = ExitCode(1)
    static let usage = ExitCode(64)
    static let badData = ExitCode(65)
    static let noSuchInput = ExitCode(66)
    static let unavailable = ExitCode(69)
    static let configuration = ExitCode(78)

    /// Says why and gives the code to throw.
    static func complain(_ message: String, _ code: ExitCode) -> ExitCode {
        FileHandle.standardError.write(Data("lockstep: \(message)\n".utf8))
        return code
    }
}

/// What a command that talks to the cluster has at hand.
struct CommandContext {
    let settings: ClusterSettings
    let logger: Logger
    let pool: PostgresPool

    /// Runs a command's work. Failures of servers exit with 69, of the configuration with 78.
    static func run(
        requiring requirements: ClusterSettings.Requirements = .database,
        _ body: (CommandContext) async throws -> Void
    ) async throws {
        let settings: ClusterSettings
        do throws(SettingsError) {
            settings = try ClusterSettings.load(
                ProcessInfo.processInfo.environment, requiring: requirements)
        } catch {
            throw Exit.complain(error.message, Exit.configuration)
        }
        // Commands talk to people by their output; only what goes wrong in a driver is a log line.
        LineLogHandler.bootstrap(format: .text, level: .error)
        do {
            let pool = try makePool(settings)
            try await body(CommandContext(settings: settings, logger: Logger(label: "lockstep"), pool: pool))
            await pool.close()
        } catch let error as StoreError {
            let code = error.code == .unavailable ? Exit.unavailable : Exit.failed
            throw Exit.complain(error.message, error.code == .schemaMismatch ? Exit.configuration : code)
        } catch let error as PostgresError {
            throw Exit.complain(error.message, Exit.unavailable)
        } catch let error as QueueError {
            throw Exit.complain(error.message, Exit.unavailable)
        } catch let error as RedisError {
            let isSetting = error.code == .invalidURL
            throw Exit.complain(error.message, isSetting ? Exit.configuration : Exit.unavailable)
        }
    }

    /// Runs `body` with the queue; the connection to Redis ends with it.
    func withQueue<Result: Sendable>(_ body: (JobQueue) async throws -> Result) async throws -> Result {
        var configuration = JobQueueConfiguration()
        configuration.prefix = settings.prefix
        let settings = configuration
        return try await withRedis { try await body(JobQueue(redis: $0, configuration: settings)) }
    }

    /// Runs `body` with a connection to Redis that ends with it.
    func withRedis<Result: Sendable>(_ body: (RedisClient) async throws -> Result) async throws -> Result {
        let redis = RedisClient(
            configuration: try RedisConfiguration(
                url: settings.redisURL.secret.exposed, keyPrefix: settings.prefix), logger: logger)
        // Cancelled and so ended below, on every way out.
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        return try await body(redis)
    }

    private static func makePool(_ settings: ClusterSettings) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(
            url: settings.databaseURL?.secret.exposed ?? "postgresql:///")
        configuration.maxConnections = 4
        return PostgresPool(configuration: configuration)
    }
}

/// `--json` for programs.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON instead of a table.")
    var json = false
}

/// One integration, by its id or by user, service and account.
struct IntegrationArguments: ParsableArguments {
    @Argument(help: "The integration's id, or USER/SERVICE[/ACCOUNT].")
    var integration: String

    var reference: IntegrationReference {
        get throws {
            if let id = Int64(integration), id > 0 { return .id(id) }
            let parts = integration.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
                throw Exit.complain(
                    "'\(integration)' names no integration; allowed: an id, or USER/SERVICE[/ACCOUNT]",
                    Exit.usage)
            }
            let account = parts.count == 3 ? parts[2] : IntegrationKey.defaultAccount
            return .key(IntegrationKey(userID: parts[0], service: parts[1], account: account))
        }
    }

    /// Finds it; exits with 66 when there is none.
    func find(_ context: CommandContext) async throws -> (id: Int64, key: IntegrationKey, status: String) {
        guard let found = try await IntegrationStore(pool: context.pool).find(try reference) else {
            throw Exit.complain("there is no integration '\(integration)'", Exit.noSuchInput)
        }
        return found
    }
}

/// Times as an operator reads them.
enum TimeOutput {
    static func text(_ instant: Timestamp?) -> String {
        instant.map { Timestamp(seconds: $0.seconds).rfc3339 } ?? "-"
    }
}

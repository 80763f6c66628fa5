// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DeclarativeConnectors
import JobQueue
import Model
import RedisClient
import Settings
import SyncStore
import Vault

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check the configuration, Redis, Postgres, keys and connectors; say what to change.",
        discussion: "Changes nothing. Exits with 1 when something has to be changed.")

    func run() async throws {
        try await CommandContext.run(requiring: []) { context in
            print(context.settings.effective.table())
            var problems = 0
            func report(_ subject: String, _ problem: String?) {
                print(
                    "\(problem == nil ? "ok      " : "problem ")  \(subject)\(problem.map { ": \($0)" } ?? "")"
                )
                if problem != nil { problems += 1 }
            }
            report("Postgres", await Self.postgres(context))
            for (subject, problem) in await Self.redis(context) { report(subject, problem) }
            report("keys", Self.keys(context.settings))
            report("connectors", Self.connectors(context.settings))
            if problems > 0 { throw Exit.failed }
        }
    }

    private static func postgres(_ context: CommandContext) async -> String? {
        guard context.settings.databaseURL != nil else { return "DATABASE_URL is not set" }
        do throws(StoreError) {
            switch try await Migrator(pool: context.pool).check() {
            case .current: return nil
            case .behind(let names):
                return "the schema lacks \(names.joined(separator: ", ")); run 'lockstep migrate'"
            case .ahead(let names):
                return "the schema is newer than this program: \(names.joined(separator: ", "))"
            case .altered(let names): return "migrations were altered: \(names.joined(separator: ", "))"
            }
        } catch {
            return error.message
        }
    }

    private static func redis(_ context: CommandContext) async -> [(String, String?)] {
        do {
            let configuration = try RedisConfiguration(
                url: context.settings.redisURL.secret.exposed, keyPrefix: context.settings.prefix)
            let redis = RedisClient(configuration: configuration, logger: context.logger)
            let running = Task { try await redis.run() }
            defer { running.cancel() }
            let verdict = try await DurabilityVerdict.check(redis, at: configuration)
            let refusals: [(String, String?)] = verdict.refusals.map { ("Redis", $0.sentence) }
            for warning in verdict.warnings { print("note      \(warning.sentence)") }
            return refusals.isEmpty ? [("Redis", nil)] : refusals
        } catch {
            return [("Redis", "\(error)")]
        }
    }

    private static func keys(_ settings: ClusterSettings) -> String? {
        guard !settings.keys.isEmpty else { return "LOCKSTEP_KEYS is not set; workers need it" }
        do throws(VaultError) {
            _ = try KeyRing(settings.keys)
            return nil
        } catch {
            return error.message
        }
    }

    private static func connectors(_ settings: ClusterSettings) -> String? {
        do {
            _ = try ConnectorCommand.registry(settings)
            return nil
        } catch {
            return "a manifest is wrong; see above"
        }
    }
}

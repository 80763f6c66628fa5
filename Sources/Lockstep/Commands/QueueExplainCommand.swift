// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import JobQueue
import Model
import RateLimits
import SyncStore

extension QueueCommand {
    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say where a job, or the jobs of an integration, are, and why they do not run now.",
            discussion: """
                The search in Redis is bounded; when a place is longer than it looks through, that is said. Exits with 66 when \
                the job is nowhere.
                """)

        @Option(help: "A job's id.")
        var job: String?
        @Option(help: "An integration's number.")
        var integration: Int64?
        @Option(help: "The integration's user.")
        var user: String?
        @Option(help: "The integration's service.")
        var service: String?
        @Option(help: "The integration's account.")
        var account: String?
        @OptionGroup var output: OutputOptions

        func validate() throws {
            let isNamed = user != nil || service != nil
            guard [job != nil, integration != nil, isNamed].count(where: { $0 }) == 1 else {
                throw ValidationError("say --job ID, --integration NUMBER, or --user ID --service NAME")
            }
            guard !isNamed || (user != nil && service != nil) else {
                throw ValidationError("--user and --service belong together")
            }
            if account != nil, !isNamed { throw ValidationError("--account needs --user and --service") }
        }

        func run() async throws {
            try await CommandContext.run { context in
                let report = try await report(context)
                if output.json { print(report.json) } else { print(report.text) }
                if report.isEmpty { throw Exit.noSuchInput }
            }
        }

        private func report(_ context: CommandContext) async throws -> ExplainReport {
            let store = IntegrationStore(pool: context.pool)
            if let job {
                guard Self.isID(job) else {
                    throw Exit.complain(
                        "'\(job)' is no job id; allowed: 1 to 64 of A-Z a-z 0-9 . _ : -", Exit.usage)
                }
                let runs = try await store.runs(ofJob: job, limit: 5)
                let found = try await context.withQueue { try await $0.explain(.id(job)) }
                var state: (id: Int64, key: IntegrationKey, status: String)?
                if let run = runs.first { state = try await store.find(.id(run.integrationID)) }
                return ExplainReport(
                    subject: "job \(job)", found: found, runs: runs, integration: state,
                    limits: try await limits(context, state))
            }
            var arguments = IntegrationArguments()
            arguments.integration =
                integration.map { "\($0)" }
                ?? [user ?? "", service ?? "", account ?? IntegrationKey.defaultAccount].joined(
                    separator: "/")
            let target = try await arguments.find(context)
            let found = try await context.withQueue {
                try await $0.explain(.integration(id: target.id, key: target.key))
            }
            return ExplainReport(
                subject: "integration \(target.id) (\(target.key))", found: found,
                runs: try await store.jobRuns(ofIntegration: target.id, limit: 3), integration: target,
                limits: try await limits(context, target))
        }

        private func limits(
            _ context: CommandContext, _ target: (id: Int64, key: IntegrationKey, status: String)?
        ) async throws -> [LimitStanding] {
            guard let target else { return [] }
            return try await LimitsCommand.standings(context, target.key.service, target.id) ?? []
        }

        private static func isID(_ text: String) -> Bool {
            (1...64).contains(text.utf8.count)
                && text.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                        || [0x2E, 0x5F, 0x3A, 0x2D].contains($0)
                }
        }
    }
}

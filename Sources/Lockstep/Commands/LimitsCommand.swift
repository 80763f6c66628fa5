// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ConnectorKit
import DeclarativeConnectors
import JobQueue
import Model
import RateLimits
import Settings

struct LimitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits", abstract: "The rate limits of an integration, and how they stand.",
        discussion: "Limits come from the connector; LOCKSTEP_LIMITS changes them.")

    @OptionGroup var target: IntegrationArguments
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await CommandContext.run { context in
            let found = try await target.find(context)
            guard let standings = try await Self.standings(context, found.key.service, found.id) else {
                throw Exit.complain(
                    "there is no connector for '\(found.key.service)'; see 'lockstep connector list'",
                    Exit.noSuchInput)
            }
            var table = TextTable(["Limit", "Counts", "Allows", "Now"])
            for standing in standings {
                table.add([standing.name, standing.concerns, standing.allows, standing.state])
            }
            table.print(asJSON: output.json)
        }
    }

    /// How the limits of an integration stand; nil when its service has no connector here.
    static func standings(
        _ context: CommandContext, _ service: String, _ integrationID: Int64
    ) async throws -> [LimitStanding]? {
        let registry = try ConnectorCommand.registry(context.settings)
        guard let connector = registry.connector(for: service) else { return nil }
        let uses = context.settings.limits.applied(to: connector.limits.map { LimitUse($0) }, of: service)
        return try await context.withRedis { redis in
            try await RateLimiter(
                redis: redis, prefix: context.settings.prefix, logger: context.logger
            ).standings(
                of: uses.map(\.rule), in: LimitScope(service: service, integrationID: integrationID),
                endpoints: connector.endpoints)
        }
    }

    /// Why requests wait for a limit; nil for one that is open.
    static func reason(_ standing: LimitStanding) -> WaitReason? {
        guard standing.isClosed else { return nil }
        let now = standing.state
        return switch standing.subject {
        case .breaker:
            WaitReason(
                code: "outage", text: "the service has failed for many, and its circuit breaker is \(now)")
        case .integration:
            WaitReason(code: "refused", text: "the provider limits this integration: \(now)")
        case .limit(let rule, let endpoint):
            WaitReason(
                code: "limit_\(rule.name)",
                text:
                    "limit \(rule.name)\(endpoint.map { " of \($0)" } ?? "") (\(rule.quantity)) makes requests wait: \(now)"
            )
        }
    }
}

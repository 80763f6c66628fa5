// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cron
import DeclarativeConnectors
import Model
import Settings
import SyncStore

/// What `schedules add` and `schedules set` may say about a schedule.
struct ScheduleOptions: ParsableArguments {
    @Option(help: "5 fields, 6 with seconds first, or @daily and its like.")
    var cron: String?
    @Option(help: "An IANA time zone, such as Europe/Berlin.")
    var zone: String?
    @Option(help: "full or incremental.")
    var type: String?
    @Option(help: "Only this service, instead of the schedules of all services.")
    var service: String?
    @Option(help: "Only this integration (an id, or USER/SERVICE[/ACCOUNT]), instead of all others.")
    var integration: String?
    @Option(name: .customLong("catch-up"), help: "Slots that nobody fired in time: skip, latest or all.")
    var catchUp: String?
    @Option(help: "Seconds over which the jobs of a slot are spread, 0 to 86400.")
    var spread: Int64?

    static let maximumSpread: Int64 = 86_400

    /// Puts what was given into a definition; exits when something is wrong.
    func apply(to definition: inout ScheduleDefinition, _ context: CommandContext) async throws {
        if let cron { definition.cron = cron }
        if let zone { definition.timeZone = zone }
        if let type {
            guard let value = JobType(rawValue: type), [.full, .incremental].contains(value) else {
                throw Self.complain("--type", type, ["full", "incremental"])
            }
            definition.type = value
        }
        if let catchUp {
            guard let value = ScheduleDefinition.CatchUp(rawValue: catchUp) else {
                throw Self.complain(
                    "--catch-up", catchUp, ScheduleDefinition.CatchUp.allCases.map(\.rawValue))
            }
            definition.catchUp = value
        }
        if let spread {
            guard (0...Self.maximumSpread).contains(spread) else {
                throw Exit.complain(
                    "--spread: \(spread) is out of range; allowed: 0 to \(Self.maximumSpread) seconds",
                    Exit.usage)
            }
            definition.spreadSeconds = spread
        }
        try await applyScope(to: &definition, context)
        _ = try ScheduleTimes(definition)
    }

    private func applyScope(to definition: inout ScheduleDefinition, _ context: CommandContext) async throws {
        if service != nil, integration != nil {
            throw Exit.complain(
                "--service and --integration: a schedule has one of them; an integration has its service",
                Exit.usage)
        }
        if let service {
            let known = try ConnectorCommand.registry(context.settings).services
            guard known.contains(service) else { throw Self.complain("--service", service, known) }
            (definition.service, definition.integrationID) = (service, nil)
        }
        if let integration {
            var target = IntegrationArguments()
            target.integration = integration
            (definition.service, definition.integrationID) = (nil, try await target.find(context).id)
        }
    }

    private static func complain(_ option: String, _ value: String, _ allowed: [String]) -> ExitCode {
        let hint = Suggestion.closest(to: value, among: allowed).map { ", did you mean '\($0)'?" } ?? ""
        return Exit.complain(
            "\(option): '\(value)' is not known\(hint); allowed: \(allowed.joined(separator: ", "))",
            Exit.usage)
    }
}

/// The times of a schedule, read as the scheduler reads them.
struct ScheduleTimes {
    let expression: CronExpression
    let zone: TimeZoneRules

    /// Exits with 65 when the expression or the zone cannot be read.
    init(_ definition: ScheduleDefinition) throws {
        do throws(CronError) {
            expression = try CronExpression(definition.cron, hashSeed: definition.name)
        } catch {
            throw Exit.complain("--cron: \(error.message)", Exit.badData)
        }
        do throws(CronError) {
            zone = try TimeZoneRules(named: definition.timeZone)
        } catch {
            throw Exit.complain("--zone: \(error.message)", Exit.badData)
        }
    }

    /// The next times after an instant.
    func next(_ count: Int, after instant: Timestamp) -> [Timestamp] {
        expression.occurrences(
            after: instant, through: Timestamp(microseconds: .max), limit: count, in: zone)
    }

    /// An instant as the clocks of the zone show it, with the offset.
    func local(_ instant: Timestamp) -> String {
        let offset = zone.offset(at: instant)
        let shown = Timestamp(seconds: instant.seconds + Int64(offset)).rfc3339
        let minutes = abs(offset) / 60
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let sign = offset < 0 ? "-" : "+"
        return "\(shown.dropLast())\(sign)\(two(minutes / 60)):\(two(minutes % 60))"
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ConnectorKit
import DeclarativeConnectors
import Foundation
import JobQueue
import Model
import Settings
import SyncStore

struct BackfillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Read a time range again, for all active integrations of a service or for some users.",
        discussion: """
            Enqueues one job for each integration, or one for each step of the range. Repeating the command after a crash \
            enqueues only what is missing: its jobs have ids made from the arguments. To read the same range once more, give it \
            another --name.
            """)

    @Option(help: "The service.")
    var service: String
    @Option(help: "The start of the range, such as 2026-01-01T00:00:00Z.")
    var since: String
    @Option(help: "The end of the range; without it the range is open.")
    var until: String?
    @Option(help: "Only these users, separated by commas.")
    var users: String?
    @Option(name: .customLong("users-file"), help: "Only the users of this file, one a line.")
    var usersFile: String?
    @Option(help: "Only these streams, separated by commas.")
    var streams: String?
    @Option(help: "The queue: high, default or low.")
    var queue = "low"
    @Option(help: "Divide the range into steps, such as 7d or 12h; needs --until.")
    var step: String?
    @Option(help: "Tells this backfill from an equal one.")
    var name: String?
    @Flag(
        name: .customLong("watch"),
        help: "Show how far it is until it is done; exit with 1 when a job failed.")
    var isWatched = false

    func validate() throws {
        if users != nil, usersFile != nil { throw ValidationError("give --users or --users-file") }
    }

    func run() async throws {
        let plan = try plan()
        try await CommandContext.run { context in
            try checkStreams(plan, context)
            let store = BackfillStore(pool: context.pool)
            let (enqueued, isComplete) = try await context.withQueue { queue in
                let enqueued = try await BackfillEnqueuer(plan: plan, store: store, queue: queue).run()
                enqueued.report(plan)
                guard enqueued.jobs > 0, isWatched else { return (enqueued, true) }
                let watch = BackfillWatch(
                    backfill: plan.id, total: enqueued.jobs, store: store, queue: queue)
                return (enqueued, try await watch.run())
            }
            if enqueued.jobs == 0 {
                throw Exit.complain(
                    "no active integration of '\(plan.service)' is meant; see 'lockstep integrations list'",
                    Exit.noSuchInput)
            }
            if !isComplete { throw Exit.failed }
        }
    }

    private func plan() throws -> BackfillPlan {
        var option = QueueOption()
        option.queue = queue
        var names: [String]?
        if let users { names = users.split(separator: ",").map(String.init) }
        if let usersFile {
            guard let text = try? String(contentsOfFile: usersFile, encoding: .utf8) else {
                throw Exit.complain("'\(usersFile)' cannot be read as UTF-8 text", Exit.noSuchInput)
            }
            names = text.split(whereSeparator: \.isNewline).map(String.init).filter { !$0.isEmpty }
        }
        return try BackfillPlan(
            service: service, since: try TimeOption.read(since, "--since"),
            until: try until.map { try TimeOption.read($0, "--until") }, users: names,
            streams: streams?.split(separator: ",").map(String.init), queue: try option.value,
            step: try step.map(BackfillPlan.step), name: name ?? "")
    }

    /// A slip of the hand would become a dead letter of each integration.
    private func checkStreams(_ plan: BackfillPlan, _ context: CommandContext) throws {
        let registry = try ConnectorCommand.registry(context.settings)
        guard let wanted = plan.streams, let connector = registry.connector(for: plan.service) else { return }
        let known = connector.streams.map(\.name)
        for stream in wanted where !known.contains(stream) {
            let hint = Suggestion.closest(to: stream, among: known).map { ", did you mean '\($0)'?" } ?? ""
            throw Exit.complain(
                "--streams: \(plan.service) has no stream '\(stream)'\(hint); allowed: \(known.joined(separator: ", "))",
                Exit.usage)
        }
    }
}

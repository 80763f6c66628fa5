// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Model
import SyncStore

struct SweepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Deletions that wait for a decision.",
        subcommands: [List.self, Approve.self, Reject.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what is held, the oldest first.")

        @Option(help: "Only sweeps with a larger id: the next page.")
        var after: Int64 = 0
        @Option(help: "At most this many.")
        var limit = 100
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                var table = TextTable([
                    "ID", "Integration", "User", "Service", "Stream", "Absent", "Live", "Children", "Why",
                    "Held since",
                ])
                let found = try await SweepDecisions(pool: context.pool).held(
                    after: after, limit: max(1, min(limit, 10_000)))
                for sweep in found {
                    table.add([
                        "\(sweep.id)", "\(sweep.integrationID)", sweep.key.userID, sweep.key.service,
                        sweep.stream, "\(sweep.absent)", "\(sweep.live)", "\(sweep.children)",
                        sweep.reason ?? "", TimeOutput.text(sweep.heldSince),
                    ])
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete what the sweep found absent.",
            discussion: """
                Records that were written since, or that a newer full sync has seen, stay. What belongs to the deleted ones \
                goes with the next sync.
                """)

        @Argument(help: "The sweep's id, as in 'lockstep sweep list'.")
        var id: Int64

        func run() async throws {
            try await SweepCommand.decide(id, approve: true)
        }
    }

    struct Reject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete nothing. The next full sync weighs anew what is absent then.")

        @Argument(help: "The sweep's id, as in 'lockstep sweep list'.")
        var id: Int64

        func run() async throws {
            try await SweepCommand.decide(id, approve: false)
        }
    }

    private static func decide(_ id: Int64, approve: Bool) async throws {
        try await CommandContext.run { context in
            switch try await SweepDecisions(pool: context.pool).decide(id, approve: approve) {
            case .decided(let deleted):
                print(
                    approve
                        ? "sweep \(id) is published: \(deleted) records deleted" : "sweep \(id) is rejected")
            case .notHeld(let status):
                throw Exit.complain("sweep \(id) is not held, but \(status)", Exit.failed)
            case .unknown: throw Exit.complain("there is no sweep \(id)", Exit.noSuchInput)
            }
        }
    }
}

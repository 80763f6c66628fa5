// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SyncStore

struct AlertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alerts", abstract: "Troubles that need a person.", subcommands: [List.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List open alerts, the newest first, and whether they were told.")

        @Flag(help: "Those that are resolved too.")
        var all = false
        @Option(help: "Only alerts with a smaller id: the next page.")
        var before: Int64?
        @Option(help: "At most this many.")
        var limit = 100
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                var table = TextTable([
                    "ID", "Kind", "Service", "Integration", "Subject", "Opened", "Resolved", "Title",
                    "Detail",
                    "Told",
                ])
                let found = try await AlertStore(pool: context.pool).list(
                    all: all, before: before, limit: max(1, min(limit, 10_000)))
                for (alert, told) in found {
                    table.add([
                        "\(alert.id)", alert.kind, alert.service ?? "-",
                        alert.integrationID.map { "\($0)" } ?? "-",
                        alert.subject.isEmpty ? "-" : alert.subject, TimeOutput.text(alert.openedAt),
                        TimeOutput.text(alert.resolvedAt), alert.title,
                        alert.detail.split(whereSeparator: \.isNewline).joined(separator: " "), told ?? "-",
                    ])
                }
                table.print(asJSON: output.json)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import JobQueue
import Model

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Jobs that could not succeed, kept for a person.",
        subcommands: [List.self, Show.self, Count.self, Replay.self, Purge.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List dead letters, the newest first.")

        @OptionGroup var filter: DeadFilterOptions
        @Option(help: "At most this many, up to 10000.")
        var limit = 20
        @Option(help: "Skip this many.")
        var offset = 0
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let wanted = try filter.value
                let (letters, total) = try await context.withQueue { queue in
                    (
                        try await queue.deadLetters(
                            matching: wanted, offset: max(0, offset), limit: max(1, min(limit, 10_000))),
                        try await queue.deadLetters(limit: 1).total
                    )
                }
                var table = TextTable([
                    "Job", "Queue", "Service", "User", "Attempts", "Failed at", "Code", "Reason",
                ])
                for (letter, subject) in letters {
                    table.add([
                        letter.id, letter.queue.rawValue, subject.service ?? "-", subject.user ?? "-",
                        "\(letter.attempts)", TimeOutput.text(letter.failedAt), letter.code, letter.reason,
                    ])
                }
                table.print(asJSON: output.json)
                if !output.json { print("\n\(letters.count) shown, \(total) dead letters in all") }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a dead letter with its payload.")

        @Argument(help: "The job's id.")
        var job: String

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let letter = try await context.withQueue { try await DeadCommand.find(job, $0) }
                print("job       \(letter.id)")
                print("queue     \(letter.queue.rawValue)")
                print("attempts  \(letter.attempts)")
                print("failed    \(TimeOutput.text(letter.failedAt))")
                print("reason    \(letter.reason)")
                if !letter.detail.isEmpty { print("detail    \(letter.detail)") }
                print("payload   \(String(decoding: letter.payload, as: UTF8.self))")
            }
        }
    }

    struct Count: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Count dead letters by code and service.")

        @OptionGroup var filter: DeadFilterOptions
        @OptionGroup var output: OutputOptions

        private struct Group: Hashable {
            let code: String
            let service: String
        }

        private struct Tally {
            var letters = 0
            var oldest: Timestamp?
            var newest: Timestamp?

            mutating func add(_ failedAt: Timestamp) {
                letters += 1
                oldest = oldest ?? failedAt
                newest = failedAt
            }
        }

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let wanted = try filter.value
                let tallies = try await context.withQueue { queue in
                    var tallies: [Group: Tally] = [:]
                    try await queue.eachDeadLetter(matching: wanted, restart: { tallies = [:] }) {
                        letter, subject in
                        let group = Group(code: letter.code, service: subject.service ?? "-")
                        tallies[group, default: Tally()].add(letter.failedAt)
                        return .kept
                    }
                    return tallies
                }
                var table = TextTable(["Code", "Service", "Letters", "Oldest", "Newest"])
                let sorted = tallies.sorted {
                    ($1.value.letters, $0.key.code, $0.key.service) < (
                        $0.value.letters, $1.key.code, $1.key.service
                    )
                }
                for (group, tally) in sorted {
                    table.add([
                        group.code, group.service, "\(tally.letters)", TimeOutput.text(tally.oldest),
                        TimeOutput.text(tally.newest),
                    ])
                }
                table.print(asJSON: output.json)
                if !output.json {
                    print("\n\(tallies.values.reduce(0) { $0 + $1.letters }) dead letters")
                }
            }
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Enqueue dead jobs again, with their original payload, the oldest first.",
            discussion: """
                Letters that come in meanwhile are left alone, those of replayed jobs that die again among them. An interrupted \
                replay goes on when it is repeated: what was replayed is off the list.
                """)

        @OptionGroup var targets: DeadTargetOptions
        @Option(help: "How fast: a number for each second or minute, such as 50/s or 600/m.")
        var rate = "50/s"

        func run() async throws {
            let rate = try ReplayRate(rate)
            try await CommandContext.run(requiring: []) { context in
                let count = try await context.withQueue { queue in
                    let count = try await targets.count(queue)
                    if targets.isDryRun {
                        print(
                            "would replay \(count) dead letters, which takes \(rate.duration(of: count).components.seconds) s at \(rate.text)"
                        )
                        return nil as Int?
                    }
                    try targets.confirm("Replay \(count) dead letters at \(rate.text)?")
                    var pace = ReplayRate.Pace(rate)
                    return try await targets.each(queue) { letter, end in
                        try await pace.next()
                        return try await queue.replay(letter, from: end)
                    }
                }
                if let count { print("replayed \(count)") }
            }
        }
    }

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete dead letters for good.")

        @OptionGroup var targets: DeadTargetOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let count = try await context.withQueue { queue in
                    // All are what the list holds, whatever it is.
                    let count =
                        targets.all
                        ? try await queue.deadLetters(limit: 1).total : try await targets.count(queue)
                    if targets.isDryRun {
                        print("would purge \(count) dead letters")
                        return nil as Int?
                    }
                    try targets.confirm("Purge \(count) dead letters for good?")
                    if targets.all { return try await queue.purgeDeadLetters() }
                    return try await targets.each(queue) { try await queue.purge($0, from: $1) }
                }
                if let count { print("purged \(count)") }
            }
        }
    }

    static func find(_ id: String, _ queue: JobQueue) async throws -> DeadLetter {
        guard let letter = try await queue.deadLetter(id: id) else {
            throw Exit.complain("there is no dead letter of job '\(id)'", Exit.noSuchInput)
        }
        return letter
    }
}

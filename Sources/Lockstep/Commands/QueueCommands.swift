// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import JobQueue
import Model

/// A queue as an argument.
struct QueueOption: ParsableArguments {
    @Option(help: "The queue: high, default or low.")
    var queue = "default"

    var value: Queue {
        get throws {
            guard let value = Queue(rawValue: queue) else {
                throw Exit.complain("'\(queue)' is no queue; allowed: high, default, low", Exit.usage)
            }
            return value
        }
    }
}

struct SyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Enqueue a sync of one integration.")

    @OptionGroup var target: IntegrationArguments
    @Flag(help: "Read everything again; without it only what changed.")
    var full = false
    @OptionGroup var queue: QueueOption

    func run() async throws {
        try await CommandContext.run { context in
            let found = try await target.find(context)
            let type = full ? "full" : "incremental"
            let payload = "{\"integration_id\":\(found.id),\"type\":\"\(type)\"}"
            let ids = try await context.withQueue {
                try await $0.enqueue([Array(payload.utf8)], in: try queue.value)
            }
            print("enqueued \(type) sync of \(found.key): job \(ids.first ?? "")")
        }
    }
}

struct EnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enqueue", abstract: "Enqueue jobs: one JSON object a line of standard input.",
        discussion: "What is no valid job is refused before anything is enqueued.")

    @OptionGroup var queue: QueueOption

    func run() async throws {
        var payloads: [[UInt8]] = []
        while let line = readLine() {
            if !line.isEmpty { payloads.append(Array(line.utf8)) }
        }
        guard !payloads.isEmpty else { throw Exit.complain("no job came on standard input", Exit.badData) }
        let jobs = payloads
        try await CommandContext.run(requiring: []) { context in
            let name = try queue.value
            do {
                let ids = try await context.withQueue { try await $0.enqueue(jobs, in: name) }
                for id in ids { print(id) }
            } catch let error as QueueError {
                if case .invalidPayload = error.code { throw Exit.complain(error.message, Exit.badData) }
                throw error
            }
        }
    }
}

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "The job queue.",
        subcommands: [Stats.self, PauseJobs.self, ResumeJobs.self, Cancel.self])

    struct Stats: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "How many jobs are where.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let statistics = try await context.withQueue { try await $0.statistics() }
                var table = TextTable(["Where", "Jobs"])
                for queue in Queue.allCases {
                    table.add(["ready \(queue.rawValue)", "\(statistics.ready[queue] ?? 0)"])
                }
                let rest = [
                    ("in flight", statistics.inFlight), ("delayed", statistics.delayed),
                    ("parked", statistics.parked),
                    ("dead letters", statistics.dead), ("workers", statistics.workers),
                ]
                for (name, count) in rest { table.add([name, count.map { "\($0)" } ?? "-"]) }
                for (name, count) in statistics.counters.sorted(by: { $0.key < $1.key }) {
                    table.add(["counted \(name)", "\(count)"])
                }
                table.print(asJSON: output.json)
                for pause in statistics.paused where !output.json { print("paused: \(pause)") }
                for key in statistics.wrongKeys { print("wrong type: \(key)") }
            }
        }
    }
}

/// What a pause concerns, as an argument.
struct PauseArgument: ParsableArguments {
    @Argument(help: "queue:NAME, service:NAME, user:ID or integration:NUMBER.")
    var scope: String

    var value: Pause {
        get throws {
            guard let value = Pause(scope) else {
                throw Exit.complain(
                    "'\(scope)' is nothing to pause; allowed: queue:high|default|low, service:NAME, user:ID, "
                        + "integration:NUMBER",
                    Exit.usage)
            }
            return value
        }
    }
}

extension QueueCommand {
    struct PauseJobs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pause",
            abstract: "Start no more jobs of a queue, service, user or integration; they are kept.",
            discussion: "Running jobs go on. Redis keeps the pause; it is lost when Redis loses its content.")

        @OptionGroup var target: PauseArgument

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let pause = try target.value
                let isNew = try await context.withQueue { try await $0.pause(pause) }
                print(isNew ? "paused \(pause.member)" : "\(pause.member) was paused already")
            }
        }
    }

    struct ResumeJobs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "End a pause; what waited for it is ready again.")

        @OptionGroup var target: PauseArgument

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let pause = try target.value
                let isPaused = try await context.withQueue { try await $0.pauses().contains(pause) }
                let released = try await context.withQueue { try await $0.resume(pause) }
                guard isPaused || released > 0 else {
                    throw Exit.complain("\(pause.member) is not paused", Exit.noSuchInput)
                }
                print("resumed \(pause.member); \(released) parked jobs are ready")
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a job wherever it is: running, ready, parked or due later.",
            discussion: "A running job stops within a second. One that waits is dropped when its turn comes.")

        @Argument(help: "The job's id.")
        var job: String

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let isInFlight = try await context.withQueue { try await $0.cancel(jobID: job) }
                print(
                    isInFlight
                        ? "job \(job) is in flight and stops"
                        : "job \(job) is not in flight; if it waits, it is dropped when its turn comes")
            }
        }
    }
}

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Jobs that could not succeed, kept for a person.",
        subcommands: [List.self, Show.self, Replay.self, Purge.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List dead letters, the newest first.")

        @Option(help: "At most this many.")
        var limit = 20
        @Option(help: "Skip this many.")
        var offset = 0
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let page = try await context.withQueue {
                    try await $0.deadLetters(offset: max(0, offset), limit: max(1, min(limit, 1_000)))
                }
                var table = TextTable(["Job", "Queue", "Attempts", "Failed at", "Reason"])
                for letter in page.letters {
                    table.add([
                        letter.id, letter.queue.rawValue, "\(letter.attempts)",
                        TimeOutput.text(letter.failedAt),
                        letter.reason,
                    ])
                }
                table.print(asJSON: output.json)
                if !output.json { print("\n\(page.total) dead letters in all") }
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

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Enqueue dead jobs again, with their original payload.")

        @Argument(help: "The jobs' ids.")
        var jobs: [String] = []
        @Flag(help: "All of them.")
        var all = false

        func validate() throws {
            if all != jobs.isEmpty { throw ValidationError("name jobs, or say --all") }
        }

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let count = try await context.withQueue { queue in
                    try await DeadCommand.each(jobs, all, queue) { try await queue.replay($0) }
                }
                print("replayed \(count)")
            }
        }
    }

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete dead letters for good.")

        @Argument(help: "The jobs' ids.")
        var jobs: [String] = []
        @Flag(help: "All of them.")
        var all = false

        func validate() throws {
            if all != jobs.isEmpty { throw ValidationError("name jobs, or say --all") }
        }

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let count = try await context.withQueue { queue in
                    if all { return try await queue.purgeDeadLetters() }
                    return try await DeadCommand.each(jobs, all, queue) { try await queue.purge($0) }
                }
                print("purged \(count)")
            }
        }
    }

    private static func find(_ id: String, _ queue: JobQueue) async throws -> DeadLetter {
        guard let letter = try await queue.deadLetter(id: id) else {
            throw Exit.complain("there is no dead letter of job '\(id)'", Exit.noSuchInput)
        }
        return letter
    }

    /// Does something with the named letters, or with all; how many it was done for.
    private static func each(
        _ jobs: [String], _ all: Bool, _ queue: JobQueue, _ body: (DeadLetter) async throws -> Bool
    ) async throws -> Int {
        var count = 0
        for id in jobs where try await body(find(id, queue)) { count += 1 }
        guard all else { return count }
        // What is done leaves the list; what cannot be done stays in front and ends the loop.
        while true {
            let page = try await queue.deadLetters(offset: 0, limit: 100)
            var done = 0
            for letter in page.letters where try await body(letter) { done += 1 }
            count += done
            if done == 0 { return count }
        }
    }
}

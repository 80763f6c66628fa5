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
        subcommands: [
            Stats.self, Explain.self, PauseJobs.self, ResumeJobs.self, Cancel.self, Cap.self, Weight.self,
            Policy.self,
        ])

    struct Stats: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "How many jobs are where.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let statistics = try await context.withQueue { try await $0.statistics() }
                var table = TextTable(["Where", "Jobs"])
                func add(_ name: String, _ count: Int?) { table.add([name, count.map { "\($0)" } ?? "-"]) }
                for queue in Queue.allCases { add("ready \(queue.rawValue)", statistics.ready[queue]) }
                add("unsorted", statistics.unsorted)
                for queue in Queue.allCases {
                    add("backlog \(queue.rawValue)", statistics.backlog(of: queue))
                }
                for queue in Queue.allCases {
                    add(
                        "oldest ready \(queue.rawValue), seconds",
                        statistics.oldestWait[queue].map { Int($0.components.seconds) })
                }
                add("in flight", statistics.inFlight)
                add("delayed", statistics.delayed)
                add("parked", statistics.parked)
                for reason in ParkReason.allCases {
                    add("parked for \(reason.rawValue)", statistics.parkedFor[reason])
                }
                add("dead letters", statistics.dead)
                add("workers", statistics.workers)
                add("living workers", statistics.livingWorkers)
                for (name, count) in statistics.counters.sorted(by: { $0.key < $1.key }) {
                    add("counted \(name)", count)
                }
                table.print(asJSON: output.json)
                for pause in statistics.paused where !output.json { print("paused: \(pause)") }
                for key in statistics.wrongKeys { print("wrong type: \(key)") }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import JobQueue

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

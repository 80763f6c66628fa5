// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import JobQueue
import Model

/// Which dead letters a command means.
struct DeadFilterOptions: ParsableArguments {
    @Option(help: "Only this code, such as unknown_integration.")
    var code: String?
    @Option(help: "Only those whose reason has this text, in any case.")
    var reason: String?
    @Option(help: "Only those of this service.")
    var service: String?
    @Option(help: "Only those of this user.")
    var user: String?
    @Option(help: "Only those of this queue: high, default or low.")
    var queue: String?
    @Option(help: "Only those that failed at this time or later, such as 2026-01-31T08:00:00Z.")
    var since: String?
    @Option(help: "Only those that failed before this time.")
    var until: String?

    var value: DeadLetterFilter {
        get throws {
            var filter = DeadLetterFilter()
            (filter.code, filter.reason, filter.service, filter.user) = (code, reason, service, user)
            filter.queue = try queue.map { text in
                var option = QueueOption()
                option.queue = text
                return try option.value
            }
            filter.since = try since.map { try TimeOption.read($0, "--since") }
            filter.until = try until.map { try TimeOption.read($0, "--until") }
            return filter
        }
    }

    var isEmpty: Bool {
        [code, reason, service, user, queue, since, until].allSatisfy { $0 == nil }
    }
}

/// Letters by the ids of their jobs, by filters, or all.
struct DeadTargetOptions: ParsableArguments {
    @Argument(help: "The jobs' ids.")
    var jobs: [String] = []
    @Flag(help: "All of them.")
    var all = false
    @OptionGroup var filter: DeadFilterOptions
    @Flag(name: .customLong("dry-run"), help: "Only say how many.")
    var isDryRun = false
    @Flag(name: .customLong("yes"), help: "Do not ask, on a terminal.")
    var isConfirmed = false

    func validate() throws {
        guard [!jobs.isEmpty, all, !filter.isEmpty].count(where: { $0 }) == 1 else {
            throw ValidationError("name jobs, or give filters such as --code, or say --all")
        }
    }

    /// How many letters are meant; exits with 66 when a job that was named has none.
    func count(_ queue: JobQueue) async throws -> Int {
        if !jobs.isEmpty {
            for id in jobs { _ = try await DeadCommand.find(id, queue) }
            return jobs.count
        }
        var count = 0
        try await queue.eachDeadLetter(matching: try filter.value, restart: { count = 0 }) { _, _ in
            count += 1
            return .kept
        }
        return count
    }

    /// Asks on a terminal; elsewhere the command line is the confirmation.
    func confirm(_ question: String) throws {
        guard !isConfirmed, StandardOutput.isTerminal, StandardInput.isTerminal else { return }
        print("\(question) [y/N] ", terminator: "")
        StandardOutput.flush()
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw Exit.complain("nothing was changed", Exit.failed)
        }
    }

    /// Does something with each letter that is meant, the oldest first; how many it was done for. `body` tells whether it took
    /// the letter off the list.
    func each(
        _ queue: JobQueue, _ body: (DeadLetter, JobQueue.End) async throws -> Bool
    ) async throws -> Int {
        var done = 0
        for id in jobs where try await body(DeadCommand.find(id, queue), .newest) { done += 1 }
        guard jobs.isEmpty else { return done }
        try await queue.eachDeadLetter(matching: try filter.value) { letter, _ in
            if try await body(letter, .oldest) { done += 1 }
            return .removed
        }
        return done
    }
}

/// Instants as arguments.
enum TimeOption {
    /// Reads RFC 3339 with a zone; exits with 64 for anything else.
    static func read(_ text: String, _ option: String) throws -> Timestamp {
        guard let time = Timestamp(rfc3339: text) else {
            throw Exit.complain(
                "\(option): '\(text)' is no time; allowed: RFC 3339 with a zone, such as 2026-01-31T08:00:00Z",
                Exit.usage)
        }
        return time
    }
}

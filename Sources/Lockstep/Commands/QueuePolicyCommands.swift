// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import JobQueue

extension QueueCommand {
    struct Cap: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let so many jobs of a user, service or queue run at once.",
            discussion: "Redis keeps the cap; it is lost when Redis loses its content.")

        @Argument(help: "user:ID, user:* (each user), service:NAME, service:* (each service) or queue:NAME.")
        var scope: String
        @Argument(help: "The number of jobs, or none.")
        var jobs: String

        func run() async throws {
            guard let target = PolicyScope(scope) else {
                throw Exit.complain(
                    "'\(scope)' is nothing to cap; allowed: user:ID, user:*, service:NAME, service:*, "
                        + "queue:high|default|low",
                    Exit.usage)
            }
            let cap = Int(jobs)
            guard jobs == "none" || cap.map({ (1...1_000_000).contains($0) }) == true else {
                throw Exit.complain(
                    "'\(jobs)' is no cap; allowed: 1 to 1000000, or none ('lockstep queue pause' lets no job run)",
                    Exit.usage)
            }
            try await CommandContext.run(requiring: []) { context in
                try await context.withQueue { try await $0.setCap(cap, of: target) }
                print(
                    cap.map { "at most \($0) jobs of \(target.member) run at once" }
                        ?? "\(target.member) has no cap")
            }
        }
    }

    struct Weight: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a user more or fewer turns than the others.",
            discussion: "Redis keeps the weight; it is lost when Redis loses its content.")

        @Argument(help: "user:ID.")
        var scope: String
        @Argument(help: "Turns for one of the others, 0.01 to 100, or default.")
        var weight: String

        func run() async throws {
            guard case .user(let user)? = PolicyScope(scope) else {
                throw Exit.complain("'\(scope)' has no weight; allowed: user:ID", Exit.usage)
            }
            let number = weight == "default" ? nil : PlainNumber.decimal(weight)
            guard weight == "default" || number.map(JobQueue.weights.contains) == true else {
                throw Exit.complain(
                    "'\(weight)' is no weight; allowed: 0.01 to 100, or default", Exit.usage)
            }
            try await CommandContext.run(requiring: []) { context in
                try await context.withQueue { try await $0.setWeight(number, ofUser: user) }
                print(
                    number == nil
                        ? "user:\(user) takes turns like the others"
                        : "user:\(user) gets \(weight) turns for one of the others")
            }
        }
    }

    struct Policy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the caps and weights that are set.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let entries = try await context.withQueue { try await $0.policy() }
                var table = TextTable(["Kind", "Scope", "Value"])
                for entry in entries { table.add([entry.kind.rawValue, entry.scope, entry.value]) }
                table.print(asJSON: output.json)
            }
        }
    }
}

/// Numbers as a person types them.
enum PlainNumber {
    /// Digits with at most one point; nil for `1e3`, `inf` and whatever else `Double` reads.
    static func decimal(_ text: String) -> Double? {
        let isPlain = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
        return isPlain ? Double(text) : nil
    }
}

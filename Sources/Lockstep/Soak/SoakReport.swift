// SPDX-License-Identifier: Apache-2.0

/// What a soak found.
struct SoakReport {
    var seed: UInt64
    var kills = 0
    /// Jobs that were enqueued and have no run that succeeded.
    var lost: [String] = []
    /// Jobs whose pages took effect twice, or not at all.
    var doubled = 0
    /// Checkpoints that were written under an old fence.
    var stale = 0
    /// Objects and records that differ, deletions that nobody made, rows that say a run still runs, unexpected dead letters.
    var differences = 0
    var deletions = 0
    var openRuns = 0
    var deadLetters: [String] = []
    /// Jobs that were buried as poison for their bad luck, and replayed.
    var replayed = 0
    /// Jobs that succeeded, and runs that succeeded.
    var jobs = 0
    var successes = 0

    /// How often the rare things happened for which the soak is made.
    var rare = Rare()

    struct Rare {
        var leasesLostInRun = 0
        var commitsResolved = 0
        var poisonJobs = 0
        var drained = 0

        var all: [(name: String, count: Int)] {
            [
                ("runs overtaken after a lost lease", leasesLostInRun),
                ("unknown commits resolved by reading", commitsResolved), ("poison jobs buried", poisonJobs),
                ("runs drained", drained),
            ]
        }
    }

    /// From so many kills on, each of the rare things has to have happened.
    static let enoughKills = 1_000

    /// What is wrong, a sentence each; empty for a soak that passed.
    var failures: [String] {
        var failures: [String] = []
        if !lost.isEmpty {
            failures.append("\(lost.count) jobs lost: \(lost.prefix(5).joined(separator: ", "))")
        }
        if doubled != 0 { failures.append("\(doubled) jobs with pages that took effect twice or not at all") }
        if stale != 0 { failures.append("\(stale) checkpoints under an old fence") }
        if differences != 0 { failures.append("\(differences) records differ from the provider's objects") }
        if deletions != 0 { failures.append("\(deletions) deletions that nobody made") }
        if openRuns != 0 { failures.append("\(openRuns) log rows still say 'running'") }
        if !deadLetters.isEmpty {
            failures.append("dead letters: \(deadLetters.prefix(5).joined(separator: "; "))")
        }
        let missing = rare.all.filter { $0.count == 0 }.map(\.name)
        if missing.count == rare.all.count || kills >= Self.enoughKills && !missing.isEmpty {
            failures.append("it did not happen: \(missing.joined(separator: ", "))")
        }
        return failures
    }

    var text: String {
        let facts =
            [
                "seed \(seed): \(kills) kills, \(jobs) jobs in \(successes) successful runs",
                "\(replayed) jobs replayed that had met three kills",
                "\(lost.count) lost, \(doubled) double, \(stale) stale, \(differences) differences",
            ] + rare.all.map { "\($0.count) \($0.name)" }
        return (facts + failures.map { "FAILED: \($0)" }).joined(separator: "\n")
    }
}

// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model

/// Keeps one job of each integration under way.
struct SoakFeeder {
    private let users: Int
    /// The job of each user that is not done yet, and the newest run when it was enqueued.
    private var jobs: [Int: (id: String, after: Int64)] = [:]
    private(set) var count = 0
    /// Jobs that were buried as poison because they happened to be there when three workers were killed. Somebody who kills
    /// on purpose replays them, as an operator would.
    private(set) var replayed = 0

    init(users: Int) {
        self.users = users
    }

    var open: [String] { jobs.values.map(\.id).sorted() }

    /// Forgets the jobs that are done.
    mutating func note(_ queue: JobQueue, _ ledger: SoakLedger) async throws {
        for user in try await ledger.succeeded(after: jobs.mapValues(\.after)) { jobs[user] = nil }
        for letter in try await queue.deadLetters(limit: 100).letters
        where letter.code == "poison" && letter.id.hasPrefix("soak-") {
            if try await queue.replay(letter) { replayed += 1 }
        }
    }

    /// Enqueues the next job of each integration whose last one is done.
    mutating func feed(_ queue: JobQueue, _ ledger: SoakLedger) async throws {
        try await note(queue, ledger)
        let newest = try await ledger.newestRun()
        var payloads: [[UInt8]] = []
        for user in 1...users where jobs[user] == nil {
            count += 1
            let id = "soak-\(count)"
            jobs[user] = (id, newest)
            payloads.append(
                Array(
                    "{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\",\"id\":\"\(id)\"}"
                        .utf8))
        }
        if !payloads.isEmpty { try await queue.enqueue(payloads, in: .default) }
    }
}

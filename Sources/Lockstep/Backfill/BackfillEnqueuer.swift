// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model
import SyncStore

/// Enqueues what is missing of a backfill, a page of integrations at a time.
struct BackfillEnqueuer {
    /// What it did.
    struct Outcome {
        var integrations = 0
        /// Jobs of the backfill, those included that were there before.
        var jobs = 0
        var enqueued = 0
        /// Jobs that have succeeded before.
        var done = 0
        /// Users without an active integration, the first of them.
        var missing: [String] = []
        var missingCount = 0
    }

    let plan: BackfillPlan
    let store: BackfillStore
    let queue: JobQueue

    private static let page = 200
    private static let missingShown = 10

    func run() async throws -> Outcome {
        var outcome = Outcome()
        let output = ProgressOutput()
        for (part, users) in plan.parts.enumerated() {
            let mark = try await queue.backfillMark(of: plan.id, part: part)
            var (after, found): (Int64, Set<String>) = (0, [])
            while true {
                let targets = try await store.targets(
                    service: plan.service, users: users, after: after, limit: Self.page)
                guard let last = targets.last else { break }
                after = last.id
                if users != nil { found.formUnion(targets.map(\.userID)) }
                var jobs: [BackfillJob] = []
                for target in targets {
                    jobs += plan.jobs(of: target.id)
                    outcome.integrations += 1
                    guard jobs.count >= JobQueue.batchLimit || target.id == last.id else { continue }
                    try await enqueue(jobs, part, mark, &outcome)
                    jobs = []
                }
                output.progress("\(outcome.jobs) jobs of \(outcome.integrations) integrations")
            }
            let missing = (users ?? []).filter { !found.contains($0) }
            outcome.missingCount += missing.count
            outcome.missing += missing.prefix(Self.missingShown - outcome.missing.count)
        }
        output.close()
        return outcome
    }

    private func enqueue(
        _ jobs: [BackfillJob], _ part: Int, _ mark: BackfillMark?, _ outcome: inout Outcome
    ) async throws {
        outcome.jobs += jobs.count
        let isNew = { (job: BackfillJob) in
            mark.map { BackfillMark(integrationID: job.integrationID, step: job.step) > $0 } ?? true
        }
        let fresh = jobs.filter(isNew)
        guard !fresh.isEmpty else { return }
        // The mark is lost with Redis' content; what the ledger has seen is not read again.
        let done = try await store.succeeded(among: fresh.map(\.id))
        outcome.done += done.count
        let missing = fresh.filter { !done.contains($0.id) }
        outcome.enqueued += try await queue.enqueue(
            missing, ofBackfill: plan.id, part: part, in: plan.queue)
    }
}

extension BackfillEnqueuer.Outcome {
    func report(_ plan: BackfillPlan) {
        guard jobs > 0 else { return }
        var line =
            "backfill \(plan.id): enqueued \(enqueued) of \(jobs) jobs of \(integrations) integrations in queue \(plan.queue.rawValue)"
        if done > 0 { line += "; \(done) are done" }
        if jobs - enqueued - done > 0 { line += "; \(jobs - enqueued - done) were enqueued before" }
        print(line)
        if missingCount > 0 {
            let more = missingCount > missing.count ? " and others" : ""
            print(
                "\(missingCount) users have no active integration of \(plan.service): \(missing.joined(separator: ", "))\(more)"
            )
        }
    }
}

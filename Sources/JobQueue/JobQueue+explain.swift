// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

extension JobQueue {
    /// Finds jobs and says why they do not run now.
    ///
    /// The work is bounded: where a place holds more than it looks through, `partial` tells. The queue moves meanwhile, so a
    /// job that changes its place during the search may be missed.
    public func explain(_ search: JobSearch) async throws(QueueError) -> QueueExplanation {
        var searcher = JobSearcher(queue: self, search: search)
        var explanation = QueueExplanation(now: try await time())
        if case .id(let id) = search {
            explanation.isCancelled = try await !cancelled(among: [id]).isEmpty
        }
        try await searcher.run()
        let reasons = ReasonFinder(queue: self, now: explanation.now)
        for (job, place) in searcher.found.prefix(JobSearcher.maximum) {
            explanation.sightings.append(
                JobSighting(
                    id: job.id, type: job.payload?.type, queue: job.queue,
                    attempts: job.envelope?.attempts ?? 0, recoveries: job.envelope?.recoveries ?? 0,
                    enqueuedAt: job.envelope?.enqueuedAt, place: place.place,
                    reasons: try await reasons.reasons(for: job, at: place, search)))
        }
        for letter in searcher.letters {
            explanation.sightings.append(
                JobSighting(
                    id: letter.id, type: FoundJob(letter.payload).payload?.type, queue: letter.queue,
                    attempts: letter.attempts, recoveries: 0, enqueuedAt: nil,
                    place: .dead(code: letter.code, reason: letter.reason, failedAt: letter.failedAt),
                    reasons: [
                        WaitReason(
                            code: "dead_letter",
                            text:
                                "it is a dead letter: \(letter.reason); 'lockstep dead replay \(letter.id)' makes it ready again"
                        )
                    ]))
        }
        explanation.partial = searcher.partial
        return explanation
    }

    /// The time of Redis.
    func time() async throws(QueueError) -> Timestamp {
        guard let parts = try await command(["TIME"]).array, parts.count == 2, let seconds = parts[0].int,
            let micros = parts[1].int
        else { throw .unexpected("TIME") }
        return Timestamp(microseconds: seconds * 1_000_000 + micros)
    }
}

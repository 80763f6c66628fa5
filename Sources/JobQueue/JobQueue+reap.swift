// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// What one reap did.
public struct ReapReply: Sendable {
    /// Jobs that were taken from dead workers, poison jobs included.
    public var recovered = 0
    /// There is more to recover; reap again at once.
    public var hasMore = false
    /// Ready jobs in the inboxes: somebody was woken for them and did not come. An idle worker should claim.
    public var waitingInInboxes = 0
    /// What a person should hear of; none of it keeps other jobs from running.
    public var problems: [QueueProblem] = []
}

extension JobQueue {
    /// Recovers up to 100 jobs whose leases ran out, or that have none, and repairs what lost keys left
    /// behind. Jobs that took too many workers with them become dead letters.
    ///
    /// Every worker calls this all the time; it costs one command when there is nothing to do. `beforeBurying` is called
    /// with the id of each job that is about to become a dead letter; when it is false, the job is kept and comes back
    /// after a lease.
    public func reap(
        beforeBurying: (String) async -> Bool = { _ in true }
    ) async throws(QueueError) -> ReapReply {
        let reply = try await eval(
            .reap,
            [
                RedisArgument(LeaseToken.make(of: claimant)), RedisArgument(leaseMilliseconds),
                RedisArgument(configuration.poisonLimit),
            ])
        guard let fields = reply.array, fields.count == 4, let recovered = fields[0].int,
            let more = fields[1].int, let waiting = fields[2].int, let poison = fields[3].array
        else { throw .unexpected("reap") }
        var result = ReapReply(recovered: Int(recovered), hasMore: more == 1, waitingInInboxes: Int(waiting))
        for row in poison {
            guard let envelope = row.bytes.flatMap(Envelope.init) else { throw .unexpected("reap") }
            if await beforeBurying(envelope.id) { result.problems.append(await bury(poison: envelope)) }
        }
        return result
    }

    private func bury(poison envelope: Envelope) async -> QueueProblem {
        let reason =
            "\(envelope.recoveries) workers died while they ran this job; find out why before you replay it"
        let draft = DeadLetter.draft(
            id: envelope.id, payload: envelope.payload, size: envelope.size, queue: envelope.queue,
            attempts: envelope.attempts, code: "poison", reason: reason,
            detail: "recovered \(envelope.recoveries) times from a lost lease")
        do {
            _ = try await bury([(LeaseHandle(id: envelope.id, token: envelope.token), draft)])
            return .deadLettered(id: envelope.id, code: "poison", reason: reason)
        } catch {
            return Self.problem(error)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Logging
import Model
import SyncStore

/// What the marks in the ledger and in Redis say together. The ledger is read first, and its beat is one that Redis
/// acknowledged: a Redis that is behind it lost what came after, as one does that was emptied or restored from an old dump.
enum DispatchVerdict: Equatable {
    /// No scheduler has worked on this ledger: an epoch begins.
    case begin
    /// The ledger began an epoch that Redis has not acknowledged.
    case publish(DispatchMark)
    /// Redis holds what it was given.
    case intact(DispatchMark)
    /// Redis lost the content of this epoch.
    case lost(String)

    init(ledger: DispatchRecord?, redis: DispatchMark?) {
        guard let ledger else {
            self = .begin
            return
        }
        if let redis, redis.epoch == ledger.epoch {
            self = redis.beat < ledger.beat ? .lost(ledger.epoch) : .intact(redis)
        } else if ledger.isConfirmed {
            self = .lost(ledger.epoch)
        } else {
            self = .publish(DispatchMark(epoch: ledger.epoch, beat: 0))
        }
    }
}

/// Sees that Redis lost what was enqueued, and has it enqueued again. Nothing is enqueued but in an epoch that both Redis
/// and the ledger know.
struct DispatchGuard: Sendable {
    let store: DispatchStore
    let queue: JobQueue
    let logger: Logger

    /// The epoch to enqueue in, once Redis has acknowledged it.
    func check() async throws -> String {
        // Begin or lose, publish, and done; a fourth look means that Redis is emptied all the time.
        for _ in 0..<4 {
            let ledger = try await store.read()
            switch DispatchVerdict(ledger: ledger, redis: try await queue.dispatchMark()) {
            case .begin:
                try await store.start(RandomName.make())
            case .publish(let mark):
                try await queue.publish(mark)
                try await store.confirm(mark.epoch, beat: mark.beat)
            case .intact(let mark):
                let next = DispatchMark(epoch: mark.epoch, beat: mark.beat + 1)
                guard try await queue.beat(next) else { continue }
                try await store.confirm(next.epoch, beat: next.beat)
                return next.epoch
            case .lost(let epoch):
                if let slots = try await store.lose(epoch, next: RandomName.make()) {
                    logger.error(
                        "redis lost its content; the newest slots are enqueued again",
                        metadata: ["slots": "\(slots)"])
                }
            }
        }
        throw DispatchLoss()
    }
}

/// Redis lost its content again and again within one look.
struct DispatchLoss: Error, CustomStringConvertible {
    var description: String { "Redis does not keep the key <prefix>:epoch; nothing is enqueued" }
}

// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model
import SyncStore

/// Enqueues the jobs of open slots, a page of integrations at a time: the memory of a slot of any size.
struct SlotEnqueuer: Sendable {
    let store: ScheduleStore
    let queue: JobQueue
    /// What this scheduler claims slots as.
    let owner: String

    /// Integrations that are looked up, enqueued and noted at a time.
    static let page = 2_000
    /// Slots that take turns, so that a long one does not hold up the others.
    static let slots = 8

    enum Outcome {
        case done
        /// The time was up; there is more.
        case more
        /// Redis does not know the epoch any more.
        case lost
    }

    /// Works on the open slots that no other scheduler has, in turns, for about that long.
    func work(in epoch: String, for limit: Duration) async throws -> Outcome {
        let end = ContinuousClock.now.advanced(by: limit)
        var open = try await store.claimSlots(owner: owner, limit: Self.slots)
        let mayBeMore = open.count == Self.slots
        while !open.isEmpty {
            var rest: [OpenSlot] = []
            for slot in open {
                try Task.checkCancellation()
                switch try await step(slot, in: epoch) {
                case .goesOn(let slot): rest.append(slot)
                case .ended: break
                case .lost: return .lost
                }
            }
            open = rest
            if ContinuousClock.now >= end { return .more }
        }
        return mayBeMore ? .more : .done
    }

    private enum Step {
        case goesOn(OpenSlot)
        /// It is enqueued whole, or another scheduler's by now.
        case ended
        case lost
    }

    private func step(_ slot: OpenSlot, in epoch: String) async throws -> Step {
        let page = try await store.page(of: slot, limit: Self.page)
        let targets = page.targets.map { id in
            (
                integrationID: id,
                delay: Self.delay(of: id, in: slot, now: page.now)
            )
        }
        guard let added = try await queue.enqueue(SlotJobs(slot), for: targets, epoch: epoch) else {
            return .lost
        }
        let isMine = try await store.advance(
            slot, to: page.last, enqueued: added, isComplete: page.isLast, owner: owner)
        guard isMine, !page.isLast else { return .ended }
        var next = slot
        next.lastIntegrationID = page.last
        return .goesOn(next)
    }

    /// How long a job waits from now on: Redis counts it by its own clock, whatever that shows.
    static func delay(of integrationID: Int64, in slot: OpenSlot, now: Timestamp) -> Duration {
        let offset = Spread.offset(
            integrationID: integrationID, scheduleID: slot.scheduleID, seconds: slot.spreadSeconds)
        let wait = slot.fireAt.advanced(by: offset).microseconds - now.microseconds
        // Never longer than the spread, when the clock went back after the slot fired.
        return min(max(.zero, .microseconds(wait)), .seconds(slot.spreadSeconds))
    }
}

extension SlotJobs {
    /// Incremental syncs come before the long full ones.
    init(_ slot: OpenSlot) {
        self.init(
            scheduleID: slot.scheduleID, fireAt: slot.fireAt, round: slot.round, type: slot.type,
            queue: slot.type == .full ? .low : .default)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cron
public import JobQueue
public import Logging
import Model
public import ServiceLifecycle
public import SyncStore

/// Fires the slots of schedules and enqueues their jobs.
///
/// Any number of schedulers may run: a slot is a row that one of them makes, and its enqueueing goes on where a dead
/// scheduler left it. A job's id follows from its slot and integration, so that one that is enqueued twice runs once.
public final class SlotScheduler: Service, Sendable {
    private let store: ScheduleStore
    private let queue: JobQueue
    private let logger: Logger
    private let gate: @Sendable () async throws -> Void
    private let health = LockedBox<(lastRound: ContinuousClock.Instant, problem: String?)>((.now, "starting"))

    /// Integrations that are looked up, enqueued and noted at a time: the memory of a slot of any size.
    static let batch = 500
    /// Schedules are read this often, so that a changed one is heard of.
    static let pollInterval: Duration = .seconds(15)

    /// `gate` runs first; when it throws, nothing is enqueued.
    public init(
        store: ScheduleStore, queue: JobQueue, logger: Logger,
        gate: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.store = store
        self.queue = queue
        self.logger = logger
        self.gate = gate
    }

    /// Nil while rounds succeed; else what is wrong.
    public var problem: String? {
        let (lastRound, problem) = health.withLock { $0 }
        let silence = ContinuousClock.now - lastRound
        return problem
            ?? (silence > Self.pollInterval * 8 ? "no round for \(silence.components.seconds) s" : nil)
    }

    /// Fires slots until graceful shutdown.
    public func run() async throws {
        try await gate()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let wait = await self.round()
                do { try await ContinuousClock().sleep(for: wait) } catch { return }
            }
        }
    }

    /// Plans and enqueues what is due; returns how long nothing will be.
    func round() async -> Duration {
        do {
            let wait = try await planDueSlots()
            try await enqueueOpenSlots()
            health.withLock { $0 = (.now, nil) }
            return wait
        } catch {
            if !Task.isCancelled {
                logger.warning("scheduling failed", metadata: ["error": "\(error)"])
                health.withLock { $0.problem = "\(error)" }
            }
            return .seconds(2)
        }
    }

    private func planDueSlots() async throws -> Duration {
        let (schedules, now) = try await store.schedules()
        var wait = Self.pollInterval
        for schedule in schedules where schedule.isEnabled {
            let plan: SlotPlan
            do throws(CronError) {
                plan = SlotPlan(
                    schedule, try CronExpression(schedule.cron, hashSeed: schedule.name),
                    in: try TimeZoneRules(named: schedule.timeZone), now: now)
            } catch {
                logger.error(
                    "a schedule cannot be read; the others go on",
                    metadata: ["schedule": "\(schedule.name)", "error": "\(error)"])
                continue
            }
            for slot in plan.slots {
                let isMine = try await store.take(schedule, at: slot.at, skipping: slot.skippedReason)
                if isMine {
                    logger.info(
                        slot.skippedReason == nil ? "slot fires" : "slot is skipped",
                        metadata: ["schedule": "\(schedule.name)", "slot": "\(slot.at.rfc3339)"])
                }
            }
            if let next = plan.next {
                wait = min(wait, max(.zero, .microseconds(next.microseconds - now.microseconds)))
            }
        }
        return max(wait, .milliseconds(10))
    }

    private func enqueueOpenSlots() async throws {
        for slot in try await store.openSlots(limit: 100) { try await enqueue(slot) }
    }

    private func enqueue(_ slot: OpenSlot) async throws {
        var after = slot.lastIntegrationID
        while true {
            try Task.checkCancellation()
            let targets = try await store.targets(service: slot.service, after: after, limit: Self.batch)
            for (delay, ids) in Self.groups(targets, slot) {
                try await queue.enqueue(
                    ids.map { SlotJob.payload(slot, integrationID: $0) }, in: SlotJob.queue(slot.type),
                    due: delay == .zero ? .now : .at(slot.fireAt.advanced(by: delay)))
            }
            let isComplete = targets.count < Self.batch
            after = targets.last ?? after
            let goesOn = try await store.advance(
                slot, to: after, enqueued: targets.count, isComplete: isComplete)
            // Another scheduler is further with this slot.
            guard goesOn, !isComplete else { return }
        }
    }

    /// Targets with the same start, so that a slot without spread goes in few commands.
    private static func groups(_ targets: [Int64], _ slot: OpenSlot) -> [(Duration, [Int64])] {
        guard slot.spreadSeconds > 0 else { return targets.isEmpty ? [] : [(.zero, targets)] }
        // Whole seconds: finer spreading serves nobody and would cost a command for each job.
        let grouped = Dictionary(grouping: targets) { id in
            Spread.offset(integrationID: id, scheduleID: slot.scheduleID, seconds: slot.spreadSeconds)
                .components.seconds
        }
        return grouped.sorted { $0.key < $1.key }.map { (.seconds($0.key), $0.value) }
    }
}

/// The jobs of a slot.
enum SlotJob {
    /// Incremental syncs come before the long full ones.
    static func queue(_ type: JobType) -> Queue {
        type == .full ? .low : .default
    }

    static func payload(_ slot: OpenSlot, integrationID: Int64) -> [UInt8] {
        let id = "slot:\(slot.scheduleID):\(slot.fireAt.seconds):\(integrationID)"
        return Array(
            "{\"integration_id\":\(integrationID),\"type\":\"\(slot.type.rawValue)\",\"id\":\"\(id)\"}".utf8)
    }
}

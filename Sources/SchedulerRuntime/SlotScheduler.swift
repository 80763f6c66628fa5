// SPDX-License-Identifier: Apache-2.0

import Cron
public import JobQueue
public import Logging
import Model
public import ServiceLifecycle
public import SyncStore

/// Fires the slots of schedules and enqueues their jobs.
///
/// Any number of schedulers may run: a slot is a row that one of them makes, one at a time enqueues it, and another goes
/// on where a dead one left it. What Redis loses is enqueued again.
public final class SlotScheduler: Service, Sendable {
    private let store: ScheduleStore
    private let dispatch: DispatchGuard
    private let enqueuer: SlotEnqueuer
    private let logger: Logger
    private let gate: @Sendable () async throws -> Void
    private let failed: @Sendable () async -> Void
    private let health = LockedBox<(lastRound: ContinuousClock.Instant, problem: String?)>((.now, "starting"))
    private let known = LockedBox(Known())

    /// What holds from round to round.
    private struct Known {
        var epoch: String?
        var checked: ContinuousClock.Instant?
        /// Schedules whose problem was logged, with its text.
        var unreadable: [Int64: String] = [:]
    }

    /// Schedules are read this often, so that a changed one is heard of, and so is a Redis that lost its content.
    static let pollInterval: Duration = .seconds(5)
    /// Enqueueing pauses this often to plan what came meanwhile.
    static let turn: Duration = .seconds(2)

    /// Nothing is heard of a round for so long when it hangs: a round and the wait after it take a few seconds each.
    static let silenceLimit: Duration = .seconds(12)

    /// `gate` runs first; when it throws, nothing is enqueued. `failed` runs after each round that failed.
    public init(
        store: ScheduleStore, dispatch: DispatchStore, queue: JobQueue, logger: Logger,
        gate: @escaping @Sendable () async throws -> Void = {},
        failed: @escaping @Sendable () async -> Void = {}
    ) {
        self.failed = failed
        self.store = store
        self.dispatch = DispatchGuard(store: dispatch, queue: queue, logger: logger)
        enqueuer = SlotEnqueuer(store: store, queue: queue, owner: RandomName.make())
        self.logger = logger
        self.gate = gate
    }

    /// Nil while rounds succeed; else what is wrong.
    public var problem: String? {
        let (lastRound, problem) = health.withLock { $0 }
        let silence = ContinuousClock.now - lastRound
        return problem
            ?? (silence > Self.silenceLimit ? "no round for \(silence.components.seconds) s" : nil)
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
            let epoch = try await epoch()
            let wait = try await planDueSlots()
            let outcome = try await enqueuer.work(in: epoch, for: Self.turn)
            health.withLock { $0 = (.now, nil) }
            switch outcome {
            case .done: return wait
            case .more: return .zero
            case .lost:
                known.withLock { $0.epoch = nil }
                return .zero
            }
        } catch {
            if !Task.isCancelled {
                logger.warning("scheduling failed", metadata: ["error": "\(error)"])
                health.withLock { $0.problem = "\(error)" }
                await failed()
            }
            return .seconds(1)
        }
    }

    /// The epoch to enqueue in; Redis is asked again every few seconds.
    private func epoch() async throws -> String {
        let (epoch, checked) = known.withLock { ($0.epoch, $0.checked) }
        if let epoch, let checked, ContinuousClock.now - checked < Self.pollInterval { return epoch }
        let found = try await dispatch.check()
        known.withLock { ($0.epoch, $0.checked) = (found, .now) }
        return found
    }

    private func planDueSlots() async throws -> Duration {
        let repaired = try await store.settle()
        if repaired > 0 {
            logger.warning(
                "the clock of postgres was ahead; slots that were skipped may fire in their time",
                metadata: ["rows": "\(repaired)"])
        }
        let (schedules, now) = try await store.schedules()
        var wait = Self.pollInterval
        for schedule in schedules where schedule.definition.isEnabled {
            guard let plan = plan(schedule, now: now) else { continue }
            try await take(plan.slots, of: schedule)
            if let next = plan.next {
                wait = min(wait, max(.zero, .microseconds(next.microseconds - now.microseconds)))
            }
        }
        return max(wait, .milliseconds(10))
    }

    /// Nil when the schedule cannot be read; that is logged once for each of its problems.
    private func plan(_ schedule: Schedule, now: Timestamp) -> SlotPlan? {
        let definition = schedule.definition
        do throws(CronError) {
            return SlotPlan(
                schedule, try CronExpression(definition.cron, hashSeed: definition.name),
                in: try TimeZoneRules(named: definition.timeZone), now: now)
        } catch {
            let isNew = known.withLock { $0.unreadable.updateValue(error.message, forKey: schedule.id) }
            if isNew != error.message {
                logger.error(
                    "a schedule cannot be read; the others go on",
                    metadata: ["schedule": "\(definition.name)", "error": "\(error)"])
            }
            return nil
        }
    }

    private func take(_ slots: [SlotPlan.Slot], of schedule: Schedule) async throws {
        guard !slots.isEmpty else { return }
        let taken = Set(try await store.take(slots.map { ($0.at, $0.skippedReason) }, of: schedule))
        for slot in slots where taken.contains(slot.at) {
            logger.info(
                slot.skippedReason == nil ? "slot fires" : "slot is skipped",
                metadata: ["schedule": "\(schedule.definition.name)", "slot": "\(slot.at.rfc3339)"])
        }
    }
}

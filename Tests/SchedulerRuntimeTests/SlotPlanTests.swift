// SPDX-License-Identifier: Apache-2.0

import Cron
import JobQueue
import Model
import Testing

@testable import SchedulerRuntime
@testable import SyncStore

@Suite struct `A slot plan` {
    private static func schedule(
        catchUp: ScheduleDefinition.CatchUp, lastFire: String?, updatedAt: String = "2026-01-01T00:00:00Z"
    ) throws -> Schedule {
        var definition = ScheduleDefinition(name: "s", cron: "*/15 * * * *", type: .incremental)
        definition.catchUp = catchUp
        return Schedule(
            id: 1, definition: definition, updatedAt: try #require(Timestamp(rfc3339: updatedAt)),
            lastFire: lastFire.flatMap { Timestamp(rfc3339: $0) })
    }

    private static func plan(_ schedule: Schedule, now: String) throws -> SlotPlan {
        SlotPlan(
            schedule, try CronExpression(schedule.definition.cron), in: .utc,
            now: try #require(Timestamp(rfc3339: now)))
    }

    @Test func `fires a slot that is due, and says when to look again`() throws {
        let plan = try Self.plan(
            Self.schedule(catchUp: .skip, lastFire: "2026-01-01T10:00:00Z"), now: "2026-01-01T10:15:02Z")

        #expect(plan.slots.map(\.at.rfc3339) == ["2026-01-01T10:15:00Z"])
        #expect(plan.slots.allSatisfy { $0.skippedReason == nil })
        #expect(plan.next?.rfc3339 == "2026-01-01T10:30:00Z")
    }

    @Test func `owes nothing for the time before the schedule was made`() throws {
        let plan = try Self.plan(
            Self.schedule(catchUp: .all, lastFire: nil, updatedAt: "2026-01-01T10:16:00Z"),
            now: "2026-01-01T10:20:00Z")

        #expect(plan.slots == [])
    }

    @Test(arguments: [
        (ScheduleDefinition.CatchUp.all, [nil, nil, nil, nil] as [Bool?]),
        (.latest, [true, true, true, nil]),
        (.skip, [true, true, true, true]),
    ])
    func `gives each missed slot a job or a reason`(catchUp: ScheduleDefinition.CatchUp, isSkipped: [Bool?])
        throws
    {
        let plan = try Self.plan(
            Self.schedule(catchUp: catchUp, lastFire: "2026-01-01T10:00:00Z"), now: "2026-01-01T11:05:00Z")

        #expect(plan.slots.count == 4)
        #expect(plan.slots.map { $0.skippedReason == nil ? nil : true } == isSkipped)
    }

    @Test func `goes through a long pause in bounded steps`() throws {
        let plan = try Self.plan(
            Self.schedule(catchUp: .latest, lastFire: "2026-01-01T00:00:00Z"), now: "2026-02-01T00:00:00Z")

        #expect(plan.slots.count == SlotPlan.limit)
        #expect(plan.slots.allSatisfy { $0.skippedReason != nil })
        #expect(plan.next?.rfc3339 == "2026-02-01T00:00:00Z")
    }

    @Test func `spreads integrations evenly and always in the same way`() {
        let offsets = (1...10_000).map {
            Spread.offset(integrationID: Int64($0), scheduleID: 1, seconds: 600).components.seconds
        }

        #expect(offsets.allSatisfy { (0..<600).contains($0) })
        let perMinute = Dictionary(grouping: offsets) { $0 / 60 }.mapValues(\.count)
        #expect(perMinute.count == 10)
        #expect(perMinute.values.allSatisfy { (850...1_150).contains($0) })
        #expect(
            Spread.offset(integrationID: 7, scheduleID: 1, seconds: 600)
                == Spread.offset(integrationID: 7, scheduleID: 1, seconds: 600))
        #expect(Spread.offset(integrationID: 7, scheduleID: 1, seconds: 0) == .zero)
    }

    @Test func `makes nothing due while the clock is back, and what it skipped over when it jumps`() throws {
        let schedule = try Self.schedule(catchUp: .all, lastFire: "2026-01-01T10:00:00Z")

        // Hours back: the slots up to 10:00 have rows.
        let back = try Self.plan(schedule, now: "2026-01-01T07:00:00Z")
        #expect(back.slots == [])
        #expect(back.next?.rfc3339 == "2026-01-01T07:15:00Z")

        // Hours ahead: each slot between is decided about, once, in its order.
        let ahead = try Self.plan(schedule, now: "2026-01-01T13:00:00Z")
        #expect(ahead.slots.count == 12)
        #expect(ahead.slots.first?.at.rfc3339 == "2026-01-01T10:15:00Z")
        #expect(ahead.slots.last?.at.rfc3339 == "2026-01-01T13:00:00Z")
    }

    @Test func `counts a job's wait from the time of the page, and never beyond the spread`() throws {
        let fireAt = try #require(Timestamp(rfc3339: "2026-01-01T10:00:00Z"))
        let slot = OpenSlot(
            scheduleID: 3, scheduleName: "s", fireAt: fireAt, lastIntegrationID: 0, type: .full, service: nil,
            integrationID: nil, spreadSeconds: 600, round: 0, completedAt: nil)
        let offset = Spread.offset(integrationID: 17, scheduleID: 3, seconds: 600)

        #expect(SlotEnqueuer.delay(of: 17, in: slot, now: fireAt) == offset)
        #expect(SlotEnqueuer.delay(of: 17, in: slot, now: fireAt.advanced(by: .seconds(601))) == .zero)
        let early = fireAt.advanced(by: .seconds(-7_200))
        #expect(SlotEnqueuer.delay(of: 17, in: slot, now: early) == .seconds(600))
    }
}

@Suite struct `The marks of the ledger and of Redis` {
    private static func verdict(
        _ ledger: (String, Int64, Bool)?, _ redis: (String, Int64)?
    ) -> DispatchVerdict {
        DispatchVerdict(
            ledger: ledger.map { DispatchRecord(epoch: $0.0, beat: $0.1, isConfirmed: $0.2) },
            redis: redis.map { DispatchMark(epoch: $0.0, beat: $0.1) })
    }

    @Test func `tell a Redis that was emptied or set back from one that is new`() {
        #expect(Self.verdict(nil, nil) == .begin)
        #expect(Self.verdict(nil, ("old", 9)) == .begin)
        #expect(Self.verdict(("a", 0, false), nil) == .publish(DispatchMark(epoch: "a", beat: 0)))
        #expect(Self.verdict(("b", 0, false), ("a", 7)) == .publish(DispatchMark(epoch: "b", beat: 0)))
        #expect(Self.verdict(("a", 5, true), ("a", 5)) == .intact(DispatchMark(epoch: "a", beat: 5)))
        #expect(Self.verdict(("a", 5, true), ("a", 6)) == .intact(DispatchMark(epoch: "a", beat: 6)))
        #expect(Self.verdict(("a", 5, true), nil) == .lost("a"))
        #expect(Self.verdict(("a", 5, true), ("a", 4)) == .lost("a"))
        #expect(Self.verdict(("b", 5, true), ("a", 50)) == .lost("b"))
    }
}

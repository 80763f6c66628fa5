// SPDX-License-Identifier: Apache-2.0

import Cron
import Model
import Testing

@testable import SchedulerRuntime
@testable import SyncStore

@Suite struct `A slot plan` {
    private static func schedule(
        catchUp: Schedule.CatchUp, lastFire: String?, updatedAt: String = "2026-01-01T00:00:00Z"
    ) throws -> Schedule {
        Schedule(
            id: 1, name: "s", cron: "*/15 * * * *", timeZone: "UTC", type: .incremental, service: nil,
            isEnabled: true, catchUp: catchUp, spreadSeconds: 0,
            updatedAt: try #require(Timestamp(rfc3339: updatedAt)),
            lastFire: lastFire.flatMap { Timestamp(rfc3339: $0) })
    }

    private static func plan(_ schedule: Schedule, now: String) throws -> SlotPlan {
        SlotPlan(
            schedule, try CronExpression(schedule.cron), in: .utc, now: try #require(Timestamp(rfc3339: now)))
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
        (Schedule.CatchUp.all, [nil, nil, nil, nil] as [Bool?]), (.latest, [true, true, true, nil]),
        (.skip, [true, true, true, true]),
    ])
    func `gives each missed slot a job or a reason`(catchUp: Schedule.CatchUp, isSkipped: [Bool?]) throws {
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

    @Test func `names a job after its slot and integration`() {
        let slot = OpenSlot(
            scheduleID: 3, scheduleName: "s", fireAt: Timestamp(seconds: 1_700_000_000), lastIntegrationID: 0,
            type: .full, service: nil, spreadSeconds: 0)

        #expect(
            String(decoding: SlotJob.payload(slot, integrationID: 17), as: UTF8.self)
                == #"{"integration_id":17,"type":"full","id":"slot:3:1700000000:17"}"#)
        #expect(SlotJob.queue(.full) == .low)
        #expect(SlotJob.queue(.incremental) == .default)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cron
import Model
import SyncStore

/// What a scheduler does with the slots of one schedule that have come since the last one with a row.
///
/// All times are those of Postgres. A clock that jumps ahead makes many slots late, and `catch_up` decides about
/// them; one that goes back makes nothing due until it comes to slots without a row.
struct SlotPlan: Equatable {
    struct Slot: Equatable {
        let at: Timestamp
        /// Nil when its jobs are enqueued.
        let skippedReason: String?
    }

    let slots: [Slot]
    /// When the schedule has to be looked at again.
    let next: Timestamp?

    /// A slot this old is late by more than a restart explains: `catch_up` decides about it.
    static let onTime: Duration = .seconds(90)
    /// Slots planned at once; after a long pause the rest follows in the next round.
    static let limit = 1_000

    init(
        _ schedule: Schedule, _ expression: CronExpression, in zone: TimeZoneRules, now: Timestamp
    ) {
        // A schedule that was just made or changed owes nothing for the time before.
        let since = max(schedule.lastFire ?? schedule.updatedAt, schedule.updatedAt)
        let due = expression.occurrences(after: since, through: now, limit: Self.limit, in: zone)
        let isWhole = due.count < Self.limit
        let catchUp = schedule.definition.catchUp
        slots = due.enumerated().map { index, slot in
            let isLast = isWhole && index == due.count - 1
            let isLate = slot.advanced(by: Self.onTime) < now
            guard isLate else { return Slot(at: slot, skippedReason: nil) }
            let late = "no scheduler saw this time come (none ran, or the clock of Postgres was set)"
            switch catchUp {
            case .all: return Slot(at: slot, skippedReason: nil)
            case .latest where isLast: return Slot(at: slot, skippedReason: nil)
            case .latest: return Slot(at: slot, skippedReason: "\(late); a later slot makes up for it")
            case .skip: return Slot(at: slot, skippedReason: "\(late), and catch_up is skip")
            }
        }
        next = isWhole ? expression.next(after: now, in: zone) : now
    }
}

/// When the job of an integration starts within its slot: a stable share of the spread, so that a million jobs do not ask
/// a provider in one second, and each integration keeps its minute from slot to slot.
enum Spread {
    static func offset(integrationID: Int64, scheduleID: Int64, seconds: Int64) -> Duration {
        guard seconds > 0 else { return .zero }
        var hash = UInt64(bitPattern: integrationID) &* 0x9E37_79B9_7F4A_7C15
        hash ^= UInt64(bitPattern: scheduleID) &* 0xC2B2_AE3D_27D4_EB4F
        hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
        hash ^= hash >> 31
        return .milliseconds(Int64(hash % UInt64(seconds * 1_000)))
    }
}

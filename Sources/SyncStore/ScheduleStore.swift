// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// Schedules and their slots. A slot is a unique row: of any number of schedulers one makes it.
public struct ScheduleStore: Sendable {
    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// All schedules by name, and the time of the server.
    public func schedules() async throws(StoreError) -> (schedules: [Schedule], now: Timestamp) {
        let rows = try await store.query(StoreSQL.schedulesList, [])
        var schedules: [Schedule] = []
        for row in 0..<rows.count {
            // The one row of no schedule, for the time alone.
            guard let id = rows.int(row, 0) else { continue }
            guard let type = rows.text(row, 4).flatMap(JobType.init(rawValue:)),
                let catchUp = rows.text(row, 7).flatMap(ScheduleDefinition.CatchUp.init(rawValue:)),
                let updatedAt = rows.timestamp(row, 9)
            else { throw StoreError(.unexpectedReply, "a schedule has an unknown type or catch_up") }
            var definition = ScheduleDefinition(
                name: rows.text(row, 1) ?? "", cron: rows.text(row, 2) ?? "", type: type)
            definition.timeZone = rows.text(row, 3) ?? ""
            definition.service = rows.text(row, 5)
            definition.integrationID = rows.int(row, 12)
            definition.isEnabled = rows.bool(row, 6) ?? false
            definition.catchUp = catchUp
            definition.spreadSeconds = rows.int(row, 8) ?? 0
            schedules.append(
                Schedule(
                    id: id, definition: definition, updatedAt: updatedAt, lastFire: rows.timestamp(row, 10)))
        }
        guard let now = rows.timestamp(0, 11) else {
            throw StoreError(.unexpectedReply, "the list of schedules came without the time")
        }
        return (schedules, now)
    }

    /// Adds a schedule, or changes the one with `id`. Throws `duplicate` when the name is taken.
    public func put(_ definition: ScheduleDefinition, id: Int64? = nil) async throws(StoreError) {
        let rows = try await store.query(
            StoreSQL.schedulePut,
            [
                .optional(id), .text(definition.name), .text(definition.cron), .text(definition.timeZone),
                .text(definition.type.rawValue), .optional(definition.service),
                .optional(definition.integrationID), .bool(definition.isEnabled),
                .text(definition.catchUp.rawValue), .int(definition.spreadSeconds),
            ])
        guard rows.count == 0 else { return }
        throw StoreError(.duplicate, "there is a schedule '\(definition.name)' already")
    }

    /// Removes a schedule with the rows of its slots; false when there is none of that name.
    public func remove(_ name: String) async throws(StoreError) -> Bool {
        try await store.query(StoreSQL.scheduleRemove, [.text(name)]).count > 0
    }

    /// Repairs what a clock that had been ahead left behind; the number of rows.
    public func settle() async throws(StoreError) -> Int64 {
        try await store.query(StoreSQL.scheduleSettle, []).int(0, 0) ?? 0
    }

    /// Takes slots, to enqueue their jobs or to say why they are skipped; the ones that nobody had taken.
    public func take(
        _ slots: [(at: Timestamp, skippedReason: String?)], of schedule: Schedule
    ) async throws(StoreError) -> [Timestamp] {
        let rows = try await store.query(
            StoreSQL.scheduleFire,
            [
                .int(schedule.id), .intArray(slots.map(\.at.microseconds)),
                .textArray(slots.map { $0.skippedReason.map { Array($0.utf8) } }),
            ])
        return (0..<rows.count).compactMap { row in rows.int(row, 0).map { Timestamp(microseconds: $0) } }
    }

    /// Claims slots that still have jobs to enqueue, oldest first: this scheduler's own, and those of one that died.
    /// A claim holds for 15 s, and for as long again with each `advance`.
    public func claimSlots(owner: String, limit: Int) async throws(StoreError) -> [OpenSlot] {
        let rows = try await store.query(StoreSQL.scheduleClaim, [.text(owner), .int(Int64(limit))])
        var slots: [OpenSlot] = []
        for row in 0..<rows.count {
            guard let id = rows.int(row, 0), let fireAt = rows.int(row, 1), let last = rows.int(row, 2),
                let type = rows.text(row, 3).flatMap(JobType.init(rawValue:)), let spread = rows.int(row, 5),
                let round = rows.int(row, 8)
            else { throw StoreError(.unexpectedReply, "a slot has a missing or unknown value") }
            slots.append(
                OpenSlot(
                    scheduleID: id, scheduleName: rows.text(row, 6) ?? "",
                    fireAt: Timestamp(microseconds: fireAt), lastIntegrationID: last, type: type,
                    service: rows.text(row, 4), integrationID: rows.int(row, 7), spreadSeconds: spread,
                    round: round, completedAt: rows.int(row, 9).map { Timestamp(microseconds: $0) }))
        }
        return slots.sorted { $0.fireAt < $1.fireAt }
    }

    /// The next integrations that a slot may concern, at most `limit`, and which of them it does.
    public func page(of slot: OpenSlot, limit: Int) async throws(StoreError) -> SlotPage {
        let rows = try await store.query(
            StoreSQL.scheduleTargets,
            [
                .text(slot.type.rawValue), .optional(slot.service), .optional(slot.integrationID),
                .int(slot.lastIntegrationID), .int(Int64(limit)), .int(slot.round),
                .int(slot.fireAt.microseconds), .optional(slot.completedAt?.microseconds),
            ])
        var targets: [Int64] = []
        targets.reserveCapacity(rows.count)
        for row in 0..<rows.count where rows.bool(row, 1) == true {
            if let id = rows.int(row, 0) { targets.append(id) }
        }
        let end = rows.count - 1
        return SlotPage(
            targets: targets, last: end < 0 ? slot.lastIntegrationID : rows.int(end, 0) ?? 0,
            isLast: rows.count < limit, now: end < 0 ? slot.fireAt : rows.timestamp(end, 2) ?? slot.fireAt)
    }

    /// Notes that integrations up to `id` are enqueued; false when the slot is another scheduler's by now.
    public func advance(
        _ slot: OpenSlot, to id: Int64, enqueued: Int, isComplete: Bool, owner: String
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.scheduleProgress,
            [
                .int(slot.scheduleID), .int(slot.fireAt.microseconds), .int(id), .int(Int64(enqueued)),
                .bool(isComplete), .text(owner), .int(slot.round),
            ])
        return rows.count > 0
    }
}

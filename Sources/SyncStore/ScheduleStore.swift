// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// A row of `schedules`.
public struct Schedule: Sendable, Equatable {
    /// What happens to slots that came while no scheduler ran.
    public enum CatchUp: String, Sendable {
        case skip
        case latest
        case all
    }

    /// The row's id.
    public let id: Int64
    /// The name that operators know it by.
    public let name: String
    /// The cron expression, with five or six fields.
    public let cron: String
    /// An IANA name, such as `Europe/Zurich`.
    public let timeZone: String
    /// The type of the jobs it makes.
    public let type: JobType
    /// Nil for all services.
    public let service: String?
    /// Whether it fires.
    public let isEnabled: Bool
    /// What happens with slots that nobody fired in time.
    public let catchUp: CatchUp
    /// Jobs of a slot are spread over this many seconds.
    public let spreadSeconds: Int64
    /// When the row was last changed.
    public let updatedAt: Timestamp
    /// The newest slot that has a row.
    public let lastFire: Timestamp?
}

/// A slot whose jobs are not all enqueued.
public struct OpenSlot: Sendable, Equatable {
    /// The schedule that fires.
    public let scheduleID: Int64
    /// Its name when it fired.
    public let scheduleName: String
    /// The slot, as the cron expression gives it.
    public let fireAt: Timestamp
    /// Integrations up to this id are enqueued.
    public let lastIntegrationID: Int64
    /// The type of the jobs.
    public let type: JobType
    /// Jobs are made for integrations of this service only; nil for all.
    public let service: String?
    /// Jobs are spread over this many seconds.
    public let spreadSeconds: Int64
}

/// Schedules and their slots. A slot is a unique row: of any number of schedulers one makes it.
public struct ScheduleStore: Sendable {
    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// All schedules, and the time of the server.
    public func schedules() async throws(StoreError) -> (schedules: [Schedule], now: Timestamp) {
        let rows = try await store.query(StoreSQL.schedulesList, [])
        var schedules: [Schedule] = []
        for row in 0..<rows.count {
            guard let type = rows.text(row, 4).flatMap(JobType.init(rawValue:)),
                let catchUp = rows.text(row, 7).flatMap(Schedule.CatchUp.init(rawValue:))
            else { throw StoreError(.unexpectedReply, "a schedule has an unknown type or catch_up") }
            schedules.append(
                Schedule(
                    id: rows.int(row, 0) ?? 0, name: rows.text(row, 1) ?? "", cron: rows.text(row, 2) ?? "",
                    timeZone: rows.text(row, 3) ?? "", type: type, service: rows.text(row, 5),
                    isEnabled: rows.bool(row, 6) ?? false, catchUp: catchUp,
                    spreadSeconds: rows.int(row, 8) ?? 0,
                    updatedAt: rows.timestamp(row, 9) ?? Timestamp(seconds: 0),
                    lastFire: rows.timestamp(row, 10)))
        }
        let now = rows.count > 0 ? rows.timestamp(0, 11) : nil
        return (schedules, now ?? .now())
    }

    /// Takes a slot, to enqueue its jobs or to say why it is skipped; false when it was taken before.
    public func take(
        _ schedule: Schedule, at slot: Timestamp, skipping reason: String? = nil
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.scheduleFire, [.int(schedule.id), .int(slot.microseconds), .optional(reason)])
        return rows.count > 0
    }

    /// Slots that still have jobs to enqueue, oldest first: this scheduler's own, and those of one that died.
    public func openSlots(limit: Int) async throws(StoreError) -> [OpenSlot] {
        let rows = try await store.query(StoreSQL.scheduleUnfinished, [.int(Int64(limit))])
        var slots: [OpenSlot] = []
        for row in 0..<rows.count {
            guard let id = rows.int(row, 0), let fireAt = rows.int(row, 1), let last = rows.int(row, 2),
                let type = rows.text(row, 3).flatMap(JobType.init(rawValue:)), let spread = rows.int(row, 5)
            else { throw StoreError(.unexpectedReply, "a slot has a missing or unknown value") }
            slots.append(
                OpenSlot(
                    scheduleID: id, scheduleName: rows.text(row, 6) ?? "",
                    fireAt: Timestamp(microseconds: fireAt), lastIntegrationID: last, type: type,
                    service: rows.text(row, 4), spreadSeconds: spread))
        }
        return slots
    }

    /// The next active integrations that a slot has to enqueue.
    public func targets(
        service: String?, after id: Int64, limit: Int
    ) async throws(StoreError) -> [Int64] {
        let rows = try await store.query(
            StoreSQL.scheduleTargets, [.optional(service), .int(id), .int(Int64(limit))])
        return (0..<rows.count).compactMap { rows.int($0, 0) }
    }

    /// Notes that integrations up to `id` are enqueued; false when another scheduler is further.
    public func advance(
        _ slot: OpenSlot, to id: Int64, enqueued: Int, isComplete: Bool
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.scheduleProgress,
            [
                .int(slot.scheduleID), .int(slot.fireAt.microseconds), .int(id), .int(Int64(enqueued)),
                .bool(isComplete),
            ])
        return rows.count > 0
    }
}

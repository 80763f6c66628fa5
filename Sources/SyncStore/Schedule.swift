// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a schedule is: all that an operator may choose.
public struct ScheduleDefinition: Sendable, Equatable {
    /// What happens to slots that came while no scheduler ran.
    public enum CatchUp: String, Sendable, CaseIterable {
        case skip
        case latest
        case all
    }

    /// The name that operators know it by.
    public var name: String
    /// The cron expression, with five or six fields.
    public var cron: String
    /// An IANA name, such as `Europe/Zurich`.
    public var timeZone = "UTC"
    /// The type of the jobs it makes.
    public var type: JobType
    /// Nil for all services.
    public var service: String?
    /// Nil for all integrations. A schedule has a service, or an integration, or neither.
    public var integrationID: Int64?
    /// Whether it fires. A disabled one still replaces wider ones.
    public var isEnabled = true
    /// What happens with slots that nobody fired in time.
    public var catchUp = CatchUp.latest
    /// Jobs of a slot are spread over this many seconds.
    public var spreadSeconds: Int64 = 0

    /// A schedule in UTC for all integrations, without spread.
    public init(name: String, cron: String, type: JobType) {
        self.name = name
        self.cron = cron
        self.type = type
    }
}

/// A row of `schedules`.
public struct Schedule: Sendable, Equatable {
    /// The row's id.
    public let id: Int64
    /// What an operator chose.
    public let definition: ScheduleDefinition
    /// When its times were last changed.
    public let updatedAt: Timestamp
    /// The newest slot that has a row and is not in the future.
    public let lastFire: Timestamp?
}

/// A slot whose jobs are not all enqueued.
public struct OpenSlot: Sendable, Equatable {
    /// The schedule that fires.
    public let scheduleID: Int64
    /// Its name when the slot was claimed.
    public let scheduleName: String
    /// The slot, as the cron expression gives it.
    public let fireAt: Timestamp
    /// Integrations up to this id are enqueued.
    public var lastIntegrationID: Int64
    /// The type of the jobs.
    public let type: JobType
    /// Jobs are made for integrations of this service only; nil for all.
    public let service: String?
    /// Jobs are made for this integration only; nil for all.
    public let integrationID: Int64?
    /// Jobs are spread over this many seconds.
    public let spreadSeconds: Int64
    /// How often it was opened again because Redis had lost its content.
    public let round: Int64
    /// When it was enqueued in the round before.
    public let completedAt: Timestamp?
}

/// A step of a slot: the next integrations that it may concern.
public struct SlotPage: Sendable {
    /// Those that are enqueued, by rising id.
    public let targets: [Int64]
    /// The last integration that was looked at.
    public let last: Int64
    /// Whether there are no more.
    public let isLast: Bool
    /// The time of the server.
    public let now: Timestamp
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import SyncStore

/// A trouble that is there now.
public struct AlertSighting: Sendable, Equatable {
    /// What it is about.
    public let cause: AlertCause
    /// What is wrong, in a few words.
    public let title: String
    /// What is wrong, and what to do.
    public let detail: String

    init(_ kind: AlertKind, service: String? = nil, subject: String = "", title: String, detail: String) {
        cause = AlertCause(kind: kind.rawValue, service: service, subject: subject)
        self.title = title
        self.detail = detail
    }
}

/// What one look found. A kind of which nothing is known, because a server did not answer, neither opens nor resolves.
public struct AlertReadings: Sendable, Equatable {
    /// The troubles that are there.
    public private(set) var sightings: [AlertSighting] = []
    /// The kinds that were looked at.
    public private(set) var known: Set<AlertKind> = []

    private let objectives: AlertObjectives

    /// Readings that are weighed by these objectives; nothing is known yet.
    public init(_ objectives: AlertObjectives) {
        self.objectives = objectives
    }

    /// What the ledger tells of failed requests and late slots.
    public mutating func add(_ signs: [AlertSign]) {
        known.formUnion([.errorBurst, .scheduleMissed])
        for sign in signs {
            switch AlertKind(rawValue: sign.cause.kind) {
            case .errorBurst where objectives.errors > 0 && sign.count > objectives.errors:
                let service = sign.cause.service ?? ""
                sightings.append(
                    AlertSighting(
                        .errorBurst, service: service, title: "Requests to \(service) fail",
                        detail:
                            "\(sign.count) requests to \(service) within 5 minutes got no answer or a status "
                            + "from 500 on; more than \(objectives.errors) are too many. "
                            + "lockstep.api_log has them."))
            case .scheduleMissed where sign.count > 0:
                let slot = sign.slot.map { ", the newest of them \($0.rfc3339)" } ?? ""
                sightings.append(
                    AlertSighting(
                        .scheduleMissed, subject: sign.cause.subject,
                        title: "Schedule \(sign.cause.subject) is late",
                        detail:
                            "\(sign.count) slots came more than 90 s late, were skipped or are not enqueued "
                            + "yet\(slot). lockstep.schedule_fires says why; see that a scheduler runs."))
            default: continue
            }
        }
    }

    /// How long the oldest ready job of each queue has waited.
    public mutating func add(oldestWait: [Queue: Duration]) {
        known.insert(.backlog)
        for queue in Queue.allCases {
            guard let limit = objectives.backlog[queue], let wait = oldestWait[queue], wait > limit else {
                continue
            }
            sightings.append(
                AlertSighting(
                    .backlog, subject: queue.rawValue, title: "Jobs of queue \(queue.rawValue) wait too long",
                    detail: "The oldest ready job has waited \(wait.components.seconds) s; its objective is "
                        + "\(limit.components.seconds) s. Start more workers, or see what holds them up: "
                        + "lockstep queue stats."))
        }
    }

    /// The dead letters: how many there are, and how long ago the one came that makes the newest ones too many; nil when there
    /// are not as many.
    public mutating func add(deadLetters total: Int, ageOfLimit age: Duration?) {
        known.insert(.deadLetters)
        guard objectives.deadLetters > 0, let age, age <= AlertObjectives.deadLetterWindow else { return }
        sightings.append(
            AlertSighting(
                .deadLetters, title: "Dead letters gather",
                detail:
                    "\(objectives.deadLetters) jobs or more became dead letters within 10 minutes; there are "
                    + "\(total). lockstep dead count tells why."))
    }

    /// What keeps Redis from keeping what it acknowledges: settings that an operator may have accepted, and troubles.
    public mutating func add(lossySettings: [String], troubles: [String]) {
        known.insert(.redisDurability)
        let found = troubles + (objectives.allowsLossyRedis ? [] : lossySettings)
        guard !found.isEmpty else { return }
        sightings.append(
            AlertSighting(
                .redisDurability, title: "Redis may lose jobs", detail: found.joined(separator: "\n")))
    }
}

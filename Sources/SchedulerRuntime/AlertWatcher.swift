// SPDX-License-Identifier: Apache-2.0

public import Alerts
public import JobQueue
public import Logging
import Model
public import ServiceLifecycle
public import SyncStore

/// Looks for troubles, and opens and resolves alerts of them.
///
/// Any number of schedulers may run: one at a time has the turn, and that a cause has one open alert is the ledger's to see to.
public struct AlertWatcher: Service {
    private let store: AlertStore
    private let queue: JobQueue
    private let objectives: AlertObjectives
    private let durability: @Sendable () async throws -> DurabilityVerdict
    private let logger: Logger

    /// Between two looks of all schedulers together.
    static let interval: Duration = .seconds(10)

    /// A watcher for these objectives. `durability` judges the settings of Redis.
    public init(
        store: AlertStore, queue: JobQueue, objectives: AlertObjectives, logger: Logger,
        durability: @escaping @Sendable () async throws -> DurabilityVerdict
    ) {
        self.store = store
        self.queue = queue
        self.objectives = objectives
        self.logger = logger
        self.durability = durability
    }

    /// Watches until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await look()
                } catch {
                    if !Task.isCancelled {
                        logger.warning("troubles were not looked for", metadata: ["error": "\(error)"])
                    }
                }
                do { try await ContinuousClock().sleep(for: Self.interval) } catch { return }
            }
        }
    }

    /// Looks once, when it is this scheduler's turn; whether it was.
    @discardableResult
    func look() async throws -> Bool {
        guard let now = try await store.turn(every: Self.interval) else { return false }
        let readings = try await read(now)
        let states = try await store.states(
            of: AlertKind.watched.map(\.rawValue), resolvedWithin: objectives.cooldown)
        var (seen, over): ([Int64], [Int64]) = ([], [])
        for decision in AlertDecision.decide(readings, states, cooldown: objectives.cooldown, now: now) {
            switch decision {
            case .open(let sighting): try await open(sighting)
            case .seen(let id): seen.append(id)
            case .resolve(let id): over.append(id)
            }
        }
        if !seen.isEmpty { try await store.seen(seen) }
        var resolved = try await store.settleStale()
        if !over.isEmpty { resolved += try await store.resolve(over, unseenFor: AlertObjectives.hold) }
        for id in resolved { logger.notice("alert is resolved", metadata: ["alert": "\(id)"]) }
        return true
    }

    private func open(_ sighting: AlertSighting) async throws {
        let id = try await store.open(
            sighting.cause, title: sighting.title, detail: sighting.detail, cooldown: objectives.cooldown)
        guard let id else { return }
        logger.error(
            "alert",
            metadata: ["alert": "\(id)", "kind": "\(sighting.cause.kind)", "title": "\(sighting.title)"])
    }

    /// What a server does not tell stays unknown; the rest is weighed.
    private func read(_ now: Timestamp) async throws -> AlertReadings {
        var readings = AlertReadings(objectives)
        readings.add(
            try await store.signs(
                errors: AlertObjectives.errorWindow, slots: AlertObjectives.slotWindow))
        do {
            readings.add(oldestWait: try await queue.statistics().oldestWait)
            // The list begins with the newest letter: one at this place is old unless they are too many.
            let page = try await queue.deadLetters(offset: max(0, objectives.deadLetters - 1), limit: 1)
            readings.add(
                deadLetters: page.total,
                ageOfLimit: page.letters.first.map {
                    .microseconds(now.microseconds - $0.failedAt.microseconds)
                })
            let verdict = try await durability()
            readings.add(
                lossySettings: verdict.refusals.map(\.sentence), troubles: verdict.troubles.map(\.sentence))
        } catch {
            if Task.isCancelled { throw error }
            logger.warning("Redis does not tell what alerts need", metadata: ["error": "\(error)"])
        }
        return readings
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Alerts
public import Logging
public import Model
public import ServiceLifecycle
public import SyncStore
public import Webhooks

/// Tells of alerts, at least once on each way, and at last gives up.
///
/// Any number of schedulers may run. A delivery is one scheduler's until its lease ends; when that scheduler is killed between
/// sending and noting it, the next one sends the same message with the same id.
public struct AlertCourier: Service {
    /// Sends one notice.
    public typealias Send = @Sendable (AlertNotice, _ now: Timestamp) async -> DeliveryOutcome

    private let outbox: AlertOutbox
    private let ways: [AlertChannel: Send]
    private let logger: Logger

    /// Longer than an attempt takes.
    static let lease: Duration = .seconds(60)
    /// Deliveries under way at a time.
    static let batch = 8
    /// Between two looks.
    static let interval: Duration = .seconds(1)
    /// That there is somebody who tells on a way is noted this often.
    static let announceInterval: Duration = .seconds(600)

    /// A courier on these ways; without any it does nothing.
    public init(outbox: AlertOutbox, ways: [AlertChannel: Send], logger: Logger) {
        self.outbox = outbox
        self.ways = ways
        self.logger = logger
    }

    /// Delivers until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var announced: ContinuousClock.Instant?
            while !Task.isCancelled {
                do {
                    if !ways.isEmpty {
                        if announced.map({ ContinuousClock.now - $0 > Self.announceInterval }) ?? true {
                            try await announce()
                            announced = .now
                        }
                        while try await deliver() == Self.batch {}
                    }
                } catch {
                    if !Task.isCancelled {
                        logger.warning("alerts were not told", metadata: ["error": "\(error)"])
                    }
                }
                do { try await ContinuousClock().sleep(for: Self.interval) } catch { return }
            }
        }
    }

    /// Notes that alerts are told on these ways.
    func announce() async throws {
        try await outbox.announce(ways.keys.sorted { $0.rawValue < $1.rawValue })
    }

    /// Makes one attempt for each delivery that is due; how many that were.
    @discardableResult
    func deliver() async throws -> Int {
        let due = try await outbox.claim(Array(ways.keys), lease: Self.lease, limit: Self.batch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for delivery in due {
                group.addTask { try await attempt(delivery) }
            }
            try await group.waitForAll()
        }
        return due.count
    }

    private func attempt(_ delivery: AlertDelivery) async throws {
        guard let send = ways[delivery.channel] else { return }
        switch await send(AlertNotice(delivery), delivery.now) {
        case .delivered:
            try await outbox.sent(delivery)
        case .gone:
            try await fail(delivery, DeliveryOutcome.goneReason, wait: nil)
        case .failed(let reason, let notBefore):
            // An attempt that a shutdown cut off is somebody else's when its lease ends.
            if Task.isCancelled { return }
            var generator = SystemRandomNumberGenerator()
            let wait = DeliveryOutcome.policy.delay(afterAttempt: delivery.attempt, using: &generator)
            try await fail(delivery, reason, wait: wait.map { max($0, notBefore ?? .zero) })
        }
    }

    private func fail(_ delivery: AlertDelivery, _ reason: String, wait: Duration?) async throws {
        logger.log(
            level: wait == nil ? .error : .warning,
            wait == nil ? "an alert is not told any more" : "an alert is told later",
            metadata: [
                "alert": "\(delivery.alert.id)", "event": "\(delivery.event.rawValue)",
                "channel": "\(delivery.channel.rawValue)", "error": "\(reason)",
            ])
        try await outbox.failed(delivery, error: reason, retryAfter: wait)
    }
}

// SPDX-License-Identifier: Apache-2.0

public import JobQueue
public import Logging
import Model
public import ServiceLifecycle
public import SyncStore

/// Enqueues the jobs of accepted webhooks that nobody enqueued: the gateway died between its answer and the queue, Redis
/// lost its content, an integration was paused meanwhile; and syncs that renew watches. Any number may run.
public struct WebhookSweeper: Service {
    private static let batch = 500

    private let store: WebhookStore
    private let watches: WatchStore
    private let queue: JobQueue
    private let logger: Logger
    private let interval: Duration
    private let isReady: @Sendable () -> Bool

    /// A sweeper that looks every `interval`. Nothing is swept while `isReady` says no: what is enqueued then may be lost, and would
    /// be taken for enqueued.
    public init(
        store: WebhookStore, watches: WatchStore, queue: JobQueue, logger: Logger,
        interval: Duration = .seconds(2), isReady: @escaping @Sendable () -> Bool
    ) {
        self.store = store
        self.watches = watches
        self.queue = queue
        self.logger = logger
        self.interval = interval
        self.isReady = isReady
    }

    /// Sweeps until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if isReady() {
                    do {
                        try await sweep()
                        try await nudge()
                    } catch {
                        if !Task.isCancelled {
                            logger.warning("webhooks were not swept", metadata: ["error": "\(error)"])
                        }
                    }
                }
                do { try await ContinuousClock().sleep(for: interval) } catch { return }
            }
        }
    }

    /// Enqueues a sync of integrations whose watches end soon: whichever sync ends next renews them.
    @discardableResult
    func nudge() async throws -> Int {
        let due = try await watches.nudge(limit: Self.batch)
        try await queue.enqueue(
            due.map { JobPayload(integration: .id($0), type: .incremental).encoded() }, in: .default)
        return due.count
    }

    /// Enqueues what waits; returns how many jobs.
    @discardableResult
    func sweep() async throws -> Int {
        var count = 0
        while true {
            let due = try await store.sweep(limit: Self.batch)
            guard !due.isEmpty else { return count }
            try await queue.enqueue(
                due.map { JobPayload.webhook(event: $0.id, integrationID: $0.integrationID).encoded() },
                in: .high)
            count += due.count
            logger.notice("jobs of accepted webhooks were enqueued", metadata: ["jobs": "\(due.count)"])
        }
    }
}

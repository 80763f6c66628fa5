// SPDX-License-Identifier: Apache-2.0

import Actions
public import JobQueue
public import Logging
public import ServiceLifecycle
public import SyncStore

/// Enqueues accepted actions that have not ended, when their job may be lost: its maker died before it was enqueued, or
/// Redis lost it. The ledger says when; a job that is there already makes the second one a duplicate that does nothing.
public struct ActionSweeper: Service {
    private let store: ActionStore
    private let queue: JobQueue
    private let logger: Logger
    private let isReady: @Sendable () -> Bool

    /// Between two looks at the ledger.
    static let interval: Duration = .seconds(2)
    /// Actions that are taken at a time.
    static let batch = 500

    /// Nothing is swept while `isReady` says no.
    public init(
        store: ActionStore, queue: JobQueue, logger: Logger, isReady: @escaping @Sendable () -> Bool
    ) {
        self.store = store
        self.queue = queue
        self.logger = logger
        self.isReady = isReady
    }

    /// Sweeps until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var swept = 0
                if isReady() {
                    do {
                        swept = try await sweep()
                    } catch {
                        if !Task.isCancelled {
                            logger.warning("actions were not swept", metadata: ["error": "\(error)"])
                        }
                    }
                }
                guard swept < Self.batch else { continue }
                do { try await ContinuousClock().sleep(for: Self.interval) } catch { return }
            }
        }
    }

    /// Enqueues what is due; how many actions it took.
    func sweep() async throws -> Int {
        let due = try await store.sweep(limit: Self.batch)
        guard !due.isEmpty else { return 0 }
        try await queue.enqueue(
            due.map { ActionJob.payload(action: $0.id, of: $0.integrationID) }, in: ActionJob.queue)
        logger.info("unfinished actions are enqueued again", metadata: ["actions": "\(due.count)"])
        return due.count
    }
}

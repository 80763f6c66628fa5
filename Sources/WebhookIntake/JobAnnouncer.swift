// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Logging
import Model
import SyncStore

/// Enqueues the jobs of events that are durable. One job of an integration does all its events, so that of many that wait to
/// be enqueued the first is enough. What is lost here, a scheduler enqueues.
final class JobAnnouncer: Sendable {
    /// Integrations whose job waits to be enqueued.
    private static let limit = 100_000

    private let waiting = LockedBox<[Int64: Int64]>([:])
    private let signal = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let queue: JobQueue
    private let logger: Logger

    init(queue: JobQueue, logger: Logger) {
        self.queue = queue
        self.logger = logger
    }

    func announce(_ events: [DueWebhook]) {
        guard !events.isEmpty else { return }
        waiting.withLock { waiting in
            for event in events where waiting[event.integrationID] == nil && waiting.count < Self.limit {
                waiting[event.integrationID] = event.id
            }
        }
        signal.continuation.yield()
    }

    /// Enqueues what waits, until it is cancelled.
    func run() async {
        for await _ in signal.stream {
            while !Task.isCancelled {
                let batch = take()
                guard !batch.isEmpty else { break }
                do throws(QueueError) {
                    try await queue.enqueue(
                        batch.map {
                            JobPayload.webhook(event: $0.id, integrationID: $0.integrationID).encoded()
                        },
                        in: .high)
                } catch {
                    logger.warning(
                        "jobs of accepted webhooks were not enqueued; a scheduler does it",
                        metadata: ["jobs": "\(batch.count)", "error": "\(error)"])
                }
            }
        }
    }

    private func take() -> [DueWebhook] {
        waiting.withLock { waiting in
            let batch = waiting.prefix(JobQueue.batchLimit).map {
                DueWebhook(id: $0.value, integrationID: $0.key)
            }
            for event in batch { waiting[event.integrationID] = nil }
            return batch
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Logging
import Model

/// Ends jobs in batches: while one batch is on its way to Redis, the next one gathers.
final class FinishLane: Sendable {
    private struct State {
        var waiting: [LeaseHandle] = []
        var isSending = false
    }

    private let queue: JobQueue
    private let worker: WorkerState
    private let logger: Logger
    private let state = LockedBox(State())

    init(queue: JobQueue, worker: WorkerState, logger: Logger) {
        self.queue = queue
        self.worker = worker
        self.logger = logger
    }

    /// Ends a job; returns when its slot is free, or when the batch it joined is another task's to send.
    func finish(_ lease: LeaseHandle) async {
        let isMine = state.withLock { state in
            state.waiting.append(lease)
            guard !state.isSending else { return false }
            state.isSending = true
            return true
        }
        if isMine { await send() }
    }

    private func send() async {
        while true {
            let batch = state.withLock { state in
                let batch = Array(state.waiting.prefix(JobQueue.batchLimit))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.isSending = false }
                return batch
            }
            if batch.isEmpty { return }
            await settle(batch)
            worker.remove(batch)
        }
    }

    /// Tells Redis, again and again while it does not answer and the leases may still be held. A job whose end was not
    /// told runs again, and finds its work done.
    private func settle(_ batch: [LeaseHandle]) async {
        let limit = ContinuousClock.now.advanced(by: queue.configuration.lease)
        while true {
            do throws(QueueError) {
                let lost = try await queue.finish(batch)
                worker.count("finished", batch.count - lost.count)
                return
            } catch {
                guard ContinuousClock.now < limit else {
                    logger.error(
                        "jobs could not be finished and will run again",
                        metadata: ["jobs": "\(batch.count)", "error": "\(error)"])
                    return
                }
                await Pause.briefly()
            }
        }
    }

    private enum Pause {
        static func briefly() async {
            // Nobody cancels the task of a job's end; the loop has a limit of its own.
            do { try await ContinuousClock().sleep(for: .milliseconds(200)) } catch { return }
        }
    }
}

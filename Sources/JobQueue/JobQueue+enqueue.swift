// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

extension JobQueue {
    /// When a job becomes ready.
    public enum Due: Sendable, Equatable {
        case now
        /// By the clock of Redis.
        case after(Duration)
        case at(Timestamp)

        fileprivate var argument: RedisArgument {
            switch self {
            case .now: ""
            case .after(let delay): RedisArgument(max(0, delay.wholeMilliseconds))
            case .at(let time): RedisArgument("@\(time.milliseconds)")
            }
        }
    }

    /// Makes payloads ready, in this order, and returns the jobs' ids.
    ///
    /// Throws `invalidPayload` before anything is enqueued when one of them is not a job, and `full` when
    /// Redis is full. More than 100 payloads go in several steps: an error then leaves a part enqueued.
    @discardableResult
    public func enqueue(
        _ payloads: [[UInt8]], in queue: Queue, due: Due = .now
    ) async throws(QueueError) -> [String] {
        var ids: [String] = []
        var words: [[RedisArgument]] = []
        for bytes in payloads {
            let payload = try Self.valid(bytes)
            let id = payload.id ?? JobID.make()
            // Otherwise it would be claimed only to be put off.
            let time: Due = if let notBefore = payload.notBefore, due == .now { .at(notBefore) } else { due }
            ids.append(id)
            words.append([
                RedisArgument(id), RedisArgument(payload.lockKey), RedisArgument(bytes), time.argument,
            ])
        }
        for start in stride(from: 0, to: words.count, by: Self.batchLimit) {
            let batch = words[start..<min(start + Self.batchLimit, words.count)]
            _ = try await eval(.enqueue, [RedisArgument(queue.rawValue)] + batch.flatMap { $0 })
        }
        return ids
    }

    /// Makes payloads ready later, and returns the jobs' ids. A `not_before` in a payload holds besides.
    @discardableResult
    public func enqueueDelayed(
        _ payloads: [[UInt8]], in queue: Queue, after delay: Duration
    ) async throws(QueueError) -> [String] {
        try await enqueue(payloads, in: queue, due: .after(delay))
    }

    private static func valid(_ bytes: [UInt8]) throws(QueueError) -> JobPayload {
        switch JobPayload.parse(bytes) {
        case .success(let payload): return payload
        case .failure(let problem):
            throw QueueError(.invalidPayload(problem), "the payload is not a job: \(problem)")
        }
    }
}

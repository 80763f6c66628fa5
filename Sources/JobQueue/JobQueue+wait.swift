// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// Why a wait for work ended.
public enum WakeUp: Sendable, Equatable {
    /// A job was moved to an inbox; claim now.
    case work
    /// Nothing came.
    case timeout
    /// Redis refuses to wait, as it is full; claim now, as the queue drains by claims alone.
    case poll
}

extension JobQueue {
    /// The wait between two claims while Redis is full and wake-ups do not work.
    private static let pollInterval: Duration = .milliseconds(500)

    /// Waits until one of the queues has a job, at most for `limit`. One push wakes one waiter of the whole
    /// cluster.
    ///
    /// Uses one blocking connection per queue. Pass the open queues of the last claim: waiting on a paused
    /// queue would return at once, again and again. Returns early with `timeout` when the task is cancelled.
    public func waitForWork(in queues: [Queue], upTo limit: Duration) async throws(QueueError) -> WakeUp {
        let started = ContinuousClock.now
        var outcomes: [Outcome] = []
        await withTaskGroup(of: Outcome.self) { group in
            for queue in Set(queues) {
                group.addTask { await self.move(from: queue, upTo: limit) }
            }
            for await outcome in group {
                outcomes.append(outcome)
                switch outcome {
                case .moved, .failed: group.cancelAll()
                case .nothing, .full, .wrongType: break
                }
            }
        }
        let moved = outcomes.compactMap { if case .moved(let queue) = $0 { queue } else { nil } }
        if !moved.isEmpty {
            // This worker was woken more than once; the other jobs may wake others.
            for queue in moved.dropFirst() { await giveBack(to: queue) }
            return .work
        }
        for case .failed(let error) in outcomes { throw QueueError(error) }
        let isFull = outcomes.contains { if case .full = $0 { true } else { false } }
        let rest = limit - started.duration(to: .now)
        await Self.sleep(isFull ? min(rest, Self.pollInterval) : rest)
        return isFull ? .poll : .timeout
    }

    private enum Outcome: Sendable {
        case moved(Queue)
        case nothing
        case full
        case wrongType
        case failed(RedisError)
    }

    private func move(from queue: Queue, upTo limit: Duration) async -> Outcome {
        // 0 would mean forever.
        let milliseconds = max(10, limit.wholeMilliseconds)
        let fraction = String(1_000 + milliseconds % 1_000).dropFirst()
        do {
            let element = try await redis.blocking(
                [
                    "BLMOVE", RedisArgument(keys.ready(queue)), RedisArgument(keys.inbox(queue)), "RIGHT",
                    "LEFT",
                    RedisArgument("\(milliseconds / 1_000).\(fraction)"),
                ], serverTimeout: .milliseconds(milliseconds))
            return element.isNull ? .nothing : .moved(queue)
        } catch {
            switch (error.code, error.serverPrefix) {
            case (_, "OOM"): return .full
            // The claim reports it.
            case (_, "WRONGTYPE"): return .wrongType
            case (.cancelled, _): return .nothing
            default: return .failed(error)
            }
        }
    }

    private func giveBack(to queue: Queue) async {
        let source = RedisArgument(keys.inbox(queue))
        do {
            _ = try await command(["LMOVE", source, RedisArgument(keys.ready(queue)), "RIGHT", "RIGHT"])
        } catch {
            // The job stays in the inbox, where every claim looks; only nobody is woken for it.
            return
        }
    }

    private static func sleep(_ duration: Duration) async {
        guard duration > .zero else { return }
        // A cancelled wait is over; the caller sees its cancellation.
        do { try await ContinuousClock().sleep(for: duration) } catch { return }
    }
}

// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

extension JobQueue {
    /// A pass that jobs move about under may miss some; one that finds nothing is the last.
    private static let passLimit = 10

    /// Removes the waiting jobs and the dead letters of an integration, and cancels its jobs in flight: each leaves the queue
    /// when its worker hears of it, or its lease ends. Returns how many were removed.
    ///
    /// Push no more jobs of it before.
    @discardableResult
    public func forget(_ key: IntegrationKey, id: Int64) async throws(QueueError) -> Int {
        var total = 0
        for _ in 0..<Self.passLimit {
            var removed = 0
            for queue in Queue.allCases {
                removed += try await forget("list", queue, key, id)
                removed += try await forget("inbox", queue, key, id)
                removed += try await forget("lanes", queue, key, id)
            }
            for place in ["delayed", "parked", "flight", "dead"] {
                removed += try await forget(place, .default, key, id)
            }
            total += removed
            if removed == 0 { break }
        }
        return total
    }

    private func forget(
        _ place: String, _ queue: Queue, _ key: IntegrationKey, _ id: Int64
    ) async throws(QueueError) -> Int {
        let names = [key.userID, key.service, key.account].joined(separator: "\u{1F}")
        var removed = 0
        var position: Int64 = 0
        while position >= 0 {
            let reply = try await eval(
                .forget,
                [
                    RedisArgument(place), RedisArgument(queue.rawValue), RedisArgument(position),
                    RedisArgument(names), RedisArgument("#\(id)"), RedisArgument(key.userID),
                    RedisArgument(key.service),
                ])
            guard let fields = reply.array, fields.count == 2, let count = fields[0].int,
                let next = fields[1].int
            else { throw .unexpected("forget") }
            removed += Int(count)
            position = next
        }
        return removed
    }
}

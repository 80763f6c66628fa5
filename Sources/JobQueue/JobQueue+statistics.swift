// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// What parked jobs wait for.
public enum ParkReason: String, Sendable, CaseIterable {
    /// Another job of the integration to end.
    case integration
    /// A pause to end.
    case pause
    /// A running job under the same cap to end.
    case cap
}

/// The queue in numbers. A number is nil when its key has a wrong type.
public struct QueueStatistics: Sendable {
    /// Ready jobs, those in the inboxes and lanes included.
    public var ready: [Queue: Int] = [:]
    /// Delayed jobs whose time has come; the next claim makes them ready.
    public var due: [Queue: Int] = [:]
    /// How long the oldest ready job that was found at a low price has waited; a queue without one has none.
    public var oldestWait: [Queue: Duration] = [:]
    /// Of the ready jobs, those in the lists that are in no lane yet.
    public var unsorted = 0
    /// Jobs that workers hold; nil when the key has the wrong type.
    public var inFlight: Int?
    /// Jobs that become ready later, those that are due included; nil when the key has the wrong type.
    public var delayed: Int?
    /// Jobs that wait for an integration, the end of a pause or a slot under a cap; nil when the key has the wrong type.
    public var parked: Int?
    /// The parked jobs by what they wait for.
    public var parkedFor: [ParkReason: Int] = [:]
    /// Dead letters; nil when the key has the wrong type.
    public var dead: Int?
    /// Workers that gave a sign of life within a day; nil when the key has the wrong type.
    public var workers: Int?
    /// Workers that gave a sign of life within half a minute; nil when the key has the wrong type.
    public var livingWorkers: Int?
    /// The members of the set of pauses.
    public var paused: [String] = []
    /// Totals since the counters began: `finished`, `coalesced`, `recovered`, `cancelled`, `dead`.
    public var counters: [String: Int] = [:]
    /// Keys of a wrong type.
    public var wrongKeys: [String] = []

    /// The work that one more worker would find: ready jobs and those that are due.
    public func backlog(of queue: Queue) -> Int { (ready[queue] ?? 0) + (due[queue] ?? 0) }
}

extension JobQueue {
    /// The queue in numbers, all but the pauses and totals of one instant.
    public func statistics() async throws(QueueError) -> QueueStatistics {
        var statistics = try QueueStatistics(await eval(.stats, []))
        let paused = try await read("SMEMBERS", keys.paused, &statistics)?.array ?? []
        statistics.paused = paused.compactMap(\.text).sorted()
        let counters = try await read("HGETALL", keys.counters, &statistics)?.array ?? []
        for position in stride(from: 0, to: counters.count - 1, by: 2) {
            guard let name = counters[position].text, let value = counters[position + 1].int else { continue }
            statistics.counters[name] = Int(value)
        }
        return statistics
    }

    private func read(
        _ name: RedisArgument, _ key: String, _ statistics: inout QueueStatistics
    ) async throws(QueueError) -> RedisValue? {
        do {
            return try await command([name, RedisArgument(key)])
        } catch  where error.underlying?.serverPrefix == "WRONGTYPE" {
            statistics.wrongKeys.append(key)
            return nil
        }
    }
}

extension QueueStatistics {
    /// Reads the reply of the script.
    fileprivate init(_ reply: RedisValue) throws(QueueError) {
        guard let fields = reply.array, fields.count == 11, let wrong = fields[1].array,
            let queues = fields[2].array, queues.count == Queue.allCases.count
        else { throw .unexpected("stats") }
        func number(_ value: RedisValue) -> Int? { value.int.flatMap { $0 < 0 ? nil : Int($0) } }
        for (queue, value) in zip(Queue.allCases, queues) {
            guard let numbers = value.array, numbers.count == 5 else { throw .unexpected("stats") }
            let list = number(numbers[0])
            unsorted += list ?? 0
            ready[queue] = list.map { $0 + (number(numbers[1]) ?? 0) + (number(numbers[2]) ?? 0) }
            due[queue] = number(numbers[3])
            oldestWait[queue] = number(numbers[4]).map { .milliseconds($0) }
        }
        wrongKeys = wrong.compactMap(\.text)
        inFlight = number(fields[3])
        delayed = number(fields[4])
        parked = number(fields[5])
        if let parked, let paused = number(fields[6]), let capped = number(fields[7]) {
            parkedFor = [.integration: max(0, parked - paused - capped), .pause: paused, .cap: capped]
        }
        dead = number(fields[8])
        workers = number(fields[9])
        livingWorkers = number(fields[10])
    }
}

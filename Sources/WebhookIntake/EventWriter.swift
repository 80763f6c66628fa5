// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

/// Keeps events, those that come at the same time in one transaction: one commit for all of them costs little more than one
/// for each.
final class EventWriter: Sendable {
    private typealias Waiter = CheckedContinuation<Result<WebhookAnswer.Outcome, StoreError>, Never>

    /// The events of one request: kept together, or none of them.
    private struct Waiting {
        let events: [IncomingWebhook]
        let waiter: Waiter

        var bytes: Int { events.reduce(0) { $0 + $1.raw.count } }
    }

    private struct State {
        var waiting: [Waiting] = []
        var count = 0
        var bytes = 0
        var isClosed = false
    }

    /// Events of one transaction; more only where one request has them.
    private static let batchCount = 256
    private static let batchBytes = 8 << 20
    /// More than this waits only while Postgres is in trouble; the provider sends it again.
    private static let waitingCount = 4_096
    private static let waitingBytes = 64 << 20

    private let state = LockedBox(State())
    private let signal = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let accept: @Sendable ([IncomingWebhook]) async throws(StoreError) -> [KeptWebhook]
    private let accepted: @Sendable ([DueWebhook]) -> Void

    /// `accept` keeps events, all or none, and tells which are new; `accepted` hears of those that a job has to be enqueued for.
    init(
        accept: @escaping @Sendable ([IncomingWebhook]) async throws(StoreError) -> [KeptWebhook],
        accepted: @escaping @Sendable ([DueWebhook]) -> Void
    ) {
        self.accept = accept
        self.accepted = accepted
    }

    /// Returns once the events of one request are durable, all of them in one transaction, and says what became of them.
    func write(_ events: [IncomingWebhook]) async throws(StoreError) -> WebhookAnswer.Outcome {
        let result = await withCheckedContinuation { (waiter: Waiter) in
            let request = Waiting(events: events, waiter: waiter)
            let isTaken = state.withLock { state in
                guard !state.isClosed, state.count < Self.waitingCount,
                    state.bytes + request.bytes <= Self.waitingBytes
                else { return false }
                state.waiting.append(request)
                state.count += events.count
                state.bytes += request.bytes
                return true
            }
            if isTaken {
                signal.continuation.yield()
            } else {
                waiter.resume(
                    returning: .failure(StoreError(.unavailable, "too many events wait to be kept")))
            }
        }
        return try result.get()
    }

    /// Writes what waits, until it is cancelled; who waits then is refused.
    func run() async {
        for await _ in signal.stream {
            while let batch = next() { await write(batch) }
        }
        let rest = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiting in rest {
            waiting.waiter.resume(returning: .failure(StoreError(.unavailable, "the gateway stops")))
        }
    }

    private func next() -> [Waiting]? {
        state.withLock { state in
            var requests = 0
            var count = 0
            var bytes = 0
            for waiting in state.waiting.prefix(Self.batchCount) {
                let isFull =
                    count + waiting.events.count > Self.batchCount || bytes + waiting.bytes > Self.batchBytes
                if requests > 0, isFull { break }
                requests += 1
                count += waiting.events.count
                bytes += waiting.bytes
            }
            guard requests > 0 else { return nil }
            let batch = Array(state.waiting.prefix(requests))
            state.waiting.removeFirst(requests)
            state.count -= count
            state.bytes -= bytes
            return batch
        }
    }

    private func write(_ batch: [Waiting]) async {
        do throws(StoreError) {
            let kept = try await accept(batch.flatMap(\.events))
            accepted(kept.compactMap(\.due))
            var outcomes: [[UInt8]: WebhookAnswer.Outcome] = [:]
            for row in kept {
                let name = Self.name(row.service, row.eventID)
                if row.due != nil || outcomes[name] == nil {
                    outcomes[name] = row.due == nil ? .ignored : .accepted
                }
            }
            for waiting in batch {
                // The same event may have come twice at the same time: one of them was there before the other.
                let found = waiting.events.compactMap {
                    outcomes.removeValue(forKey: Self.name($0.service, $0.eventID))
                }
                let outcome: WebhookAnswer.Outcome =
                    found.contains(.accepted) ? .accepted : found.isEmpty ? .duplicate : .ignored
                waiting.waiter.resume(returning: .success(outcome))
            }
        } catch {
            guard batch.count > 1, case .badData = error.code else {
                for waiting in batch { waiting.waiter.resume(returning: .failure(error)) }
                return
            }
            // Something of one request cannot be kept; the others are no worse for it.
            for waiting in batch { await write([waiting]) }
        }
    }

    /// Names are bytes: texts that Swift takes for equal are two events.
    private static func name(_ service: String, _ eventID: String) -> [UInt8] {
        Array("\(service)\n\(eventID)".utf8)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

/// Keeps events, those that come at the same time in one transaction: one commit for all of them costs little more than one
/// for each.
final class EventWriter: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Void, StoreError>, Never>

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
    private let accept: @Sendable ([IncomingWebhook]) async throws(StoreError) -> [DueWebhook]
    private let accepted: @Sendable ([DueWebhook]) -> Void

    /// `accept` keeps events, all or none; `accepted` hears of those that a job has to be enqueued for.
    init(
        accept: @escaping @Sendable ([IncomingWebhook]) async throws(StoreError) -> [DueWebhook],
        accepted: @escaping @Sendable ([DueWebhook]) -> Void
    ) {
        self.accept = accept
        self.accepted = accepted
    }

    /// Returns once the events of one request are durable, all of them in one transaction.
    func write(_ events: [IncomingWebhook]) async throws(StoreError) {
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
        try result.get()
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
            accepted(try await accept(batch.flatMap(\.events)))
            for waiting in batch { waiting.waiter.resume(returning: .success(())) }
        } catch {
            guard batch.count > 1, case .badData = error.code else {
                for waiting in batch { waiting.waiter.resume(returning: .failure(error)) }
                return
            }
            // Something of one request cannot be kept; the others are no worse for it.
            for waiting in batch { await write([waiting]) }
        }
    }
}

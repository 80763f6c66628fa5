// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import JobQueue
import Model
import SyncEngine
import SyncStore

/// The work of a webhook job: all open events of its integration, a batch at a time, so that many notifications of one thing
/// read it once.
struct WebhookWork: RunWork {
    private let store: WebhookStore
    private let ref: Int64
    private let isRecovered: Bool
    private let taken = LockedBox(Taken())

    /// What the run has taken.
    private struct Taken {
        var concerned: [Int64] = []
        /// What each event asks for.
        var asked: [Int64: [WebhookChange]] = [:]
        var fetched: Set<WebhookChange> = []
        /// Events that ask for nothing.
        var ignored: [Int64] = []

        var all: [Int64] { concerned + ignored }

        /// Events of which all was fetched.
        var fulfilled: [Int64] {
            concerned.filter { event in asked[event]?.allSatisfy(fetched.contains) ?? false }
        }
    }

    /// Events of one run.
    private static let batch = 100

    /// `isRecovered`: a worker died with the job. Then its own event is taken alone, so that one that kills its workers takes
    /// no other with it.
    init(store: WebhookStore, ref: Int64, isRecovered: Bool) {
        self.store = store
        self.ref = ref
        self.isRecovered = isRecovered
    }

    func isDue(of integrationID: Int64) async throws(StoreError) -> Bool {
        try await store.hasPending(of: integrationID, ref: ref)
    }

    func job(in run: OpenRun, _ connector: any Connector) async throws(StoreError) -> SyncJob {
        let events = try await store.take(for: run, ref: ref, onlyRef: isRecovered, limit: Self.batch)
        let streams = Set(connector.streams.map(\.name))
        var found = Taken()
        var changes: [WebhookChange] = []
        for event in events {
            let asked: [WebhookChange] =
                if let slice = event.slice {
                    // A channel of an older manifest may name a stream that is not there any more.
                    streams.contains(slice.stream)
                        ? [.stream(slice.stream, partition: slice.partition.isEmpty ? nil : slice.partition)]
                        : []
                } else {
                    connector.changes(in: WebhookEvent(type: event.eventType, body: event.raw))
                }
            if asked.isEmpty { found.ignored.append(event.id) } else { found.concerned.append(event.id) }
            found.asked[event.id] = asked
            changes += asked
        }
        let all = found
        taken.withLock { $0 = all }
        let taken = self.taken
        return SyncJob(
            kind: .changes(ChangeSet(changes)), streams: nil, isRecovered: isRecovered,
            fetched: { change in taken.withLock { _ = $0.fetched.insert(change) } })
    }

    func settle(
        _ integrationID: Int64, _ verdict: RunVerdict?, _ outcome: JobOutcome
    ) async throws(StoreError) -> JobOutcome {
        let events = taken.withLock { $0 }
        switch verdict {
        // The events wait until the integration is active again: then they are enqueued anew.
        case nil: return .finished
        case .reauthRequired:
            try await store.settle(events.all, of: integrationID, as: .received)
            return outcome
        case .succeeded:
            try await store.settle(events.concerned, of: integrationID, as: .done)
            try await store.settle(
                events.ignored, of: integrationID, as: .ignored, error: "no rule of the connector concerns it"
            )
            // What came meanwhile has jobs of its own, but a batch may have left some behind.
            return try await store.hasPending(of: integrationID, ref: ref) ? .snooze(.zero) : outcome
        case .snooze, .yielded, .retry:
            // What was fetched is committed: the next attempt does not ask for it again.
            try await store.settle(events.fulfilled, of: integrationID, as: .done)
        default: break
        }
        guard case .deadLetter(let code, let reason, _) = outcome else { return outcome }
        let error = "\(code): \(reason)"
        if events.all.count > 1 {
            // One of them is at fault; each is tried alone.
            try await store.settle(events.all, of: integrationID, as: .received, error: error)
            return .snooze(.zero)
        }
        if events.all.isEmpty {
            // The run failed before it took any: else this would be tried again for ever.
            try await store.fail(ref, error: error)
        }
        try await store.settle(events.all, of: integrationID, as: .failed, error: error)
        return outcome
    }
}

/// The names of webhook jobs.
enum WebhookJobID {
    /// The event that a job of this id names; nil for jobs of other kinds.
    static func event(of jobID: String) -> Int64? {
        guard jobID.hasPrefix(JobPayload.webhookIDPrefix) else { return nil }
        return Int64(jobID.dropFirst(JobPayload.webhookIDPrefix.count))
    }
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import Model
import SyncStore

/// One run: its streams, one after the other, with one checkpoint being written while the next pages are read.
struct RunLoop {
    let job: SyncJob
    let run: OpenRun
    let connector: any Connector
    let access: ProviderAccess
    let store: SyncStore
    let configuration: EngineConfiguration
    let stop: @Sendable (Duration) -> StopReason?
    private let progressed: @Sendable () async -> Void

    let policy: FailurePolicy
    let hasher = ContentHasher()
    let started = ContinuousClock.now
    private let writer: CheckpointWriter
    private var isWriting = false
    var pending = PendingCheckpoint()
    var states: [String: SliceState]
    /// The first stream that had to be left; the others are still read.
    var failure: RunFailure?
    /// Slices that may not be read.
    var refusals = SliceRefusals()
    /// Whether a page of this run was handed to the writer.
    private(set) var madeProgress = false
    private var metKnownRecord = false
    private(set) var hasToldProgress = false
    /// Streams of which a tombstone was handed to the writer.
    private(set) var streamsWithTombstones: Set<String> = []

    init(
        job: SyncJob, run: OpenRun, connector: any Connector, access: ProviderAccess, store: SyncStore,
        configuration: EngineConfiguration, stop: @escaping @Sendable (Duration) -> StopReason?,
        progressed: @escaping @Sendable () async -> Void
    ) {
        self.progressed = progressed
        self.job = job
        self.run = run
        self.connector = connector
        self.access = access
        self.store = store
        self.configuration = configuration
        self.stop = stop
        policy = FailurePolicy(configuration: configuration)
        writer = CheckpointWriter(store: store, run: run)
        states = Dictionary(run.slices.map { ($0.stream, $0) }, uniquingKeysWith: { first, _ in first })
    }

    typealias Lane = ThrowingTaskGroup<Void, any Error>

    /// Reads all streams and ends the run. Throws only errors of the store.
    mutating func perform(_ lane: inout Lane) async throws -> RunVerdict {
        do {
            if case .changes(let changes) = job.kind {
                try await readChanges(changes, &lane)
            } else {
                try await readStreams(&lane)
            }
            try await writeRefusals(&lane, atEnd: true)
            if let failure = failure ?? refusals.failure { throw Interruption.failed(failure) }
            try await finish(refusals.end(title: connector.title) ?? RunEnd(.succeeded), &lane)
            return .succeeded
        } catch let interruption as Interruption {
            if case .reauthRequired(let failure, let version) = interruption {
                try await store.refuseCredential(
                    of: run.integrationID, version: version, reason: failure.code,
                    title: "\(run.key.service) has to be connected again", detail: failure.operatorDetail)
            }
            try await writeRefusals(&lane, atEnd: true)
            try await finish(interruption.end, &lane)
            return interruption.verdict(madeProgress: madeProgress)
        }
    }

    private mutating func readStreams(_ lane: inout Lane) async throws {
        for stream in try selectedStreams() {
            // A job that was interrupted goes on behind the streams that it has read.
            if states[stream.name]?.isReadByThisJob == true { continue }
            guard let strategy = try makeStrategy(stream) else { continue }
            try await readStream(stream, strategy, wantsFull: job.kind == .full, &lane)
        }
    }

    /// Reads a stream, of a child stream all its slices.
    mutating func readStream(
        _ stream: StreamDescriptor, _ strategy: any SyncStrategy, wantsFull: Bool, _ lane: inout Lane
    ) async throws {
        if let binding = stream.parent {
            try await readChildren(stream, binding, strategy, &lane)
        } else {
            var state = states[stream.name] ?? SliceState(stream: stream.name, partition: "")
            try await readSlice(stream, .whole, strategy, &state, wantsFull: wantsFull, &lane)
            states[stream.name] = state
        }
    }

    private func selectedStreams() throws(Interruption) -> [StreamDescriptor] {
        guard let names = job.streams else { return connector.streams }
        let known = Set(connector.streams.map(\.name))
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw .failed(
                RunFailure(
                    .config, code: "unknown_stream",
                    userMessage: "The sync asks for data that \(connector.service) does not have.",
                    operatorDetail: "the job names stream '\(unknown)'; \(connector.service) has: "
                        + connector.streams.map(\.name).joined(separator: ", ")))
        }
        return connector.streams.filter { names.contains($0.name) }
    }

    /// Nil when the stream cannot be read with what the integration has; the failure is noted.
    mutating func makeStrategy(_ stream: StreamDescriptor) throws(Interruption) -> (any SyncStrategy)? {
        do throws(ConnectorError) {
            return try connector.strategy(for: stream.name, access: access)
        } catch {
            switch error.errorClass {
            case .permission, .rejected:
                failure = failure ?? RunFailure(error)
                return nil
            default:
                throw .failed(RunFailure(error))
            }
        }
    }

    // MARK: - Writing

    /// Hands the pending pages to the writer, after the checkpoint before them is written.
    mutating func flush(_ lane: inout Lane) async throws {
        guard !pending.isEmpty else { return }
        try await settle(&lane)
        var checkpoint = pending.take()
        if metKnownRecord { checkpoint.isFirstLoad = false }
        madeProgress = madeProgress || checkpoint.batch != nil
        if let batch = checkpoint.batch, batch.hasTombstones { streamsWithTombstones.insert(batch.stream) }
        isWriting = true
        lane.addTask { [writer, checkpoint] in _ = try await writer.write(checkpoint) }
    }

    /// Writes a page that is larger than most at once, as runs of other accounts may wait for the memory that it takes.
    mutating func makeRoom(_ lane: inout Lane) async throws {
        guard let room = access.room, room.isHeld else { return }
        try await flush(&lane)
        try await settle(&lane)
        room.leave()
    }

    /// Waits until all that was handed over is written.
    mutating func settle(_ lane: inout Lane) async throws {
        guard isWriting else { return }
        isWriting = false
        try await lane.next()
        metKnownRecord = await writer.metKnownRecord
        guard !hasToldProgress else { return }
        hasToldProgress = true
        await progressed()
    }

    private mutating func finish(_ end: RunEnd, _ lane: inout Lane) async throws {
        try await settle(&lane)
        var checkpoint = pending.take(end: end)
        if metKnownRecord { checkpoint.isFirstLoad = false }
        madeProgress = madeProgress || checkpoint.batch != nil
        _ = try await writer.write(checkpoint)
    }
}

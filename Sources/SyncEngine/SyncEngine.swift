// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Model
public import SyncStore

/// Runs sync jobs: reads the pages that a connector yields, and decides when a cursor moves and when an absence is a
/// deletion.
public struct SyncEngine: Sendable {
    private let store: SyncStore
    private let configuration: EngineConfiguration

    /// An engine that keeps what it reads in `store`.
    public init(store: SyncStore, configuration: EngineConfiguration = EngineConfiguration()) {
        self.store = store
        self.configuration = configuration
    }

    /// Runs a job whose run is open, and writes the run's terminal log row.
    ///
    /// `stop` is asked at each page edge, with the time that the run has taken so far. A cancelled task writes nothing
    /// more: its lease is lost, and the run that takes over ends its log row. `progressed` is called once, when the first
    /// pages are committed.
    public func perform(
        _ job: SyncJob, in run: OpenRun, connector: any Connector, access: ProviderAccess,
        stop: @escaping @Sendable (Duration) -> StopReason?,
        progressed: @escaping @Sendable () async -> Void = {}
    ) async -> RunVerdict {
        var loop = RunLoop(
            job: job, run: run, connector: connector, access: access, store: store,
            configuration: configuration, stop: stop, progressed: progressed)
        defer { access.room?.leave() }
        do {
            return try await withThrowingTaskGroup(of: Void.self) { group in
                try await loop.perform(&group)
            }
        } catch {
            return Self.verdict(of: error, madeProgress: loop.madeProgress)
        }
    }

    /// Ends an open run that cannot start its work, such as one whose credential cannot be read.
    public func abandon(_ run: OpenRun, _ failure: RunFailure) async -> RunVerdict {
        do throws(StoreError) {
            let writer = CheckpointWriter(store: store, run: run)
            let end = Interruption.failed(failure).end
            _ = try await writer.write(Checkpoint(batch: nil, updates: [], end: end))
            return .failed(failure)
        } catch {
            return Self.verdict(of: error, madeProgress: false)
        }
    }

    private static func verdict(of error: any Error, madeProgress: Bool) -> RunVerdict {
        if Task.isCancelled { return .superseded }
        guard let error = error as? StoreError else {
            return .retry(
                RunFailure(
                    .transient, code: "unexpected_error",
                    userMessage: "The sync was interrupted and is tried again.",
                    operatorDetail: "the run ended with an unexpected error: \(error)"),
                madeProgress: madeProgress)
        }
        switch error.code {
        case .staleFence, .cancelled: return .superseded
        default: return .ledgerFailed(error, madeProgress: madeProgress)
        }
    }
}

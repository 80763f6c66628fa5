// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import SyncEngine
import SyncStore

/// What a job makes a run do, and what follows from its end.
protocol RunWork: Sendable {
    /// Whether there is anything to do; asked before a run begins.
    func isDue(of integrationID: Int64) async throws(StoreError) -> Bool

    /// What the run reads.
    func job(in run: OpenRun, _ connector: any Connector) async throws(StoreError) -> SyncJob

    /// Notes the end, and says what becomes of the job in the place of `outcome`. `verdict` is nil when no run began,
    /// because the integration is not active.
    func settle(
        _ integrationID: Int64, _ verdict: RunVerdict?, _ outcome: JobOutcome
    ) async throws(StoreError) -> JobOutcome
}

/// What a payload says by itself.
struct SyncWork: RunWork {
    let job: SyncJob

    func isDue(of integrationID: Int64) async throws(StoreError) -> Bool { true }

    func job(in run: OpenRun, _ connector: any Connector) async throws(StoreError) -> SyncJob { job }

    func settle(
        _ integrationID: Int64, _ verdict: RunVerdict?, _ outcome: JobOutcome
    ) async throws(StoreError) -> JobOutcome { outcome }
}

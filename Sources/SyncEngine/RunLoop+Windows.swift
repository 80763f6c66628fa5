// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import SyncStore

/// Absence by stretches of time.
extension RunLoop {
    /// Under what a run notes what it has seen of a stretch of time; nil where no stretch will say anything.
    func windowGeneration(_ stream: StreamDescriptor, isBackfill: Bool) -> Int64? {
        guard let rule = stream.windowAbsence, isBackfill || rule.countsForChanges else { return nil }
        return SyncStore.windowGeneration(of: run)
    }

    /// Settles what of a stretch of time the list did not show.
    mutating func sweep(
        _ stream: StreamDescriptor, _ state: SliceState, _ covered: TimeStretch, _ lane: inout Lane
    ) async throws {
        guard let rule = stream.windowAbsence else { return }
        try await flush(&lane)
        try await settle(&lane)
        _ = try await store.sweep(
            run, stream: state.stream, partition: state.partition,
            window: ListedWindow(
                since: covered.since, until: covered.until, includesSince: rule.includesSince,
                includesUntil: rule.includesUntil, path: rule.pointer.tokens, format: rule.format,
                lag: rule.lag),
            guard: configuration.massDeleteGuard, children: children(of: stream))
    }
}

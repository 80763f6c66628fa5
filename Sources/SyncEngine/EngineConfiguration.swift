// SPDX-License-Identifier: Apache-2.0

public import SyncStore

/// The engine's limits.
public struct EngineConfiguration: Sendable {
    /// Records of one checkpoint. Larger batches write faster, and lose more pages when a worker dies.
    public var batchRecords = 5_000
    /// Bytes of the pages that one checkpoint keeps in memory; two checkpoints can be in memory at a time.
    public var batchBytes = 2 << 20
    /// The longest time between a page and its checkpoint.
    public var batchAge: Duration = .seconds(5)
    /// A wait that the provider asks for is sat out up to this; a longer one gives the slot back.
    public var longestWaitInPlace: Duration = .seconds(2)
    /// Tries of one page before the job goes back with its checkpoint.
    public var triesPerPage = 3
    /// New generations of one slice in one run.
    public var resyncsPerSlice = 3
    /// When a sweep counts as a mass delete and waits for a person.
    public var massDeleteGuard = MassDeleteGuard.standard

    /// The limits and times that workers use unless a test needs others.
    public init() {}
}

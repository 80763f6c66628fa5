// SPDX-License-Identifier: Apache-2.0

/// What a run did so far: the counter columns of `sync_log` and `sync_log_streams`.
public struct SyncCounters: Sendable, Equatable {
    /// Pages that were committed.
    public var pages: Int64 = 0
    /// Requests to the provider, repeated ones included.
    public var apiCalls: Int64 = 0
    /// Bytes of response bodies after decoding.
    public var bytesRead: Int64 = 0
    /// Records on all pages, before duplicates were put together.
    public var recordsRead: Int64 = 0
    /// Records that were not there before, or were deleted.
    public var recordsAdded: Int64 = 0
    /// Records whose content changed.
    public var recordsUpdated: Int64 = 0
    /// Records that became tombstones.
    public var recordsDeleted: Int64 = 0
    /// Records whose content hash was the same as before.
    public var recordsUnchanged: Int64 = 0
    /// Records that could not be stored and were put aside with a reason.
    public var recordsQuarantined: Int64 = 0
    /// Milliseconds spent waiting because a limit said so.
    public var throttledMilliseconds: Int64 = 0

    /// All zero.
    public init() {}

    /// Adds counter by counter.
    public static func += (left: inout SyncCounters, right: SyncCounters) {
        left.pages += right.pages
        left.apiCalls += right.apiCalls
        left.bytesRead += right.bytesRead
        left.recordsRead += right.recordsRead
        left.recordsAdded += right.recordsAdded
        left.recordsUpdated += right.recordsUpdated
        left.recordsDeleted += right.recordsDeleted
        left.recordsUnchanged += right.recordsUnchanged
        left.recordsQuarantined += right.recordsQuarantined
        left.throttledMilliseconds += right.throttledMilliseconds
    }
}

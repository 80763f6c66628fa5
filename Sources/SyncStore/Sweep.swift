// SPDX-License-Identifier: Apache-2.0

import PostgresClient

/// How many absences a full run may turn into deletions at once.
public struct MassDeleteGuard: Sendable, Equatable {
    /// A sweep of at most this many rows is never held.
    public var rows: Int64
    /// The share of the live rows, 0 to 1, above which a sweep is held.
    public var share: Double

    /// A guard that holds sweeps of more than `rows` rows that are more than `share` (0 to 1) of all.
    public init(rows: Int64, share: Double) {
        self.rows = rows
        self.share = share
    }

    /// More than 50 rows and more than a fifth of the live ones.
    public static let standard = MassDeleteGuard(rows: 50, share: 0.2)
}

/// A stream whose records belong to those of another one.
public struct ChildStream: Sendable, Equatable {
    /// The child stream.
    public var name: String
    /// The stream of its parents.
    public var parent: String

    /// A stream and that of its parents.
    public init(_ name: String, of parent: String) {
        self.name = name
        self.parent = parent
    }
}

extension [ChildStream] {
    /// The names of the streams, and of the parent stream of each.
    var parameters: [PostgresParameter] {
        [
            .textArray(map { [UInt8]($0.name.utf8) }), .textArray(map { [UInt8]($0.parent.utf8) }),
        ]
    }
}

/// What became of a generation's absences.
public struct SweepOutcome: Sendable, Equatable {
    /// They wait for a decision or for a second run that agrees.
    public let isHeld: Bool
    /// How many records became tombstones.
    public let deleted: Int64
}

extension SyncStore {
    /// Settles the absences of a generation that was read to its end: marks them in bounded transactions, then deletes
    /// them in one, or holds them. Leaves the slice at rest. Interrupted, it starts over and marks the same rows.
    ///
    /// `children` are the streams that belong to this one, and those that belong to them: what the absent rows would take with
    /// them is weighed too.
    public func sweep(
        _ run: OpenRun, stream: String, partition: String, generation: Int64, guard limit: MassDeleteGuard,
        needsTwoRuns: Bool, children: [ChildStream] = []
    ) async throws(StoreError) -> SweepOutcome {
        let opened = try await query(
            StoreSQL.openSweep,
            [
                .int(run.integrationID), .int(run.fence), .text(stream), .text(partition),
                .int(generation), .int(run.syncID),
            ])
        guard let sweepID = opened.int(0, 0) else {
            throw StoreError(.unexpectedReply, "open_sweep gave no id")
        }
        var after: String? = ""
        while let start = after {
            let marked = try await query(
                StoreSQL.markAbsent,
                [
                    .int(run.integrationID), .int(run.fence), .int(sweepID), .text(start),
                    .int(Self.markLimit),
                ], deadline: Self.sweepDeadline)
            after = marked.text(0, 0)
        }
        let settled = try await query(
            StoreSQL.settleSweep,
            [
                .int(run.integrationID), .int(run.fence), .int(sweepID), .int(limit.rows),
                .double(limit.share), .bool(needsTwoRuns),
            ] + children.parameters, deadline: Self.sweepDeadline)
        guard let outcome = settled.text(0, 0), let deleted = settled.int(0, 1) else {
            throw StoreError(.unexpectedReply, "settle_sweep gave no outcome")
        }
        return SweepOutcome(isHeld: outcome == "held", deleted: deleted)
    }

    /// Deletes the records of a child stream whose parents are deleted, in bounded transactions. Returns how many.
    public func deleteOrphans(
        _ run: OpenRun, stream: String, parent: String
    ) async throws(StoreError) -> Int64 {
        var total: Int64 = 0
        while true {
            let rows = try await query(
                StoreSQL.deleteOrphans,
                [
                    .int(run.integrationID), .int(run.fence), .text(stream), .text(parent),
                    .int(run.syncID), .int(Self.orphanLimit),
                ], deadline: Self.sweepDeadline)
            let deleted = rows.int(0, 0) ?? 0
            total += deleted
            if deleted < Self.orphanLimit { return total }
        }
    }

    /// Rows of one marking transaction: it holds the integration's row, and a reader must not wait long for that.
    static let markLimit: Int64 = 200_000
    private static let orphanLimit: Int64 = 50_000
    static let sweepDeadline: Duration = .seconds(300)
}

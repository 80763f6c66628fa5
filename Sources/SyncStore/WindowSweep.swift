// SPDX-License-Identifier: Apache-2.0

public import Model
import PostgresClient

/// A stretch of time of which a run has listed every record, and where a record has the time that counts.
public struct ListedWindow: Sendable, Equatable {
    /// From when.
    public var since: Timestamp
    /// Until when.
    public var until: Timestamp
    /// Whether a record of exactly the first time was in the list.
    public var includesSince: Bool
    /// Whether one of exactly the last time was.
    public var includesUntil: Bool
    /// The member of a record, from its outside to its inside.
    public var path: [String]
    /// How the member is written; a value of another form lies in no stretch.
    public var format: TimeNotation
    /// A record that was written so shortly before the run may be missing in the list.
    public var lag: Duration

    /// A stretch whose bounds belong to it as said.
    public init(
        since: Timestamp, until: Timestamp, includesSince: Bool, includesUntil: Bool, path: [String],
        format: TimeNotation, lag: Duration = .zero
    ) {
        self.lag = lag
        self.since = since
        self.until = until
        self.includesSince = includesSince
        self.includesUntil = includesUntil
        self.path = path
        self.format = format
    }

    /// The bounds as Postgres writes them.
    var bounds: String { (includesSince ? "[" : "(") + (includesUntil ? "]" : ")") }
}

extension SyncStore {
    /// The generation under which a run notes what of a stretch it has seen: one of its own, older than every full run's.
    public static func windowGeneration(of run: OpenRun) -> Int64 { -run.syncID }

    /// Settles the absences of a stretch that this run has listed from its beginning to its end, and noted under
    /// `windowGeneration`: marks them in bounded transactions, then deletes them in one, or holds them.
    public func sweep(
        _ run: OpenRun, stream: String, partition: String, window: ListedWindow, guard limit: MassDeleteGuard,
        children: [ChildStream] = []
    ) async throws(StoreError) -> SweepOutcome {
        guard window.since < window.until else { return SweepOutcome(isHeld: false, deleted: 0) }
        let opened = try await query(
            StoreSQL.openWindowSweep,
            [
                .int(run.integrationID), .int(run.fence), .text(stream), .text(partition), .int(run.syncID),
                .int(window.since.microseconds), .int(window.until.microseconds), .text(window.bounds),
            ])
        guard let sweepID = opened.int(0, 0) else {
            throw StoreError(.unexpectedReply, "open_window_sweep gave no id")
        }
        let path = PostgresParameter.textArray(window.path.map { Array($0.utf8) })
        let format = PostgresParameter.text(window.format.rawValue)
        var after: String? = ""
        while let start = after {
            let marked = try await query(
                StoreSQL.markAbsentInWindow,
                [
                    .int(run.integrationID), .int(run.fence), .int(sweepID), path, format,
                    .int(window.lag.wholeMilliseconds), .text(start), .int(Self.markLimit),
                ], deadline: Self.sweepDeadline)
            after = marked.text(0, 0)
        }
        let settled = try await query(
            StoreSQL.settleWindowSweep,
            [
                .int(run.integrationID), .int(run.fence), .int(sweepID), path, format, .int(limit.rows),
                .double(limit.share),
            ] + children.parameters, deadline: Self.sweepDeadline)
        guard let outcome = settled.text(0, 0), let deleted = settled.int(0, 1) else {
            throw StoreError(.unexpectedReply, "settle_window_sweep gave no outcome")
        }
        return SweepOutcome(isHeld: outcome == "held", deleted: deleted)
    }
}

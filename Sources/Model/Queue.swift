// SPDX-License-Identifier: Apache-2.0

/// The three ready lists of the cluster, in the order in which workers look at them.
public enum Queue: String, Sendable, CaseIterable, Hashable, Comparable {
    case high
    case `default`
    case low

    /// Whether workers take from the left queue first.
    public static func < (left: Queue, right: Queue) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .high: 0
        case .default: 1
        case .low: 2
        }
    }
}

/// What a job asks for.
public enum JobType: String, Sendable, CaseIterable, Hashable {
    /// Enumerate every object again; absences become deletions.
    case full
    /// Read what changed since the cursor.
    case incremental
    /// Read a time range again, without touching cursors or inventing deletions.
    case backfill
    /// Apply one accepted webhook event; `ref` names its row.
    case webhook
    /// Perform one requested action; `ref` names its row.
    case action
}

// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
public import SyncStore

/// One message of the change feed.
public struct FeedEvent: Sendable, Equatable {
    /// What happened to the record.
    public enum Kind: String, Sendable {
        /// It is new to the receiver, or has come back after it was deleted.
        case added = "record.added"
        case updated = "record.updated"
        case deleted = "record.deleted"
    }

    /// What happened.
    public let kind: Kind
    /// The same in each attempt, and of no other event of the installation.
    public let id: String
    /// The body: a JSON object.
    public let body: [UInt8]

    /// The message of a change for a subscription with this base.
    public init(_ change: FeedChange, for subscription: Int64, base: ChangeCursor) {
        kind = change.event.flatMap(Kind.init(rawValue:)) ?? Self.kind(of: change, base: base)
        id = "evt_\(subscription)_\(change.cursor)"
        var text = Array(
            "{\"type\":\"\(kind.rawValue)\",\"cursor\":\"\(change.cursor)\",\"occurred_at\":".utf8)
        JSONTree.write(change.changedAt.rfc3339, to: &text)
        body = text + Array(",\"data\":".utf8) + change.data + [UInt8(ascii: "}")]
    }

    /// What the receiver has not heard of since it is alive is new to it, however often it has changed.
    private static func kind(of change: FeedChange, base: ChangeCursor) -> Kind {
        if change.isDeleted { return .deleted }
        if let isKnown = change.isKnown { return isKnown ? .updated : .added }
        let alive = ChangeCursor(transaction: change.aliveSince ?? 0, row: change.cursor.row)
        return alive > base ? .added : .updated
    }
}

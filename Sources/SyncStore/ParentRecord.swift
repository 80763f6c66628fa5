// SPDX-License-Identifier: Apache-2.0

public import Model

/// Which records have slices of a child stream.
public struct ParentQuery: Sendable {
    /// The stream of the parents.
    public var stream: String
    /// The stream whose slices are to be read.
    public var child: String
    /// The stream of the parents' own parents; nil when they have none.
    public var grandparent: String?
    /// The way to a member that has to be there, unless the slice was read before; nil for all parents.
    public var condition: [String]?
    /// Whether only parents count that changed since their slice was read, or whose slice was never read to its end.
    public var isChangedAlone = false

    /// All live records of `stream`.
    public init(stream: String, child: String) {
        self.stream = stream
        self.child = child
    }
}

/// A record of a parent stream.
public struct ParentRecord: Sendable {
    /// Its id, which is the partition of its slice.
    public let externalID: ExactText
    /// Its JSON text.
    public let data: [UInt8]
    /// The JSON text of its own parent, when it was asked for.
    public let grandparent: [UInt8]?
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import PageScanner
import PostgresClient

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
    /// What is wanted of each parent.
    public var values = ParentValues()
    /// Whether only parents count that changed since their slice was read, or whose slice was never read to its end.
    public var isChangedAlone = false

    /// All live records of `stream`.
    public init(stream: String, child: String) {
        self.stream = stream
        self.child = child
    }
}

/// The values that are read of parents: not their whole records, which may have a megabyte each.
public struct ParentValues: Sendable {
    /// Values of the record.
    public var own: [JSONPointer]
    /// Values of the record of its own parent.
    public var grandparent: [JSONPointer]

    /// None, unless they are named.
    public init(own: [JSONPointer] = [], grandparent: [JSONPointer] = []) {
        self.own = own
        self.grandparent = grandparent
    }

    /// Names and paths, as the statements take them.
    var parameters: [PostgresParameter] {
        [own, grandparent].flatMap { pointers in
            [
                .textArray(pointers.map { Array($0.text.utf8) }),
                .textArray(pointers.map { Array(Self.path($0).utf8) }),
            ]
        }
    }

    /// A path as the text of an array.
    private static func path(_ pointer: JSONPointer) -> String {
        let tokens = pointer.tokens.map { token in
            "\"" + token.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "{" + tokens.joined(separator: ",") + "}"
    }
}

/// A record of a parent stream.
public struct ParentRecord: Sendable {
    /// Its id, which is the partition of its slice.
    public let externalID: ExactText
    private let own: [UInt8]
    private let above: [UInt8]

    init(externalID: ExactText, own: [UInt8]?, above: [UInt8]?) {
        self.externalID = externalID
        self.own = own ?? []
        self.above = above ?? []
    }

    /// The text of a value that was wanted; nil when it is absent, null, no scalar, or too long for a request.
    public func value(at pointer: JSONPointer) -> String? {
        JSONValueReader.scalarText(at: JSONPointer(member: pointer.text), in: own)
    }

    /// The text of a value of its own parent.
    public func grandparentValue(at pointer: JSONPointer) -> String? {
        JSONValueReader.scalarText(at: JSONPointer(member: pointer.text), in: above)
    }
}

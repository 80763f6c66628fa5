// SPDX-License-Identifier: Apache-2.0

public import Model
public import PageScanner

/// What the engine has to know of a stream before it reads a page.
public struct StreamDescriptor: Sendable {
    /// The stream's name, the `stream` column of its records.
    public let name: String
    /// Where the slices of a child stream come from; nil for a stream that is read as one.
    public let parent: ParentBinding?
    /// When the absence of a record means its deletion.
    public let absence: AbsencePolicy
    /// How cursors of this stream may move.
    public let cursorOrder: CursorOrder
    /// The most pages one enumeration may have before it counts as a pagination loop.
    public let maxPages: Int
    /// What a stretch of time says that was listed completely; nil for nothing.
    public var windowAbsence: WindowAbsence?
    /// Where a record names another one of its slice that it does not outlive: a meeting that differs names its series. Nil for
    /// records that stand for themselves.
    public var memberOf: JSONPointer?
    /// Typed fields of the records, for the views of people who write SQL.
    public let fields: [StreamField]

    /// A description that the engine plans by.
    public init(
        name: String, parent: ParentBinding? = nil, absence: AbsencePolicy, cursorOrder: CursorOrder,
        maxPages: Int, fields: [StreamField] = []
    ) {
        self.fields = fields
        self.name = name
        self.parent = parent
        self.absence = absence
        self.cursorOrder = cursorOrder
        self.maxPages = maxPages
    }
}

/// A value of a stream's records that has a name and a type.
public struct StreamField: Sendable, Hashable {
    /// How the value is shown.
    public enum ValueType: String, Sendable, CaseIterable {
        case text
        case integer
        case number
        case boolean
        case json
        case epochSeconds = "epoch_seconds"
        case epochMilliseconds = "epoch_milliseconds"
        case rfc3339
    }

    /// The column's name.
    public let name: String
    /// Where the value is in a record.
    public let pointer: JSONPointer
    /// What it becomes.
    public let type: ValueType

    /// A field of this type at that place.
    public init(name: String, pointer: JSONPointer, type: ValueType) {
        self.name = name
        self.pointer = pointer
        self.type = type
    }
}

/// A child stream is enumerated once for each live record of its parent stream.
public struct ParentBinding: Sendable {
    /// The parent stream; it stands before its children in `Connector.streams`.
    public let stream: String
    /// Names that the child's requests use, and where in the parent's record their values are.
    public let values: [String: JSONPointer]
    /// The parent's own parent, where the parent is a child itself, and what its values are.
    public var grandparent: Grandparent?
    /// Only parents whose record has something here are read; see `isPresent`.
    public var condition: JSONPointer?
    /// Whether an incremental sync reads only the slices of parents that changed since it was last read.
    public var readsChangedAlone = false

    /// Where a child of a child has further values from.
    public struct Grandparent: Sendable {
        /// The stream.
        public let stream: String
        /// Names, and where in its record their values are.
        public let values: [String: JSONPointer]

        /// A stream whose records have these values.
        public init(stream: String, values: [String: JSONPointer]) {
            self.stream = stream
            self.values = values
        }
    }

    /// `values` says where a child's values are in the parent's record.
    public init(stream: String, values: [String: JSONPointer]) {
        self.stream = stream
        self.values = values
    }

    /// The names of all values, inherited ones included.
    public var names: Set<String> { Set(values.keys).union(grandparent?.values.keys ?? [:].keys) }

    /// Whether a value fulfils `condition`: it is there, and neither null, false, 0 nor empty.
    public static func isPresent(_ value: String?) -> Bool {
        ![nil, "", "0", "false"].contains(value)
    }
}

/// When a record that an enumeration did not show is deleted.
public enum AbsencePolicy: String, Sendable {
    /// Never: the stream reports deletions by tombstones alone.
    case never
    /// After one complete enumeration of a generation.
    case fullRun = "full_run"
    /// After two complete enumerations in a row that agree, for lists that drift while they are read.
    case twoRuns = "two_runs"
}

/// A record whose time lies in a stretch that was listed completely, and that the list did not show, is deleted. The time of a
/// record never changes: one that moved out of the stretch would be taken for deleted.
public struct WindowAbsence: Sendable, Hashable {
    /// Where a record has its time.
    public let pointer: JSONPointer
    /// How it is written.
    public let format: TimeNotation
    /// Whether the provider's list shows a record of exactly the time that it is asked from.
    public let includesSince: Bool
    /// Whether it shows one of exactly the time that it is asked until.
    public let includesUntil: Bool
    /// How late the list may show a record; one that was stored so shortly before is left alone.
    public let lag: Duration
    /// Whether reading changes lists stretches of time too, and not backfills alone.
    public let countsForChanges: Bool

    /// A rule of one stream.
    public init(
        pointer: JSONPointer, format: TimeNotation, includesSince: Bool, includesUntil: Bool,
        lag: Duration = .zero, countsForChanges: Bool = false
    ) {
        self.lag = lag
        self.countsForChanges = countsForChanges
        self.pointer = pointer
        self.format = format
        self.includesSince = includesSince
        self.includesUntil = includesUntil
    }
}

/// How the cursors that the pages of one enumeration show relate to each other.
public enum CursorOrder: Sendable {
    /// The stream has no cursor: each incremental job enumerates it whole.
    case none
    /// Records come oldest first: each page's cursor is safe to store with the page.
    case ascending
    /// The order is unknown or newest first: only the end of the enumeration makes the largest one safe.
    case atEnd
}

/// One enumeration's share of a stream: the whole stream, or one parent's children.
public struct StreamSlice: Sendable, Hashable {
    /// The parent's external id; empty for a stream that is read as one.
    public let partition: String
    /// The values bound from the parent's record.
    public let values: [String: String]

    /// A slice with the values that its requests need.
    public init(partition: String, values: [String: String]) {
        self.partition = partition
        self.values = values
    }

    /// The only slice of a stream without a parent.
    public static let whole = StreamSlice(partition: "", values: [:])
}

// SPDX-License-Identifier: Apache-2.0

/// A page after the scan: the body as it came, and where its records are.
public struct ScannedPage: Sendable {
    /// The bytes of the page, or its records written anew; all ranges are places in it.
    public let body: [UInt8]
    /// The records, in the order of the page.
    public let records: [ScannedRecord]
    /// Records that cannot be stored; the page goes on without them.
    public let rejected: [RejectedRecord]
    /// The bytes of all ids, one after the other.
    public let identifiers: [UInt8]
    /// The values of the plan's envelope, in its order; nil for one that is absent or no scalar.
    public let envelope: [JSONScalar?]
    /// The smallest and the largest cursor value of the records, with its text.
    public let cursorRange: (first: ScannedCursor, last: ScannedCursor)?
    /// The id of the last record, a rejected one included.
    public let lastIdentifier: [UInt8]?

    /// A page without records, as a provider means it that says that nothing changed.
    public static func empty(_ plan: ScanPlan) -> ScannedPage {
        ScannedPage(
            body: [], records: [], rejected: [], identifiers: [],
            envelope: Array(repeating: nil, count: plan.envelope.count), cursorRange: nil, lastIdentifier: nil
        )
    }

    /// The page without the record of this id, and with all the rest: a list of answers may begin with the question.
    public func without(identifier: [UInt8]) -> ScannedPage {
        ScannedPage(
            body: body,
            records: records.filter { !identifiers[$0.identifierRange].elementsEqual(identifier) },
            rejected: rejected, identifiers: identifiers, envelope: envelope, cursorRange: cursorRange,
            lastIdentifier: lastIdentifier)
    }

    /// The page with the records of these ids among the rejected ones.
    public func rejecting(_ ids: [[UInt8]], as reason: RejectedRecord.Reason) -> ScannedPage {
        guard !ids.isEmpty else { return self }
        let named = Set(ids)
        func isNamed(_ record: ScannedRecord) -> Bool {
            named.contains(Array(identifiers[record.identifierRange]))
        }
        return ScannedPage(
            body: body, records: records.filter { !isNamed($0) },
            rejected: rejected
                + records.filter(isNamed).map {
                    RejectedRecord(
                        reason: reason, externalID: Array(identifiers[$0.identifierRange]), range: $0.range)
                },
            identifiers: identifiers, envelope: envelope, cursorRange: cursorRange,
            lastIdentifier: lastIdentifier)
    }

    /// Gives the body and the ids' arena for the call.
    public func withUnsafeBytes<Result>(
        _ body: (_ body: UnsafeRawBufferPointer, _ identifiers: UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try self.body.withUnsafeBytes { bytes in
            try identifiers.withUnsafeBytes { try body(bytes, $0) }
        }
    }
}

/// A record's place in its page, and what the engine compares.
public struct ScannedRecord: Sendable, Equatable {
    private let offset: UInt32
    private let length: UInt32
    private let identifierOffset: UInt32
    private let identifierLength: UInt32
    /// The order of its version; nil when the provider gives none.
    public let version: Int64?
    /// Whether the record says that its object was deleted.
    public let isTombstone: Bool

    init(
        offset: UInt32, length: UInt32, identifierOffset: UInt32, identifierLength: UInt32,
        version: Int64?, isTombstone: Bool
    ) {
        self.offset = offset
        self.length = length
        self.identifierOffset = identifierOffset
        self.identifierLength = identifierLength
        self.version = version
        self.isTombstone = isTombstone
    }

    /// Where the record's bytes are in the page's body.
    public var range: Range<Int> { Int(offset)..<Int(offset) + Int(length) }

    /// Where the id's bytes are in the page's `identifiers`.
    public var identifierRange: Range<Int> {
        Int(identifierOffset)..<Int(identifierOffset) + Int(identifierLength)
    }
}

/// A cursor value of a record.
public struct ScannedCursor: Sendable, Equatable {
    /// The value as the provider wrote it.
    public let text: String
    /// What cursors are compared by.
    public let order: Int64
}

/// A record that cannot be stored, and why.
public struct RejectedRecord: Sendable, Equatable {
    /// Why a record is put into quarantine; the `reason` column.
    public enum Reason: String, Sendable {
        case nulCharacter = "nul_character"
        case loneSurrogate = "lone_surrogate"
        case missingID = "missing_id"
        case idTooLong = "id_too_long"
        /// Too many objects and arrays within one another.
        case tooDeep = "too_deep"
        case tooLarge = "too_large"
        case invalidUTF8 = "invalid_utf8"
        case notAnObject = "not_an_object"
        /// A row of another length than the header. Its fields are kept as an array.
        case raggedRow = "ragged_row"
        /// Postgres cannot hold a value of it, such as a number out of range.
        case refusedByStore = "refused_by_store"
    }

    /// Why the record cannot be stored.
    public let reason: Reason
    /// Nil when the id could not be read.
    public let externalID: [UInt8]?
    /// Where the record's bytes are in the page's body.
    public let range: Range<Int>

    /// `range` is the record's place in the body; the id is nil when it has none that can be read.
    public init(reason: Reason, externalID: [UInt8]?, range: Range<Int>) {
        self.reason = reason
        self.externalID = externalID
        self.range = range
    }

    /// The id, where it names one stored record or none for certain. Of a record that is not valid UTF-8 each invalid byte was
    /// replaced by a question mark, so that an id with one may be another's.
    public var namedID: [UInt8]? {
        guard reason == .invalidUTF8, externalID?.contains(UInt8(ascii: "?")) == true else {
            return externalID
        }
        return nil
    }

    /// `namedID`, where the provider can be asked for the object by it: no record can have one that is too long.
    public var askableID: [UInt8]? { reason == .idTooLong ? nil : namedID }
}

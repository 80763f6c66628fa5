// SPDX-License-Identifier: Apache-2.0

public import Model

/// Where the records of a page are, and which of their values the engine needs.
public struct ScanPlan: Sendable, Equatable {
    /// The array of records.
    public var records: JSONPointer
    /// The parts of a record's id, joined by `/`.
    public var id: [JSONPointer]
    /// What orders two versions of a record; nil when the provider has no such value.
    public var version: ScalarRule?
    /// What an incremental cursor is made of; nil when it is not in the records.
    public var cursor: ScalarRule?
    /// A record for which one of these holds is a deletion.
    public var tombstones: [TombstoneRule]
    /// Values outside the records, such as the next token.
    public var envelope: [JSONPointer]
    /// How the records follow one another.
    public var layout = Layout.array
    /// Whether a page without the member `records` is an empty page, not a page of another kind.
    public var mayLackRecords = false
    /// Whether each record of the list says that its object was deleted.
    public var holdsTombstones = false
    /// A larger record is rejected.
    public var maxRecordBytes = 1 << 20
    /// A longer id is rejected.
    public var maxIdentifierBytes = Self.longestIdentifier
    /// A record with more objects and arrays within one another is rejected. Postgres' jsonb takes 650 levels with the smallest
    /// stack that a server can be given, and no provider needs a tenth of that.
    public var maxDepth = 256
    /// A page with more records is refused whole.
    public var maxRecords = 100_000

    /// The longest id that a record can have, in bytes.
    public static let longestIdentifier = 2_000

    /// Pointers are relative: `records` to the document, all others to a record.
    public init(
        records: JSONPointer, id: [JSONPointer], version: ScalarRule? = nil, cursor: ScalarRule? = nil,
        tombstones: [TombstoneRule] = [], envelope: [JSONPointer] = []
    ) {
        self.records = records
        self.id = id
        self.version = version
        self.cursor = cursor
        self.tombstones = tombstones
        self.envelope = envelope
    }
}

extension ScanPlan {
    /// How the records of a page follow one another.
    public enum Layout: Sendable, Equatable {
        /// `records` is an array of them.
        case array
        /// `records` is an object of them. Each one's name is put into it as this member, unless it has such a member.
        case keyed(member: String)
        /// `records` is the only record.
        case single
        /// Each line is a record (NDJSON). There is nothing outside the records.
        case lines
        /// Each row behind the first is a record, whose members have the names in the first row and texts as values (CSV).
        /// There is nothing outside the records.
        case csv(delimiter: UInt8)

        /// Whether the page is nothing but its records.
        public var isBare: Bool {
            switch self {
            case .lines, .csv: true
            case .array, .keyed, .single: false
            }
        }
    }
}

/// A value of a record that can be compared: numbers as they are, times in microseconds since 1970.
public struct ScalarRule: Sendable, Hashable {
    /// How the value is written.
    public enum Kind: Sendable, Hashable {
        case integer
        case epochSeconds
        case epochMilliseconds
        case rfc3339
        case pattern(DatePattern)
    }

    /// Where the value is in a record.
    public let pointer: JSONPointer
    /// How its text becomes a number.
    public let kind: Kind

    /// A value of this kind at that place.
    public init(pointer: JSONPointer, kind: Kind) {
        self.pointer = pointer
        self.kind = kind
    }

    /// The comparable value of a scalar; nil when it is not written as the rule says.
    public func order(of scalar: JSONScalar) -> Int64? { kind.order(of: scalar) }
}

extension ScalarRule.Kind {
    /// The comparable value of a scalar; nil when it is not written in this way.
    public func order(of scalar: JSONScalar) -> Int64? {
        switch (self, scalar) {
        case (.integer, .number(let text)), (.integer, .string(let text)): return Int64(text)
        case (.epochSeconds, .number(let text)), (.epochSeconds, .string(let text)):
            return Self.scaled(text, by: 1_000_000)
        case (.epochMilliseconds, .number(let text)), (.epochMilliseconds, .string(let text)):
            return Self.scaled(text, by: 1_000)
        case (.rfc3339, .string(let text)): return Timestamp(rfc3339: text)?.microseconds
        case (.pattern(let pattern), .string(let text)): return pattern.timestamp(text)?.microseconds
        default: return nil
        }
    }

    /// A decimal number times a power of ten, exactly; digits beyond microseconds are cut. Doubles would not be exact.
    private static func scaled(_ text: String, by factor: Int64) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = Int64(parts[0]) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        var fraction: Int64 = 0
        var scale = factor
        for digit in parts[1].utf8 {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            scale /= 10
            fraction += Int64(digit - UInt8(ascii: "0")) * scale
        }
        let sum = product.addingReportingOverflow(text.hasPrefix("-") ? -fraction : fraction)
        return sum.overflow ? nil : sum.partialValue
    }
}

/// A record is a deletion when this value has this content.
public struct TombstoneRule: Sendable, Hashable {
    /// Where the value is in a record.
    public let pointer: JSONPointer
    /// The value of a deleted record.
    public let equals: JSONScalar
    /// A record with a value here, other than null, is none by this rule: one cancelled meeting of a series is no deletion.
    public let unless: JSONPointer?

    /// A record is a tombstone when the value at that place is this one.
    public init(pointer: JSONPointer, equals: JSONScalar, unless: JSONPointer? = nil) {
        self.pointer = pointer
        self.equals = equals
        self.unless = unless
    }

    /// The places that the rule looks at, in the order of the scan.
    var pointers: [JSONPointer] { [pointer] + [unless].compactMap(\.self) }
}

/// A JSON value that is neither an object nor an array.
public enum JSONScalar: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The number as written.
    case number(String)
    case string(String)

    /// The text of a string, a number or a truth value; nil for null.
    public var text: String? {
        switch self {
        case .null: nil
        case .bool(let value): value ? "true" : "false"
        case .number(let text), .string(let text): text
        }
    }
}

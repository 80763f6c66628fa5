// SPDX-License-Identifier: Apache-2.0

/// A place in the order of all changes, as receivers see it: 32 hexadecimal digits, whose order as text is that of the changes.
public struct ChangeCursor: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The transaction that changed the record.
    public let transaction: Int64
    /// The record among those of the transaction.
    public let row: Int64

    /// Before the first change.
    public static let start = ChangeCursor(transaction: 0, row: 0)

    /// A place.
    public init(transaction: Int64, row: Int64) {
        self.transaction = transaction
        self.row = row
    }

    /// Nil for a text that `description` cannot have made.
    public init?(_ text: String) {
        let isHex = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
        guard text.utf8.count == 32, isHex, let transaction = Int64(text.prefix(16), radix: 16),
            let row = Int64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(transaction: transaction, row: row)
    }

    /// The text that receivers and operators know it by.
    public var description: String { Self.digits(transaction) + Self.digits(row) }

    /// The order of changes.
    public static func < (left: ChangeCursor, right: ChangeCursor) -> Bool {
        (left.transaction, left.row) < (right.transaction, right.row)
    }

    private static func digits(_ number: Int64) -> String {
        let text = String(max(0, number), radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

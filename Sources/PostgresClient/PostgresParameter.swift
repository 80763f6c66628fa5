// SPDX-License-Identifier: Apache-2.0

/// A bound value of a statement, in Postgres' binary format.
public enum PostgresParameter: Sendable {
    case null
    case bool(Bool)
    case int4(Int32)
    case int(Int64)
    case double(Double)
    case text(String)
    /// Text that is already UTF-8 bytes.
    case textBytes([UInt8])
    case bytea([UInt8])
    case jsonb([UInt8])
    case boolArray([Bool])
    case intArray([Int64?])
    case textArray([[UInt8]?])
    case byteaArray([[UInt8]?])
    /// A text[] whose elements are valid UTF-8 without NUL; the server refuses others.
    case packedText(PackedBytes)
    case packedBytea(PackedBytes)

    /// An optional text as text or null.
    public static func optional(_ text: String?) -> PostgresParameter {
        text.map(PostgresParameter.text) ?? .null
    }

    /// An optional number as int8 or null.
    public static func optional(_ value: Int64?) -> PostgresParameter {
        value.map(PostgresParameter.int) ?? .null
    }

    /// The type's OID; 0 leaves the type of a null to the server.
    var typeOID: UInt32 {
        switch self {
        case .null: 0
        case .bool: TypeOID.bool
        case .int4: TypeOID.int4
        case .int: TypeOID.int8
        case .double: TypeOID.float8
        case .text, .textBytes: TypeOID.text
        case .bytea: TypeOID.bytea
        case .jsonb: TypeOID.jsonb
        case .boolArray: TypeOID.boolArray
        case .intArray: TypeOID.int8Array
        case .textArray: TypeOID.textArray
        case .byteaArray, .packedBytea: TypeOID.byteaArray
        case .packedText: TypeOID.textArray
        }
    }

    /// Appends the value's bytes; false for a null, which has none.
    func encode(into bytes: inout [UInt8]) -> Bool {
        switch self {
        case .null: return false
        case .bool(let value): bytes.append(value ? 1 : 0)
        case .int4(let value): bytes.appendBigEndian(UInt32(bitPattern: value))
        case .int(let value): bytes.appendBigEndian(UInt64(bitPattern: value))
        case .double(let value): bytes.appendBigEndian(value.bitPattern)
        case .text(let value): bytes.append(contentsOf: value.utf8)
        case .textBytes(let value), .bytea(let value): bytes.append(contentsOf: value)
        case .jsonb(let value):
            bytes.append(1)
            bytes.append(contentsOf: value)
        case .boolArray(let values):
            bytes.appendArrayHeader(count: values.count, element: TypeOID.bool, hasNull: false)
            for value in values {
                bytes.appendBigEndian(UInt32(1))
                bytes.append(value ? 1 : 0)
            }
        case .intArray(let values):
            bytes.appendArrayHeader(
                count: values.count, element: TypeOID.int8, hasNull: values.contains { $0 == nil })
            for value in values {
                guard let value else {
                    bytes.appendBigEndian(UInt32.max)
                    continue
                }
                bytes.appendBigEndian(UInt32(8))
                bytes.appendBigEndian(UInt64(bitPattern: value))
            }
        case .textArray(let values): bytes.appendByteArrays(values, element: TypeOID.text)
        case .byteaArray(let values): bytes.appendByteArrays(values, element: TypeOID.bytea)
        case .packedText(let values): bytes.appendPacked(values, element: TypeOID.text)
        case .packedBytea(let values): bytes.appendPacked(values, element: TypeOID.bytea)
        }
        return true
    }

    /// Whether the value holds a NUL where Postgres text cannot.
    var hasForbiddenNUL: Bool {
        switch self {
        case .text(let value): value.utf8.contains(0)
        case .textBytes(let value), .jsonb(let value): value.contains(0)
        case .textArray(let values): values.contains { $0?.contains(0) ?? false }
        default: false
        }
    }
}

/// The OIDs of the built-in types that parameters and results use (pg_type.dat).
enum TypeOID {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let float8: UInt32 = 701
    static let boolArray: UInt32 = 1000
    static let byteaArray: UInt32 = 1001
    static let int4Array: UInt32 = 1007
    static let textArray: UInt32 = 1009
    static let int8Array: UInt32 = 1016
    static let timestamptz: UInt32 = 1184
    static let jsonb: UInt32 = 3802
}

extension [UInt8] {
    mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// One dimension with lower bound 1 (array_send in the server's arrayfuncs.c); none when there is no element.
    fileprivate mutating func appendArrayHeader(count: Int, element: UInt32, hasNull: Bool) {
        appendBigEndian(UInt32(count == 0 ? 0 : 1))
        appendBigEndian(UInt32(hasNull ? 1 : 0))
        appendBigEndian(element)
        guard count > 0 else { return }
        appendBigEndian(UInt32(count))
        appendBigEndian(UInt32(1))
    }

    fileprivate mutating func appendPacked(_ values: PackedBytes, element: UInt32) {
        reserveCapacity(count + values.elements.count + 20)
        appendArrayHeader(count: values.count, element: element, hasNull: values.hasNull)
        append(contentsOf: values.elements)
    }

    fileprivate mutating func appendByteArrays(_ values: [[UInt8]?], element: UInt32) {
        reserveCapacity(self.count + values.reduce(24) { $0 + 4 + ($1?.count ?? 0) })
        appendArrayHeader(count: values.count, element: element, hasNull: values.contains { $0 == nil })
        for value in values {
            guard let value else {
                appendBigEndian(UInt32.max)
                continue
            }
            appendBigEndian(UInt32(value.count))
            append(contentsOf: value)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import CLibPQ
public import Model

/// The rows of one statement. Values are read straight from libpq's memory; nothing is copied before it is asked for.
public struct PostgresRows: Sendable {
    private let result: ResultOwner

    init(_ result: ResultOwner) {
        self.result = result
    }

    /// The number of rows that came back.
    public var count: Int { Int(PQntuples(result.raw)) }

    /// The number of rows that an INSERT, UPDATE, DELETE or COPY touched.
    public var affected: Int {
        guard let text = PQcmdTuples(result.raw) else { return 0 }
        return Int(String(cString: text)) ?? 0
    }

    /// Whether the field is NULL, or there is no such row.
    public func isNull(_ row: Int, _ column: Int) -> Bool {
        row >= count || PQgetisnull(result.raw, Int32(row), Int32(column)) == 1
    }

    /// An int2, int4 or int8; nil for null and for other types.
    public func int(_ row: Int, _ column: Int) -> Int64? {
        withValue(row, column) { bytes in
            switch bytes.count {
            case 8: Int64(bitPattern: bytes.bigEndian(UInt64.self))
            case 4: Int64(Int32(bitPattern: bytes.bigEndian(UInt32.self)))
            case 2: Int64(Int16(bitPattern: bytes.bigEndian(UInt16.self)))
            default: nil
            }
        } ?? nil
    }

    /// The field of a boolean column; nil for NULL.
    public func bool(_ row: Int, _ column: Int) -> Bool? {
        withValue(row, column) { $0.first.map { $0 != 0 } } ?? nil
    }

    /// The field of a double precision column; nil for NULL and for other types.
    public func double(_ row: Int, _ column: Int) -> Double? {
        withValue(row, column) { bytes in
            bytes.count == 8 ? Double(bitPattern: bytes.bigEndian(UInt64.self)) : nil
        } ?? nil
    }

    /// Text as a string; the server only stores valid UTF-8.
    public func text(_ row: Int, _ column: Int) -> String? {
        withValue(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The value's bytes: of text and bytea the content, of jsonb the text behind its version byte.
    public func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        let skip = PQftype(result.raw, Int32(column)) == TypeOID.jsonb ? 1 : 0
        return withValue(row, column) { Array($0.dropFirst(skip)) }
    }

    /// A timestamptz.
    public func timestamp(_ row: Int, _ column: Int) -> Timestamp? {
        // Postgres counts microseconds from 2000-01-01T00:00:00Z.
        int(row, column).map { Timestamp(microseconds: $0 + 946_684_800_000_000) }
    }

    /// A one-dimensional int4[] or int8[] without nulls.
    public func intArray(_ row: Int, _ column: Int) -> [Int64]? {
        withValue(row, column) { bytes -> [Int64] in
            guard bytes.count >= 20 else { return [] }
            let count = Int(bytes.bigEndian(UInt32.self, at: 12))
            var values: [Int64] = []
            values.reserveCapacity(count)
            var offset = 20
            for _ in 0..<count {
                let length = Int(bytes.bigEndian(UInt32.self, at: offset))
                offset += 4
                values.append(
                    length == 8
                        ? Int64(bitPattern: bytes.bigEndian(UInt64.self, at: offset))
                        : Int64(Int32(bitPattern: bytes.bigEndian(UInt32.self, at: offset))))
                offset += length
            }
            return values
        }
    }

    private func withValue<Value>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value? {
        guard !isNull(row, column), let value = PQgetvalue(result.raw, Int32(row), Int32(column)) else {
            return nil
        }
        let length = Int(PQgetlength(result.raw, Int32(row), Int32(column)))
        return body(UnsafeRawBufferPointer(start: value, count: length))
    }
}

/// Owns a PGresult and clears it.
final class ResultOwner: @unchecked Sendable {
    // @unchecked: a finished PGresult is only read, and libpq allows that from any thread (libpq, "Behavior in
    // Threaded Programs").
    let raw: OpaquePointer

    init(_ raw: OpaquePointer) {
        self.raw = raw
    }

    deinit {
        PQclear(raw)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func bigEndian<Integer: FixedWidthInteger>(_: Integer.Type, at offset: Int = 0) -> Integer {
        Integer(bigEndian: loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }
}

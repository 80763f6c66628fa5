// SPDX-License-Identifier: Apache-2.0

import CLibPQ

/// The parameters of one statement as libpq wants them: one buffer of bytes, and arrays that point into it.
struct ParameterBuffer {
    private var bytes: [UInt8] = []
    private var types: [UInt32] = []
    private var ranges: [Range<Int>?] = []

    init(_ parameters: [PostgresParameter]) {
        types.reserveCapacity(parameters.count)
        ranges.reserveCapacity(parameters.count)
        for parameter in parameters {
            let start = bytes.count
            types.append(parameter.typeOID)
            ranges.append(parameter.encode(into: &bytes) ? start..<bytes.count : nil)
        }
        // An empty value still needs an address: libpq reads a null pointer as NULL.
        bytes.append(0)
    }

    /// Queues the statement; false when the connection is broken.
    func send(_ sql: String, to handle: OpaquePointer) -> Bool {
        let count = types.count
        let lengths = ranges.map { Int32($0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: count)
        return bytes.withUnsafeBytes { buffer in
            let values = ranges.map { range in
                range.flatMap { range in
                    buffer.baseAddress.map { ($0 + range.lowerBound).assumingMemoryBound(to: CChar.self) }
                }
            }
            return PQsendQueryParams(handle, sql, Int32(count), types, values, lengths, formats, 1) == 1
        }
    }
}

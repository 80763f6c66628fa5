// SPDX-License-Identifier: Apache-2.0

/// Many byte strings in one buffer, already in the form of a Postgres array's elements: a batch of thousands of values
/// costs one allocation, not thousands.
public struct PackedBytes: Sendable {
    /// Each element's length as a big-endian int4, then its bytes.
    private(set) var elements: [UInt8] = []
    /// The number of elements.
    public private(set) var count = 0
    private(set) var hasNull = false

    /// Empty; grows as elements are added.
    public init() {}

    /// Makes room, so that the next elements are added without another allocation.
    public mutating func reserve(elements count: Int, bytes: Int) {
        elements.reserveCapacity(bytes + count * 4)
    }

    /// Adds one element with these bytes.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        elements.appendBigEndian(UInt32(truncatingIfNeeded: bytes.count))
        elements.append(contentsOf: bytes)
        count += 1
    }

    /// Adds one element with these bytes.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        let start = elements.count
        elements.appendBigEndian(UInt32(0))
        elements.append(contentsOf: bytes)
        let length = UInt32(truncatingIfNeeded: elements.count - start - 4)
        for index in 0..<4 { elements[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
        count += 1
    }

    /// Adds an element that is NULL in Postgres.
    public mutating func appendNull() {
        elements.appendBigEndian(UInt32.max)
        count += 1
        hasNull = true
    }
}

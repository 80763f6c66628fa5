// SPDX-License-Identifier: Apache-2.0

/// The body of a response while it arrives.
struct BodyBuffer {
    /// A larger announced length is believed only as the bytes come.
    private static let maxReservation = 4 * 1024 * 1024
    /// JSON shrinks to about a sixth.
    private static let expectedExpansion = 6

    private var bytes: [UInt8] = []

    var count: Int { bytes.count }

    /// Makes room for a body of this announced length on the wire.
    mutating func expect(wireBytes: Int, isEncoded: Bool, atMost limit: Int) {
        // The factor is applied only where it cannot overflow.
        let announced = min(wireBytes, Self.maxReservation)
        let count = min(
            isEncoded ? announced * Self.expectedExpansion : announced, limit, Self.maxReservation)
        bytes.reserveCapacity(count + HTTPResponse.spareBodyCapacity)
    }

    /// Appends, and keeps the spare capacity, so that no copy is needed at the end.
    mutating func append(_ chunk: UnsafeRawBufferPointer) {
        let needed = bytes.count + chunk.count + HTTPResponse.spareBodyCapacity
        if needed > bytes.capacity { bytes.reserveCapacity(max(needed, bytes.capacity * 2)) }
        bytes.append(contentsOf: chunk)
    }

    /// Gives the body away, with its spare capacity.
    mutating func take() -> [UInt8] {
        var body = bytes
        bytes = []
        if body.capacity - body.count < HTTPResponse.spareBodyCapacity {
            body.reserveCapacity(body.count + HTTPResponse.spareBodyCapacity)
        }
        return body
    }
}

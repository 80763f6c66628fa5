// SPDX-License-Identifier: Apache-2.0

import Model

/// A job as the scripts keep it: a header line, its lock keys, and the payload bytes as they came. The format
/// is described in `Scripts/prelude.lua`.
struct Envelope {
    let token: String
    /// `r` and `h` are in flight; see the prelude.
    let state: String
    let id: String
    let attempts: Int
    let recoveries: Int
    let queue: Queue
    let enqueuedAt: Timestamp
    /// The bytes of the payload as it was pushed; more than `payload` has when the claim script cut it.
    let size: Int
    /// The name of its integration in the queue; empty when the payload names none.
    let lockKey: ArraySlice<UInt8>
    let payload: ArraySlice<UInt8>

    /// Nil when the bytes are not an envelope.
    init?(_ bytes: [UInt8]) {
        var header = HeaderReader(bytes)
        guard header.take("v1"), let token = header.word(), let state = header.word(), let id = header.word(),
            let attempts = header.number(), let recoveries = header.number(),
            let queue = header.word().flatMap(Queue.init(rawValue:)), let enqueued = header.number(),
            let size = header.number(), let keyBytes = header.number(), let boundBytes = header.number(),
            let body = header.end(), keyBytes + boundBytes <= bytes.count - body
        else { return nil }
        self.token = token
        self.state = state
        self.id = id
        self.attempts = attempts
        self.recoveries = recoveries
        self.queue = queue
        self.enqueuedAt = Timestamp(milliseconds: Int64(enqueued))
        self.size = size
        lockKey = bytes[body..<(body + keyBytes)]
        payload = bytes[(body + keyBytes + boundBytes)...]
    }
}

/// Reads the words of a header line, which one space separates.
private struct HeaderReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func take(_ text: String) -> Bool {
        nextRange().map { bytes[$0].elementsEqual(text.utf8) } ?? false
    }

    mutating func word() -> String? {
        nextRange().map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    mutating func number() -> Int? {
        guard let range = nextRange(), range.count <= 18 else { return nil }
        var value = 0
        for byte in bytes[range] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// The index behind the line end; nil unless the line ends here.
    func end() -> Int? {
        index > 0 && index <= bytes.count && bytes[index - 1] == UInt8(ascii: "\n") ? index : nil
    }

    /// The next word; the separator behind it is consumed.
    private mutating func nextRange() -> Range<Int>? {
        guard end() == nil else { return nil }
        let start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: " "), bytes[index] != UInt8(ascii: "\n") {
            index += 1
        }
        guard index > start, index < bytes.count else { return nil }
        index += 1
        return start..<index - 1
    }
}

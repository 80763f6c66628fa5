// SPDX-License-Identifier: Apache-2.0

/// One word of a command. Bytes go out as they are; integers as decimal text.
public struct RedisArgument: Sendable, ExpressibleByStringLiteral {
    private enum Storage: Sendable {
        case bytes([UInt8])
        case text(String)
    }

    private let storage: Storage

    /// An argument of any bytes.
    public init(_ bytes: [UInt8]) {
        storage = .bytes(bytes)
    }

    /// An argument of UTF-8 text.
    public init(_ text: String) {
        storage = .text(text)
    }

    /// A number in decimal digits.
    public init(_ value: Int64) {
        storage = .text(String(value))
    }

    /// A number in decimal digits.
    public init(_ value: Int) {
        storage = .text(String(value))
    }

    /// An argument of UTF-8 text.
    public init(stringLiteral value: String) {
        storage = .text(value)
    }

    var count: Int {
        switch storage {
        case .bytes(let bytes): bytes.count
        case .text(let text): text.utf8.count
        }
    }

    /// Copies the word to the start of `target`, which has at least `count` bytes.
    fileprivate func copy(to target: UnsafeMutableRawBufferPointer) {
        switch storage {
        case .bytes(let bytes): target.copyBytes(from: bytes)
        case .text(let text): target.copyBytes(from: text.utf8)
        }
    }
}

/// A command in the form in which it travels: a RESP array of bulk strings.
///
/// Written before a lock is taken, which many tasks and the event loop share.
struct EncodedCommand {
    let bytes: [UInt8]

    init(_ arguments: [RedisArgument]) {
        var size = Self.headerSize(arguments.count)
        for argument in arguments { size += Self.headerSize(argument.count) + argument.count + 2 }
        bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, written in
            let target = UnsafeMutableRawBufferPointer(buffer)
            var offset = 0
            Self.writeHeader(UInt8(ascii: "*"), arguments.count, to: target, at: &offset)
            for argument in arguments {
                let count = argument.count
                Self.writeHeader(UInt8(ascii: "$"), count, to: target, at: &offset)
                argument.copy(to: UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + count]))
                offset += count
                Self.writeLineEnd(to: target, at: &offset)
            }
            written = offset
        }
    }

    private static func headerSize(_ number: Int) -> Int { digits(number) + 3 }

    private static func digits(_ number: Int) -> Int {
        var (count, rest) = (1, number / 10)
        while rest > 0 { (count, rest) = (count + 1, rest / 10) }
        return count
    }

    private static func writeHeader(
        _ kind: UInt8, _ number: Int, to target: UnsafeMutableRawBufferPointer, at offset: inout Int
    ) {
        target[offset] = kind
        let count = digits(number)
        var rest = number
        for position in stride(from: offset + count, to: offset, by: -1) {
            target[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        offset += 1 + count
        writeLineEnd(to: target, at: &offset)
    }

    private static func writeLineEnd(to target: UnsafeMutableRawBufferPointer, at offset: inout Int) {
        target[offset] = UInt8(ascii: "\r")
        target[offset + 1] = UInt8(ascii: "\n")
        offset += 2
    }
}

// SPDX-License-Identifier: Apache-2.0

/// One reply of Redis, as RESP2 has it.
public enum RedisValue: Sendable, Equatable {
    /// A missing bulk string or array.
    case null
    case integer(Int64)
    /// A bulk string, which is bytes and need not be UTF-8.
    case string([UInt8])
    /// A simple string such as `OK`.
    case status(String)
    case array([RedisValue])
    /// An error inside an array. A command whose whole reply is an error throws instead.
    case error(String)
}

extension RedisValue {
    /// The integer, also when it came as the decimal text of a string.
    public var int: Int64? {
        switch self {
        case .integer(let value): value
        case .string(let bytes): Int64(decimal: bytes)
        default: nil
        }
    }

    /// The text of a status or of a string that is valid UTF-8.
    public var text: String? {
        switch self {
        case .status(let text): text
        case .string(let bytes): String(validating: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// The bytes of a bulk string.
    public var bytes: [UInt8]? {
        if case .string(let bytes) = self { bytes } else { nil }
    }

    /// The elements of an array.
    public var array: [RedisValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// Whether this is the missing value.
    public var isNull: Bool { self == .null }
}

extension Int64 {
    /// Reads plain decimal digits with an optional minus; nil for anything else.
    init?(decimal bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        self.init(text)
    }
}

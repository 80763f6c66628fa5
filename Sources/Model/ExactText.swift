// SPDX-License-Identifier: Apache-2.0

/// A text that is another one only if all its bytes are: an external id, or the partition that is named by one.
///
/// Swift compares strings canonically: "é" in its two Unicode forms is one string here, and two ids in Postgres and at the
/// provider. So wherever ids are compared, or are keys, they are of this type.
public struct ExactText: Sendable, Hashable, CustomStringConvertible {
    /// The text as it came.
    public let description: String

    /// The bytes of this text.
    public init(_ text: String) {
        description = text
    }

    /// Whether all bytes are the same.
    public static func == (left: ExactText, right: ExactText) -> Bool {
        left.description.utf8.elementsEqual(right.description.utf8)
    }

    /// Feeds the bytes.
    public func hash(into hasher: inout Hasher) {
        for byte in description.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xFF))
    }
}

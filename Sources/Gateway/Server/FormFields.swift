// SPDX-License-Identifier: Apache-2.0

/// Names and values of a query or of a form (`application/x-www-form-urlencoded`), decoded.
public struct FormFields: Sendable {
    /// More than any form of ours has.
    public static let maxCount = 100

    private var fields: [(name: String, value: String)] = []

    /// No fields.
    public init() {}

    /// Reads an encoded text. Nil when it has an escape that is none, bytes that are no UTF-8, NUL, or too many fields.
    public init?(encoded text: some Sequence<UInt8>) {
        for pair in Array(text).split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard fields.count < Self.maxCount, let name = PercentCoding.decode(parts[0], plusIsBlank: true),
                let value = PercentCoding.decode(parts.count == 2 ? parts[1] : [], plusIsBlank: true)
            else { return nil }
            fields.append((name, value))
        }
    }

    /// The value of a name; nil when it is not there, or there more than once, which readers understand differently.
    public subscript(name: String) -> String? {
        let values = fields.filter { $0.name == name }
        return values.count == 1 ? values[0].value : nil
    }

    /// All names, in order.
    public var names: [String] { fields.map(\.name) }
}

/// Escapes of URLs (RFC 3986).
enum PercentCoding {
    /// Nil for an escape that is none, bytes that are not UTF-8, and NUL.
    static func decode(_ bytes: some Sequence<UInt8>, plusIsBlank: Bool = false) -> String? {
        var decoded: [UInt8] = []
        var iterator = bytes.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit)
                else { return nil }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        return decoded.contains(0) ? nil : String(validating: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Bytes as Base64 text (RFC 4648).
///
/// Decoding is strict, so that one value has one text: the right alphabet, the right length, no line breaks,
/// and zero bits at the end. Otherwise a signature could be written in several ways.
public enum Base64: Sendable {
    /// With `+` and `/`; padded to a multiple of four characters.
    case standard
    /// With `-` and `_`, without padding: for URLs, file names and JSON Web Tokens.
    case urlSafe

    /// The text of the bytes.
    public func encode(_ bytes: [UInt8]) -> String {
        let alphabet = alphabet
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for (index, byte) in group.enumerated() { bits |= UInt32(byte) << (16 - 8 * UInt32(index)) }
            for index in 0...UInt32(group.count) { text.append(alphabet[Int(bits >> (18 - 6 * index) & 63)]) }
            if isPadded { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - group.count)) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when the text is not exactly what `encode` would have made.
    public func decode(_ text: some StringProtocol) -> [UInt8]? {
        var characters = Array(text.utf8)[...]
        if isPadded {
            guard characters.count % 4 == 0 else { return nil }
            for _ in 0..<2 where characters.last == UInt8(ascii: "=") { characters.removeLast() }
        }
        guard characters.count % 4 != 1 else { return nil }

        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3 + 2)
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for character in characters {
            guard let value = value(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return bits & (1 << count - 1) == 0 ? bytes : nil
    }

    private var isPadded: Bool { self == .standard }

    private var alphabet: [UInt8] {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return Array((letters + (self == .standard ? "+/" : "-_")).utf8)
    }

    private func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: self == .standard ? "+" : "-"): 62
        case UInt8(ascii: self == .standard ? "/" : "_"): 63
        default: nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

extension RSAPublicKey {
    /// Reads the members `n` and `e` of a JSON Web Key (RFC 7518, section 6.3.1): Base64url without padding.
    ///
    /// Throws `invalidKey` for other texts, and for keys of less than 2,048 bits.
    public convenience init(modulus: some StringProtocol, exponent: some StringProtocol) throws(CryptoError) {
        guard let n = Base64.urlSafe.decode(modulus), let e = Base64.urlSafe.decode(exponent), !n.isEmpty,
            !e.isEmpty, n.count <= 2_048, e.count <= 8
        else { throw CryptoError(.invalidKey, "the members n and e are no RSA key in Base64url") }
        let key = DER.sequence(DER.unsigned(n) + DER.unsigned(e))
        let algorithm = DER.sequence(DER.rsaEncryption)
        try self.init(der: DER.sequence(algorithm + DER.bitString(key)))
    }
}

/// The few forms of DER (X.690) that a public key is written in.
private enum DER {
    /// 1.2.840.113549.1.1.1 with the parameter NULL (RFC 8017, appendix A.1).
    static let rsaEncryption: [UInt8] = [
        0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
    ]

    static func sequence(_ content: [UInt8]) -> [UInt8] { [0x30] + length(content.count) + content }

    static func bitString(_ content: [UInt8]) -> [UInt8] {
        [0x03] + length(content.count + 1) + [0] + content
    }

    /// A number that is not negative: a zero goes before a first byte that would look like a sign.
    static func unsigned(_ bytes: [UInt8]) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
        return [0x02] + length(digits.count) + digits
    }

    private static func length(_ count: Int) -> [UInt8] {
        guard count >= 0x80 else { return [UInt8(count)] }
        var bytes: [UInt8] = []
        var rest = count
        while rest > 0 {
            bytes.insert(UInt8(rest & 0xFF), at: 0)
            rest >>= 8
        }
        return [0x80 | UInt8(bytes.count)] + bytes
    }
}

// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The public half of an RSA key, for signatures of the algorithm RS256 (RFC 7518, section 3.3).
public final class RSAPublicKey: @unchecked Sendable {
    // @unchecked: the key is never changed after init, and OpenSSL lets threads share such a key.
    private let key: OpaquePointer

    /// Shorter keys can be broken; RFC 7518 forbids them.
    private static let minimumBits: Int32 = 2_048

    /// Reads a SubjectPublicKeyInfo in DER. Throws `invalidKey` for anything but an RSA key of 2048 bits or more.
    public init(der: [UInt8]) throws(CryptoError) {
        let key = der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            return d2i_PUBKEY(nil, &cursor, bytes.count)
        }
        guard let key else { throw CryptoError(.invalidKey, "the bytes are no public key in DER") }
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA, EVP_PKEY_get_bits(key) >= Self.minimumBits else {
            EVP_PKEY_free(key)
            throw CryptoError(.invalidKey, "a public key for RS256 is an RSA key of 2048 bits or more")
        }
        self.key = key
    }

    /// Reads the text between `-----BEGIN PUBLIC KEY-----` and its end. Throws like `init(der:)`.
    public convenience init(pem: String) throws(CryptoError) {
        let lines = pem.split(whereSeparator: \.isNewline).map { line in
            String(line.unicodeScalars.filter { $0 != " " && $0 != "\r" })
        }
        guard let begin = lines.firstIndex(of: "-----BEGINPUBLICKEY-----"),
            let end = lines[begin...].firstIndex(of: "-----ENDPUBLICKEY-----"),
            let der = Base64.standard.decode(lines[begin + 1..<end].joined())
        else { throw CryptoError(.invalidKey, "the text has no '-----BEGIN PUBLIC KEY-----' block") }
        try self.init(der: der)
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// Whether the owner of the private key signed the message with RS256.
    public func isRS256Signature(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

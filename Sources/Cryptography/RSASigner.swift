// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Signs with an RSA key: RSASSA-PKCS1-v1_5 with SHA-256, the `RS256` of JSON Web Signatures (RFC 7518, 3.3).
public final class RSASigner: @unchecked Sendable {
    // @unchecked: the key is only read after init, which OpenSSL allows from several threads.
    private let key: OpaquePointer

    /// RFC 7518 allows no shorter key.
    private static let minimumBits: Int32 = 2_048
    /// A key of 16,384 bits has some 13 KiB.
    private static let maximumByteCount = 32 * 1_024

    /// Reads a private key in PEM, as PKCS #8 or PKCS #1, without a passphrase. Throws `invalidKey` for anything else, and
    /// for keys of less than 2,048 bits.
    public init(pem: String) throws(CryptoError) {
        let bytes = Array(pem.utf8)
        guard bytes.count <= Self.maximumByteCount else {
            throw CryptoError(.invalidKey, "a private key of \(bytes.count) bytes is too long")
        }
        guard let source = BIO_new_mem_buf(bytes, Int32(bytes.count)) else {
            throw CryptoError(.unavailable, "OpenSSL has no memory for a key")
        }
        defer { BIO_free(source) }
        // With a passphrase given, an empty one, OpenSSL does not ask for one on the terminal.
        var none: CChar = 0
        guard let key = PEM_read_bio_PrivateKey(source, nil, nil, &none) else {
            ERR_clear_error()
            throw CryptoError(.invalidKey, "the private key is not one in PEM without a passphrase")
        }
        self.key = key
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA, EVP_PKEY_get_bits(key) >= Self.minimumBits else {
            throw CryptoError(
                .invalidKey, "the private key is not an RSA key of at least \(Self.minimumBits) bits")
        }
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// The signature of a message, as long as the key's modulus.
    public func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else {
            throw CryptoError(.unavailable, "OpenSSL has no memory for a signature")
        }
        defer { EVP_MD_CTX_free(context) }
        var count = Int(EVP_PKEY_get_size(key))
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1
        else {
            ERR_clear_error()
            throw CryptoError(.unavailable, "OpenSSL could not sign")
        }
        return Array(signature.prefix(count))
    }
}

extension RSASigner: CustomStringConvertible {
    /// A placeholder, never the key.
    public var description: String { "<RSA private key>" }
}

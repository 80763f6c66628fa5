// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Message authentication codes (RFC 2104) of whole messages. Compare them with `ConstantTime.equal`.
public enum HMAC {
    /// HMAC-SHA256: 32 bytes. Throws `unavailable` when OpenSSL has no memory or its policy forbids the key's
    /// length.
    public static func sha256(key: [UInt8], message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try code(EVP_sha256(), byteCount: 32, key: key, message: message)
    }

    /// HMAC-SHA512: 64 bytes. Throws like `sha256`.
    public static func sha512(key: [UInt8], message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try code(EVP_sha512(), byteCount: 64, key: key, message: message)
    }

    /// HMAC-SHA1: 20 bytes, only for providers that still sign with it. Throws like `sha256`.
    public static func sha1(key: [UInt8], message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try code(EVP_sha1(), byteCount: 20, key: key, message: message)
    }

    private static func code(
        _ algorithm: OpaquePointer?, byteCount: Int, key: [UInt8], message: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        guard key.count <= Int(Int32.max) else {
            throw CryptoError(.invalidKey, "a key of \(key.count) bytes is too long for HMAC")
        }
        var code = [UInt8](repeating: 0, count: byteCount)
        // A key of no bytes still needs an address: OpenSSL takes null for "the key of before".
        let result = (key.isEmpty ? [0] : key).withUnsafeBytes { address in
            COpenSSL.HMAC(
                algorithm, address.baseAddress, Int32(key.count), message, message.count, &code, nil)
        }
        guard result != nil else { throw CryptoError(.unavailable, "OpenSSL could not compute an HMAC") }
        return code
    }
}

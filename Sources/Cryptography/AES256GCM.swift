// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Authenticated encryption with AES-256-GCM under one key.
///
/// A sealed text is `nonce (12 bytes) || ciphertext || tag (16 bytes)`. The nonce is random, so one key may
/// seal up to 2^32 texts (NIST SP 800-38D, 8.3). The copy of the key held here is wiped when the last
/// reference goes.
public final class AES256GCM: Sendable {
    /// The length of a key in bytes.
    public static let keyByteCount = 32
    /// How much longer a sealed text is than what it holds.
    public static let overhead = nonceByteCount + tagByteCount

    static let nonceByteCount = 12
    static let tagByteCount = 16
    /// What one call handles: OpenSSL counts in `Int32`, and secrets are small.
    private static let maxByteCount = 1 << 30

    private let key: WipedBytes

    /// Copies the key. Throws `invalidKey` unless it has 32 bytes.
    public init(key: [UInt8]) throws(CryptoError) {
        guard key.count == Self.keyByteCount else {
            throw CryptoError(.invalidKey, "an AES-256 key has 32 bytes, not \(key.count)")
        }
        self.key = WipedBytes(key)
    }

    /// Encrypts with a fresh nonce. `context` is not part of the result; opening needs the same bytes again,
    /// so it ties the text to its place, such as the row and column that store it.
    public func seal(_ plaintext: [UInt8], context: [UInt8] = []) throws(CryptoError) -> [UInt8] {
        try seal(plaintext, context: context, nonce: SecureRandom.bytes(Self.nonceByteCount))
    }

    /// Decrypts what `seal` made. Throws `authenticationFailed`, and reveals nothing, when the key or the
    /// context is another one or a bit was changed.
    public func open(_ sealed: [UInt8], context: [UInt8] = []) throws(CryptoError) -> [UInt8] {
        let textCount = sealed.count - Self.overhead
        guard textCount >= 0, textCount <= Self.maxByteCount, context.count <= Self.maxByteCount else {
            throw CryptoError(.invalidInput, "\(sealed.count) bytes cannot be a sealed text")
        }
        let cipher = try CipherContext()
        var tag = Array(sealed.suffix(Self.tagByteCount))
        var plaintext = [UInt8](repeating: 0, count: textCount)
        let isAuthentic = sealed.withUnsafeBufferPointer { sealed in
            plaintext.withUnsafeMutableBufferPointer { plaintext in
                var written: Int32 = 0
                var unused: UInt8 = 0
                return key.withBytes {
                    EVP_DecryptInit_ex2(cipher.raw, cipher.algorithm, $0, sealed.baseAddress, nil)
                } == 1
                    && cipher.authenticate(context, decrypting: true)
                    && (textCount == 0
                        || EVP_DecryptUpdate(
                            cipher.raw, plaintext.baseAddress, &written,
                            sealed.baseAddress.map { $0 + Self.nonceByteCount }, Int32(textCount)) == 1)
                    && EVP_CIPHER_CTX_ctrl(
                        cipher.raw, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagByteCount), &tag) == 1
                    && EVP_DecryptFinal_ex(cipher.raw, &unused, &written) == 1
            }
        }
        guard isAuthentic else {
            // The bytes are decrypted but not to be trusted; they end here.
            plaintext.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
            throw CryptoError(
                .authenticationFailed, "a sealed text does not belong to this key and place, or was changed")
        }
        return plaintext
    }

    /// Seals with a given nonce, for published vectors. Two texts under one nonce and key reveal each other.
    func seal(_ plaintext: [UInt8], context: [UInt8], nonce: [UInt8]) throws(CryptoError) -> [UInt8] {
        precondition(nonce.count == Self.nonceByteCount)
        guard plaintext.count <= Self.maxByteCount, context.count <= Self.maxByteCount else {
            throw CryptoError(.invalidInput, "\(plaintext.count) bytes are too many for one sealed text")
        }
        let cipher = try CipherContext()
        var sealed = nonce + [UInt8](repeating: 0, count: plaintext.count + Self.tagByteCount)
        let isDone = sealed.withUnsafeMutableBufferPointer { sealed in
            guard let start = sealed.baseAddress else { return false }
            let text = start + Self.nonceByteCount
            var written: Int32 = 0
            var unused: UInt8 = 0
            return key.withBytes { EVP_EncryptInit_ex2(cipher.raw, cipher.algorithm, $0, start, nil) } == 1
                && cipher.authenticate(context, decrypting: false)
                && (plaintext.isEmpty
                    || EVP_EncryptUpdate(cipher.raw, text, &written, plaintext, Int32(plaintext.count)) == 1)
                && EVP_EncryptFinal_ex(cipher.raw, &unused, &written) == 1
                && EVP_CIPHER_CTX_ctrl(
                    cipher.raw, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagByteCount), text + plaintext.count) == 1
        }
        guard isDone else { throw CryptoError(.unavailable, "OpenSSL could not encrypt with AES-256-GCM") }
        return sealed
    }
}

extension AES256GCM: CustomStringConvertible {
    /// A placeholder, never the key.
    public var description: String { "<AES-256-GCM key>" }
}

/// An OpenSSL cipher context, freed with its owner.
private struct CipherContext: ~Copyable {
    let raw: OpaquePointer
    let algorithm: OpaquePointer?

    init() throws(CryptoError) {
        guard let raw = EVP_CIPHER_CTX_new() else {
            throw CryptoError(.unavailable, "OpenSSL has no memory for a cipher")
        }
        self.raw = raw
        algorithm = EVP_aes_256_gcm()
    }

    deinit {
        EVP_CIPHER_CTX_free(raw)
    }

    /// Feeds the bytes that are authenticated and not encrypted.
    func authenticate(_ context: [UInt8], decrypting: Bool) -> Bool {
        guard !context.isEmpty else { return true }
        var written: Int32 = 0
        let count = Int32(context.count)
        return decrypting
            ? EVP_DecryptUpdate(raw, nil, &written, context, count) == 1
            : EVP_EncryptUpdate(raw, nil, &written, context, count) == 1
    }
}

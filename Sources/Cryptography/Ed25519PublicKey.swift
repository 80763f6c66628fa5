// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The public half of an Ed25519 key (RFC 8032).
public final class Ed25519PublicKey: @unchecked Sendable {
    // @unchecked: the key is never changed after init, and OpenSSL lets threads share such a key.
    private let key: OpaquePointer

    /// The length of a raw public key in bytes.
    public static let byteCount = 32

    /// Reads the 32 bytes of a public key. Throws `invalidKey` for any other length, and for bytes that are no key.
    public init(raw bytes: [UInt8]) throws(CryptoError) {
        guard bytes.count == Self.byteCount,
            let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
        else {
            ERR_clear_error()
            throw CryptoError(.invalidKey, "a public key for Ed25519 has \(Self.byteCount) bytes")
        }
        self.key = key
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// Whether the owner of the private key signed the message.
    public func isSignature(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        guard signature.count == 64, let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

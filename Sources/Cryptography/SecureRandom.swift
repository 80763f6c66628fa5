// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Random bytes for keys, nonces and tokens.
public enum SecureRandom {
    /// Bytes from OpenSSL's generator. Throws `unavailable` when it could not be seeded; never returns weaker
    /// ones.
    public static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        guard (0...Int(Int32.max)).contains(count) else {
            throw CryptoError(.invalidInput, "\(count) random bytes were asked for")
        }
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&bytes, Int32(count)) == 1 else {
            throw CryptoError(.unavailable, "OpenSSL has no random bytes")
        }
        return bytes
    }
}

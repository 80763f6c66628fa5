// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// SHA-256 of a whole message.
public enum SHA256 {
    /// The length of a digest in bytes.
    public static let byteCount = 32

    /// The digest of an array.
    public static func digest(of bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { digest(of: $0) }
    }

    /// The digest of bytes in place.
    public static func digest(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let digester = Digester()
        return [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
            if let start = output.baseAddress { digester.digest(bytes, into: start) }
            count = byteCount
        }
    }
}

/// An OpenSSL context for SHA-256, used again and again.
struct Digester: ~Copyable {
    private let context: OpaquePointer

    init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex2(context, EVP_sha256(), nil) == 1 else {
            // Without memory or without SHA-256 (which every OpenSSL has) there is nothing to fall back to.
            preconditionFailure("OpenSSL cannot start SHA-256")
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Writes the 32 bytes of the digest to `output`.
    func digest(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutablePointer<UInt8>) {
        let isDone = lockstep_digest(context, bytes.baseAddress, bytes.count, output)
        precondition(isDone == 1, "OpenSSL cannot compute SHA-256")
    }
}

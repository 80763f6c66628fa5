// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Comparisons whose duration tells nothing about the bytes.
public enum ConstantTime {
    /// Whether both hold the same bytes. Only their lengths can be learned from the time it takes.
    public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }
}

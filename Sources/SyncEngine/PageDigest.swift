// SPDX-License-Identifier: Apache-2.0

import PageScanner
import SyncStore

/// Fast hashes of a page, for the loop guard and for the batch. Not for security: a provider that makes them collide only
/// ends its own sync.
enum PageDigest {
    /// A hash of the body, eight bytes at a time.
    static func body(of page: ScannedPage) -> UInt64 {
        page.body.withUnsafeBytes { bytes in
            var hash = UInt64(bytes.count) &* 0x9e37_79b9_7f4a_7c15
            var offset = 0
            while offset + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                hash = (hash ^ word) &* 0x9fb2_1c65_1e98_df25
                hash ^= hash >> 35
                offset += 8
            }
            for byte in bytes[offset...] { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            return hash ^ (hash >> 29)
        }
    }

    /// One hash for each record's id.
    static func identifiers(of page: ScannedPage) -> [UInt64] {
        page.withUnsafeBytes { _, identifiers in
            page.records.map { record in
                IdentifierHash.of(UnsafeRawBufferPointer(rebasing: identifiers[record.identifierRange]))
            }
        }
    }
}

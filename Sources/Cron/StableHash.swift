// SPDX-License-Identifier: Apache-2.0

/// The number behind `H`: the same on every machine and in every version, unlike Swift's `Hasher`.
enum StableHash {
    /// FNV-1a over the seed and the field, then a finalizer, because FNV's low bits alone are uneven.
    static func value(seed: String, field: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in Array(seed.utf8) + [0] + Array(field.utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
        return hash ^ (hash >> 31)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A small generator with a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct SplitMix64: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A number below `bound`, which is above zero. The bias is far below what matters here.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// A bijection of 64 bits that looks random.
    static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// The inverse of `mix`.
    static func unmix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 31) ^ (value >> 62)) &* inverse(0x94D0_49BB_1331_11EB)
        value = (value ^ (value >> 27) ^ (value >> 54)) &* inverse(0xBF58_476D_1CE4_E5B9)
        return value ^ (value >> 30) ^ (value >> 60)
    }

    /// The multiplicative inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the
    /// right bits.
    private static func inverse(_ odd: UInt64) -> UInt64 {
        var inverse = odd
        for _ in 0..<5 { inverse = inverse &* (2 &- odd &* inverse) }
        return inverse
    }
}

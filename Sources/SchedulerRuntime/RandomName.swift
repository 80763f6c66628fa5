// SPDX-License-Identifier: Apache-2.0

/// A name that nothing else has: 128 random bits, for the claims of a scheduler and the epochs of Redis.
enum RandomName {
    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        let halves: [UInt64] = [generator.next(), generator.next()]
        return halves.map { half in
            let digits = String(half, radix: 36)
            return String(repeating: "0", count: 13 - digits.count) + digits
        }.joined()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// Ids of jobs that bring none along: UUIDv7, so that they sort by the time at which they were made.
enum JobID {
    /// Ids that a script may hand out: the first 24 characters, and the number whose successors are the last
    /// 12 digits.
    struct Candidates {
        let prefix: String
        let first: Int64
    }

    static func candidates() -> Candidates {
        var generator = SystemRandomNumberGenerator()
        let time = UInt64(clamping: Timestamp.now().milliseconds) & 0xFFFF_FFFF_FFFF
        let (random, tail): (UInt64, UInt64) = (generator.next(), generator.next())
        let digits =
            hex(time, 12) + "7" + hex(random & 0xFFF, 3) + hex(0x8000 | (random >> 12 & 0x3FFF), 4)
        let prefix =
            "\(digits.prefix(8))-\(digits.dropFirst(8).prefix(4))-\(digits.dropFirst(12).prefix(4))-"
            + "\(digits.dropFirst(16))-"
        // Room above it for a whole batch.
        return Candidates(prefix: prefix, first: Int64(tail & 0x7FFF_FFFF_FFFF))
    }

    /// One id.
    static func make() -> String {
        let candidates = candidates()
        return candidates.prefix + hex(UInt64(candidates.first), 12)
    }

    private static func hex(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

/// What tells the lease of one claim from every other one: 15 hex digits, which a Swift string holds without
/// memory.
enum LeaseToken {
    /// A token of 15 hex digits: the first 7 are the claimant's, so that scripts can tell deaths of one process from
    /// those of many.
    static func make(of claimant: String) -> String {
        claimant + hex(UInt64(UInt32.random(in: 0...(.max))), digits: 8)
    }

    /// The 7 hex digits of one process.
    static func claimant() -> String {
        hex(UInt64.random(in: 0..<(1 << 28)), digits: 7)
    }

    private static func hex(_ number: UInt64, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}

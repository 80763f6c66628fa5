// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// An instant that is stored or exchanged: whole microseconds since 1970-01-01T00:00:00Z.
///
/// Waiting uses a monotonic clock instead; this type is for values that leave the process. What lies outside its range,
/// 292,000 years either way, becomes its first or last instant: providers and senders choose the numbers, and a worker
/// must not stop for one.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01 00:00 UTC, negative before.
    public let microseconds: Int64

    /// An instant by microseconds since 1970, UTC.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// An instant by seconds since 1970, UTC.
    public init(seconds: Int64) {
        self.init(microseconds: seconds.saturatingProduct(with: 1_000_000))
    }

    /// An instant by milliseconds since 1970, UTC.
    public init(milliseconds: Int64) {
        self.init(microseconds: milliseconds.saturatingProduct(with: 1_000))
    }

    /// Whole seconds, rounded down.
    public var seconds: Int64 { microseconds.floorDivided(by: 1_000_000).quotient }

    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 { microseconds.floorDivided(by: 1_000).quotient }

    /// Whether the left instant is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The instant a duration later, or earlier for a negative one; fractions of a microsecond are cut.
    public func advanced(by duration: Duration) -> Timestamp {
        Timestamp(microseconds: microseconds.saturatingSum(with: duration.wholeMicroseconds))
    }

    /// The wall clock of this machine. For log lines and for services that have no server to ask; leases,
    /// limits and stored rows take their time from Redis and Postgres.
    public static func now() -> Timestamp {
        var value = timespec()
        clock_gettime(CLOCK_REALTIME, &value)
        return Timestamp(microseconds: Int64(value.tv_sec) * 1_000_000 + Int64(value.tv_nsec) / 1_000)
    }
}

extension Duration {
    /// The duration in microseconds, rounded toward zero; the largest number where there are more.
    public var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.saturatingProduct(with: 1_000_000)
            .saturatingSum(with: attoseconds / 1_000_000_000_000)
    }

    /// The duration in milliseconds, rounded toward zero.
    public var wholeMilliseconds: Int64 { wholeMicroseconds / 1_000 }
}

extension Int64 {
    /// The whole part of a number, or what comes closest to it; 0 for no number.
    public init(saturating value: Double) {
        self = Int64(exactly: value.rounded(.towardZero)) ?? (value.isNaN ? 0 : value < 0 ? .min : .max)
    }

    /// The product, or the first or last number there is.
    func saturatingProduct(with factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? ((self < 0) == (factor < 0) ? .max : .min) : product
    }

    /// The sum, or the first or last number there is.
    func saturatingSum(with other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (self < 0 ? .min : .max) : sum
    }

    /// Division that rounds down, so that instants before 1970 fall into the right day.
    func floorDivided(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

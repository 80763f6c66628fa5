// SPDX-License-Identifier: Apache-2.0

/// How often values fell into ranges, for a metrics endpoint. A plain value: who shares it guards it.
public struct Histogram: Sendable, Equatable {
    /// The upper bounds of the ranges, rising; a last range without a bound follows.
    public let bounds: [Double]
    /// How many values fell into each range, the last one included.
    public private(set) var counts: [Int]
    /// The sum of all values.
    public private(set) var sum = 0.0

    /// Seconds that a job waits or runs: from milliseconds to an hour.
    public static let seconds = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600]

    /// No values; `bounds` rise.
    public init(bounds: [Double] = Histogram.seconds) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "the bounds of a histogram rise")
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// All values.
    public var count: Int { counts.reduce(0, +) }

    /// Adds a value; a bound belongs to the range below it. What is no number is left out.
    public mutating func observe(_ value: Double) {
        guard value.isFinite else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// Adds a length of time in seconds; less than none counts as none, as clocks differ.
    public mutating func observe(_ duration: Duration) {
        observe(Double(max(0, duration.wholeMicroseconds)) / 1_000_000)
    }
}

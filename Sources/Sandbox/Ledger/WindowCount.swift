// SPDX-License-Identifier: Apache-2.0

/// How dense requests were: what shows that a limit was kept in every window, not only in those that a clock
/// cuts.
public struct WindowCount: Sendable {
    private let times: [Int64]

    /// Instants in microseconds of one clock, in any order.
    public init(times: [Int64]) {
        self.times = times.sorted()
    }

    /// The largest number of instants in any closed window of so many microseconds, and where the first such
    /// window begins; nil without instants.
    public func highest(inWindowOf microseconds: Int64) -> (count: Int, from: Int64)? {
        var best: (count: Int, from: Int64)?
        var first = 0
        for last in times.indices {
            while times[last] - times[first] > microseconds { first += 1 }
            let count = last - first + 1
            if count > best?.count ?? 0 { best = (count, times[first]) }
        }
        return best
    }

    /// The smallest burst for which no window of any length W has more than `rate * W + burst` instants; 0
    /// without instants. The rate is per second.
    public func burst(atRate rate: Double) -> Double {
        var level = 0.0
        var highest = 0.0
        var previous: Int64?
        for time in times {
            let passed = previous.map { Double(time - $0) / 1_000_000 } ?? 0
            level = max(0, level - rate * passed) + 1
            highest = max(highest, level)
            previous = time
        }
        return highest
    }
}

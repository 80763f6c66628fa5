// SPDX-License-Identifier: Apache-2.0

/// How fast dead letters are replayed: a number for each second or minute.
struct ReplayRate {
    /// As it was given.
    let text: String
    /// The time between two letters.
    let interval: Duration

    /// Exits with 64 when it is no rate.
    init(_ text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units: [Substring: Duration] = ["s": .seconds(1), "m": .seconds(60)]
        guard parts.count == 2, let count = Int(parts[0]), (1...10_000).contains(count),
            let unit = units[parts[1]]
        else {
            throw Exit.complain(
                "--rate: '\(text)' is no rate; allowed: 1 to 10000 for each second or minute, such as 50/s or 600/m",
                Exit.usage)
        }
        self.text = text
        interval = unit / count
    }

    func duration(of count: Int) -> Duration { interval * max(0, count - 1) }

    /// Spaces the letters of one replay.
    struct Pace {
        private let interval: Duration
        private var due = ContinuousClock.now

        init(_ rate: ReplayRate) {
            interval = rate.interval
        }

        /// Waits until the next letter may go. Time that was lost is not made up for.
        mutating func next() async throws {
            try await ContinuousClock().sleep(until: due)
            due = max(due, .now - interval) + interval
        }
    }
}

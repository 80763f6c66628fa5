// SPDX-License-Identifier: Apache-2.0

/// Where a list of numbered pages goes on: `NUMBER`, or `NUMBER:SEEN` where the records are counted.
struct NumberedPlace: Equatable {
    let number: Int
    /// The records that came with the pages before.
    let seen: Int?

    var text: String { seen.map { "\(number):\($0)" } ?? String(number) }

    init(number: Int, seen: Int?) {
        self.number = number
        self.seen = seen
    }

    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { Int($0) }
        guard let number = parts[0] else { return nil }
        self.init(number: number, seen: parts.count == 2 ? parts[1] : nil)
    }
}

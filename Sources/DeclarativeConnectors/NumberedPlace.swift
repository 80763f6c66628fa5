// SPDX-License-Identifier: Apache-2.0

/// Where a list of numbered pages goes on: `NUMBER`, or `NUMBER:SEEN:LARGEST` where the records are counted.
struct NumberedPlace: Equatable {
    let number: Int
    /// The records that came with the pages before.
    let seen: Int?
    /// How many records the largest of those pages had.
    let largest: Int?

    var text: String {
        ([number] + [seen, largest].compactMap(\.self)).map { String($0) }.joined(separator: ":")
    }

    init(number: Int, seen: Int? = nil, largest: Int? = nil) {
        self.number = number
        self.seen = seen
        self.largest = seen == nil ? nil : largest
    }

    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map { Int($0) }
        guard let number = parts[0] else { return nil }
        self.init(
            number: number, seen: parts.count > 1 ? parts[1] : nil, largest: parts.count > 2 ? parts[2] : nil)
    }
}

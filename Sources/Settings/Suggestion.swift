// SPDX-License-Identifier: Apache-2.0

/// Finds the name that someone probably meant.
public enum Suggestion {
    /// The longest name that is compared; longer ones are nobody's slip of the pen.
    private static let maximumLength = 64

    /// The nearest of `candidates` by inserted, missing, wrong and swapped letters; nil when none is near.
    public static func closest(to name: String, among candidates: some Sequence<String>) -> String? {
        let typed = Array(name.utf8)
        guard typed.count <= maximumLength else { return nil }
        let tolerance = max(1, min(3, typed.count / 4))
        var best: (name: String, distance: Int)?
        for candidate in candidates where candidate.utf8.count <= maximumLength {
            let distance = distance(typed, Array(candidate.utf8))
            if distance <= tolerance, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// What follows "unknown" in a complaint about a name: the one that was probably meant, and all that are allowed.
    public static func clause(for name: String, among allowed: [String]) -> String {
        let names = allowed.joined(separator: ", ")
        return closest(to: name, among: allowed).map { "; did you mean '\($0)'? Allowed: \(names)" }
            ?? "; allowed: \(names)"
    }

    /// The optimal string alignment distance, with three rolling rows.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1..<(left.count + 1) {
            var current = [row] + [Int](repeating: 0, count: right.count)
            for column in 1..<(right.count + 1) {
                let cost = left[row - 1] == right[column - 1] ? 0 : 1
                var value = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + cost)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1]
                {
                    value = min(value, beforeLast[column - 2] + 1)
                }
                current[column] = value
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}

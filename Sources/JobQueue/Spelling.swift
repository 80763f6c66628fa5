// SPDX-License-Identifier: Apache-2.0

/// Guesses which known word was meant.
enum Spelling {
    /// The known word that is closest to `word`: named by an alias, or at most two edits away, fewer for
    /// short words.
    static func suggestion(for word: String, among known: [String], aliases: [String: String] = [:])
        -> String?
    {
        let folded = fold(word)
        if let alias = aliases[folded] { return alias }
        let ranked = known.map { (distance: distance(folded, fold($0)), word: $0) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= (best.word.utf8.count <= 4 ? 1 : 2) ? best.word : nil
    }

    /// Case, `_` and `-` do not count: `userId` and `USER-ID` mean `user_id`.
    private static func fold(_ word: String) -> String {
        String(word.prefix(64).lowercased().filter { $0 != "_" && $0 != "-" && $0 != " " })
    }

    /// The Levenshtein distance of two short words.
    private static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let substituted = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}

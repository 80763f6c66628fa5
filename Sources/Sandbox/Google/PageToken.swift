// SPDX-License-Identifier: Apache-2.0

/// A page token or sync token of a Google list: a place in an enumeration, sealed against use elsewhere.
///
/// Google's tokens are opaque and hold characters that a client must percent-encode, so these do too.
struct PageToken: Sendable, Equatable {
    enum Kind: String, Sendable {
        /// A page of everything.
        case full = "f"
        /// A page of what changed.
        case changes = "c"
        /// The beginning of the next enumeration.
        case sync = "s"
    }

    var kind: Kind
    /// How often tokens had been made to expire when it was issued.
    var era: Int
    /// The newest change when the enumeration began.
    var started: Int
    /// The change after which the enumeration reads, for `changes`.
    var since = 0
    /// What was read last: an object's number, or a change's.
    var position = -1
    /// The page of the enumeration, so that no two tokens of it are the same.
    var page = 1
    var showsDeleted = false

    private var fields: [Int] { [era, started, since, position + 1, page, showsDeleted ? 1 : 0] }

    func text(_ key: CollectionKey, seed: UInt64) -> String {
        let numbers = fields.map { String($0, radix: 36) }.joined(separator: "+")
        return "C\(kind.rawValue)+\(numbers)/\(Self.seal(kind, fields, key, seed))="
    }

    /// Nil when the text is not a token of this list.
    init?(_ text: String, _ key: CollectionKey, seed: UInt64) {
        guard text.hasPrefix("C"), text.hasSuffix("="), text.utf8.count < 200 else { return nil }
        let halves = text.dropFirst().dropLast().split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let parts = halves[0].split(separator: "+", omittingEmptySubsequences: false)
        let numbers = parts.dropFirst().compactMap { Int($0, radix: 36) }
        guard let kind = parts.first.flatMap({ Kind(rawValue: String($0)) }), parts.count == 7,
            numbers.count == 6, numbers.allSatisfy({ $0 >= 0 }),
            Self.seal(kind, numbers, key, seed) == halves[1]
        else { return nil }
        self.init(
            kind: kind, era: numbers[0], started: numbers[1], since: numbers[2], position: numbers[3] - 1,
            page: numbers[4], showsDeleted: numbers[5] == 1)
    }

    init(
        kind: Kind, era: Int, started: Int, since: Int = 0, position: Int = -1, page: Int = 1,
        showsDeleted: Bool = false
    ) {
        self.kind = kind
        self.era = era
        self.started = started
        self.since = since
        self.position = position
        self.page = page
        self.showsDeleted = showsDeleted
    }

    private static func seal(_ kind: Kind, _ fields: [Int], _ key: CollectionKey, _ seed: UInt64) -> String {
        var hash = key.hash(seed: seed) ^ SplitMix64.mix(UInt64(kind.rawValue.utf8.first ?? 0))
        for field in fields { hash = SplitMix64.mix(hash ^ UInt64(field)) }
        return String(hash >> 24, radix: 36)
    }
}

/// How often the tokens of all users, and of single users, were made to expire.
struct TokenEras: Sendable {
    /// Whose tokens.
    enum Kind: String, Sendable, CaseIterable {
        case sync
        case page
    }

    private var all: [Kind: Int] = [:]
    private var single: [Int: [Kind: Int]] = [:]
    private var floor = 0
    private var floors: [Int: Int] = [:]

    func era(_ kind: Kind, user: Int) -> Int { (all[kind] ?? 0) + (single[user]?[kind] ?? 0) }

    /// The newest change when a user's sync tokens were last made to expire: what lies before it is out of
    /// reach for feeds, too.
    func floor(user: Int) -> Int { max(floor, floors[user] ?? 0) }

    mutating func expire(_ kind: Kind, at sequence: Int) {
        all[kind, default: 0] += 1
        if kind == .sync { floor = sequence }
    }

    mutating func expire(_ kind: Kind, user: Int, at sequence: Int) {
        single[user, default: [:]][kind, default: 0] += 1
        if kind == .sync { floors[user] = sequence }
    }
}

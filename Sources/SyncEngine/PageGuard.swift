// SPDX-License-Identifier: Apache-2.0

import ConnectorKit

/// Why an enumeration cannot be trusted to end.
enum PaginationLoop: Error, Equatable {
    /// The provider gave a position that it had given before.
    case repeatedPosition
    /// Two pages in a row have the same body.
    case repeatedBody
    /// No page of the last `PageGuard.stalePageLimit` had an id that was new.
    case noNewIdentifiers
    /// More pages than the stream may have.
    case tooManyPages(limit: Int)
}

/// Watches the pages of one enumeration for a provider that goes in circles.
///
/// Memory is bounded: of positions only 8-byte hashes are kept, the newest `positionLimit` of them, and of ids a
/// filter of fixed size, which may take a new id for a known one (once in thousands) but never the
/// reverse; ten full pages of such errors do not happen.
struct PageGuard {
    /// Pages without a new id after which a run ends.
    static let stalePageLimit = 10
    /// Positions remembered; a loop longer than this is caught by `maxPages`.
    static let positionLimit = 100_000

    private let maxPages: Int
    private var pages: Int
    private var positions: Set<Int> = []
    private var lastBody: UInt64?
    private var stalePages = 0
    private var newestCursor: Int64?
    private var identifiers = IdentifierFilter()

    /// A guard for an enumeration that has read `pages` pages before, in an earlier run.
    init(maxPages: Int, pagesBefore pages: Int = 0) {
        self.maxPages = maxPages
        self.pages = pages
    }

    /// Takes note of one page. Throws when it proves that the enumeration goes in circles.
    mutating func admit(_ page: Page, identifierHashes: [UInt64]) throws(PaginationLoop) {
        // Its ids were noted with the provider's page that named them: they are not new, and that is no circle.
        guard !page.continuesListed else { return try advance(page.continuation) }
        guard let listed = page.listed else {
            return try admit(
                body: PageDigest.body(of: page.scanned), identifierHashes: identifierHashes,
                cursor: page.reached, continuation: page.continuation)
        }
        try admit(
            body: PageDigest.body(of: listed), identifierHashes: PageDigest.identifiers(of: listed),
            cursor: page.reached, continuation: page.continuation)
    }

    mutating func admit(
        body: UInt64, identifierHashes: [UInt64], cursor: Int64? = nil, continuation: PageContinuation
    ) throws(PaginationLoop) {
        // Also of the last page: a list that ends with the page before it once more has lost its end. Empty pages may well
        // be alike: Slack and Google send them in the middle of a list.
        if !identifierHashes.isEmpty, body == lastBody { throw .repeatedBody }
        lastBody = body
        try advance(continuation)
        guard case .next = continuation else { return }

        // A cursor that gets larger is progress too: a stretch of time may well be empty.
        var sawNew = cursor.map { newest in newestCursor.map { newest > $0 } ?? true } ?? false
        if sawNew { newestCursor = cursor }
        for hash in identifierHashes where identifiers.insert(hash) { sawNew = true }
        stalePages = sawNew ? 0 : stalePages + 1
        if stalePages >= Self.stalePageLimit { throw .noNewIdentifiers }
    }
}

extension PageGuard {
    /// Counts a page, and remembers the position that it gives.
    private mutating func advance(_ continuation: PageContinuation) throws(PaginationLoop) {
        pages += 1
        guard case .next(let position) = continuation else { return }
        guard pages < maxPages else { throw .tooManyPages(limit: maxPages) }
        guard positions.count < Self.positionLimit else { return }
        var hasher = Hasher()
        for byte in position.text.utf8 { hasher.combine(byte) }
        guard positions.insert(hasher.finalize()).inserted else { throw .repeatedPosition }
    }
}

/// A Bloom filter of 1 MiB with two probes: a fixed cost for any number of records.
///
/// Before it gets so full that new ids look known, it forgets all: then a loop is found a little later, and a
/// long healthy enumeration never looks like one.
struct IdentifierFilter {
    private static let bitCount = 1 << 23
    /// At this many ids one new id in 20 is taken for a known one.
    private static let capacity = 1 << 20
    private var words: [UInt64] = []
    private var count = 0

    /// Adds an id by its hash; false when it was there, or seems to have been.
    mutating func insert(_ hash: UInt64) -> Bool {
        if words.isEmpty || count == Self.capacity {
            words = Array(repeating: 0, count: Self.bitCount / 64)
            count = 0
        }
        let first = Int(hash & UInt64(Self.bitCount - 1))
        let second = Int((hash >> 32) & UInt64(Self.bitCount - 1))
        let known = contains(first) && contains(second)
        guard !known else { return false }
        words[first >> 6] |= 1 << UInt64(first & 63)
        words[second >> 6] |= 1 << UInt64(second & 63)
        count += 1
        return true
    }

    private func contains(_ bit: Int) -> Bool {
        words[bit >> 6] & (1 << UInt64(bit & 63)) != 0
    }
}

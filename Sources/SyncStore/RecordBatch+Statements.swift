// SPDX-License-Identifier: Apache-2.0

import Cryptography
import PageScanner
import PostgresClient

/// A batch as statements. Record bytes go from the response's buffer into the statement's, and nowhere between.
extension RecordBatch {
    /// Whether a record of it says that it is deleted.
    public var hasTombstones: Bool { entries.contains { $0.record.isTombstone } }

    /// Entries that are compared in one statement.
    struct DiffPart {
        /// Counts from 0 in each batch.
        let number: Int
        let range: Range<Int>
    }

    /// The entries in parts that are each compared in one statement. One part at least: comparing checks the fence.
    func diffParts() -> [DiffPart] {
        var parts: [DiffPart] = []
        var start = 0
        repeat {
            let end = Self.endOfPart(from: start, count: entries.count, bytes: comparedSize)
            parts.append(DiffPart(number: parts.count, range: start..<end))
            start = end
        } while start < entries.count
        return parts
    }

    /// Compares a part. Its verdicts count from the part's first entry; `verdicts(_:of:)` makes them the batch's.
    func diffStatement(_ run: OpenRun, _ part: DiffPart) -> PostgresStatement {
        let compared = entries[part.range]
        var identifiers = PackedBytes()
        var hashes = PackedBytes()
        identifiers.reserve(elements: compared.count, bytes: compared.reduce(0) { $0 + identifierSize($1) })
        hashes.reserve(elements: compared.count, bytes: compared.count * ContentHash.byteCount)
        for entry in compared {
            appendIdentifier(of: entry, to: &identifiers)
            entry.hash.withUnsafeBytes { hashes.append($0) }
        }
        return PostgresStatement(
            StoreSQL.diffBatch,
            [
                .int(run.integrationID), .int(run.fence), .text(stream), .optional(generation),
                .text(partition), .int(seenPage(part.number)), .packedText(identifiers), .packedBytea(hashes),
                .intArray(compared.map(\.record.version)), .boolArray(compared.map(\.record.isTombstone)),
            ])
    }

    /// The answer to a part's statement as verdicts of the batch: position times 4, plus what to do.
    func verdicts(_ rows: PostgresRows?, of part: DiffPart) -> [Int64] {
        (rows?.intArray(0, 0) ?? []).map { $0 + Int64(part.range.lowerBound) * 4 }
    }

    /// Under what page a part remembers what it has seen: each has an array of its own, and would else replace the one before it.
    /// No enumeration has 2^40 pages.
    private func seenPage(_ part: Int) -> Int64 { firstPage + (Int64(part) << 40) }

    /// The most bytes of one statement, but for a single record: what a statement has is in memory three times, here, in libpq
    /// and at the server.
    static let statementBytes = 1 << 20
    /// What a row takes besides the bytes of the record, of its id, of the partition and of the stream's name, or less: a hash,
    /// numbers, the lengths of its fields.
    static let rowOverhead = 128

    /// About as many bytes as an entry takes where it is written, or more. Its id begins with the partition, which is a column too.
    func rowSize(_ index: Int) -> Int {
        let entry = entries[index]
        return entry.record.range.count + entry.record.identifierRange.count + 2 * partition.utf8.count
            + stream.utf8.count + Self.rowOverhead
    }

    /// About as many bytes as an entry takes where it is compared, or more.
    private func comparedSize(_ index: Int) -> Int { identifierSize(entries[index]) + Self.rowOverhead }

    private func identifierSize(_ entry: Entry) -> Int {
        partition.utf8.count + 1 + entry.record.identifierRange.count
    }

    /// The verdicts of `diff_batch` in parts that each make one statement.
    func parts(of verdicts: [Int64]) -> [[Int64]] {
        Self.parts(of: verdicts) { rowSize(Int($0 >> 2)) }
    }

    static func parts<Element>(of elements: [Element], bytes: (Element) -> Int) -> [[Element]] {
        var parts: [[Element]] = []
        var start = 0
        while start < elements.count {
            let end = endOfPart(from: start, count: elements.count) { bytes(elements[$0]) }
            parts.append(Array(elements[start..<end]))
            start = end
        }
        return parts
    }

    /// Where the elements from this one on have as many bytes as a statement should.
    static func endOfPart(from start: Int, count: Int, bytes: (Int) -> Int) -> Int {
        var sum = 0
        for index in start..<count {
            sum += bytes(index)
            if index > start, sum > statementBytes { return index }
        }
        return count
    }

    /// Writes the entries that the verdicts of `diff_batch` name.
    func writeStatement(_ run: OpenRun, _ verdicts: [Int64]) -> PostgresStatement {
        var identifiers = PackedBytes()
        var data = PackedBytes()
        var hashes = PackedBytes()
        var versions: [Int64?] = []
        versions.reserveCapacity(verdicts.count)
        let chosen = verdicts.map { entries[Int($0 >> 2)] }
        identifiers.reserve(elements: chosen.count, bytes: chosen.reduce(0) { $0 + identifierSize($1) })
        hashes.reserve(elements: chosen.count, bytes: chosen.count * ContentHash.byteCount)
        data.reserve(elements: chosen.count, bytes: chosen.reduce(0) { $0 + $1.record.range.count })
        for entry in chosen {
            appendIdentifier(of: entry, to: &identifiers)
            appendData(of: entry, to: &data)
            entry.hash.withUnsafeBytes { hashes.append($0) }
            versions.append(entry.record.version)
        }
        return PostgresStatement(
            StoreSQL.writeRecords,
            [
                .int(run.integrationID), .text(stream), .text(partition), .int(run.syncID),
                .packedText(identifiers), .packedText(data), .intArray(versions), .packedBytea(hashes),
                .intArray(verdicts.map { $0 & 3 }),
            ])
    }

    /// Deletes what does not outlive the records that the verdicts delete, or keep as tombstones of unknown ids; nil where nothing
    /// depends on them.
    func membersStatement(_ run: OpenRun, _ verdicts: [Int64]) -> PostgresStatement? {
        guard let memberOf else { return nil }
        let deleted = verdicts.filter { $0 & 3 >= 2 }.map { Array(identifier(of: entries[Int($0 >> 2)])) }
        guard !deleted.isEmpty else { return nil }
        return PostgresStatement(
            StoreSQL.deleteMembers,
            [
                .int(run.integrationID), .text(stream), .text(partition), .int(run.syncID),
                .textArray(memberOf.tokens.map { Array($0.utf8) }), .textArray(deleted),
            ])
    }

    /// What a complete enumeration has to know of records that it showed and that were not stored: which rows they are, and
    /// whether one is among them of which nobody can tell. Nil when there is nothing to know. What parts say adds up.
    func rejectedStatement(_ run: OpenRun, _ rejected: [Rejected]) -> PostgresStatement? {
        guard let generation, !rejected.isEmpty else { return nil }
        var identifiers = PackedBytes()
        for (_, record) in rejected {
            if let id = record.namedID { appendIdentifier(id[...], to: &identifiers) }
        }
        return PostgresStatement(
            StoreSQL.noteRejected,
            [
                .int(run.integrationID), .text(stream), .int(generation), .text(partition), .int(firstPage),
                .bool(identifiers.count < rejected.count), .packedText(identifiers),
            ])
    }

    private func appendIdentifier(of entry: Entry, to packed: inout PackedBytes) {
        appendIdentifier(identifier(of: entry), to: &packed)
    }

    /// A child's id begins with its parent's: two calendars may hold one event.
    private func appendIdentifier(_ identifier: ArraySlice<UInt8>, to packed: inout PackedBytes) {
        guard !partition.isEmpty else {
            identifier.withUnsafeBytes { packed.append($0) }
            return
        }
        packed.append(Array(partition.utf8) + [UInt8(ascii: "/")] + identifier)
    }

    private func appendData(of entry: Entry, to packed: inout PackedBytes) {
        data(of: entry).withUnsafeBytes { packed.append($0) }
    }
}

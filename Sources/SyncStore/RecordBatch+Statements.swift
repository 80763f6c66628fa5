// SPDX-License-Identifier: Apache-2.0

import Cryptography
import PageScanner
import PostgresClient

/// A batch as statements. Record bytes go from the response's buffer into the statement's, and nowhere between.
extension RecordBatch {
    /// Whether a record of it says that it is deleted.
    public var hasTombstones: Bool { entries.contains { $0.record.isTombstone } }

    func diffStatement(_ run: OpenRun) -> PostgresStatement {
        var identifiers = PackedBytes()
        var hashes = PackedBytes()
        identifiers.reserve(elements: entries.count, bytes: entries.count * 24)
        hashes.reserve(elements: entries.count, bytes: entries.count * ContentHash.byteCount)
        for entry in entries {
            appendIdentifier(of: entry, to: &identifiers)
            entry.hash.withUnsafeBytes { hashes.append($0) }
        }
        return PostgresStatement(
            StoreSQL.diffBatch,
            [
                .int(run.integrationID), .int(run.fence), .text(stream), .optional(generation),
                .text(partition), .int(firstPage), .packedText(identifiers), .packedBytea(hashes),
                .intArray(entries.map(\.record.version)), .boolArray(entries.map(\.record.isTombstone)),
            ])
    }

    /// The most bytes of records in one statement, but for a single record: what a statement has is in memory three times, here,
    /// in libpq and at the server.
    static let statementBytes = 1 << 20

    /// The verdicts of `diff_batch` in parts that each make one statement.
    func parts(of verdicts: [Int64]) -> [[Int64]] {
        Self.parts(of: verdicts) { entries[Int($0 >> 2)].record.range.count }
    }

    static func parts<Element>(of elements: [Element], bytes: (Element) -> Int) -> [[Element]] {
        var parts: [[Element]] = []
        var (start, sum) = (0, 0)
        for (index, element) in elements.enumerated() {
            let size = bytes(element)
            if index > start, sum + size > statementBytes {
                parts.append(Array(elements[start..<index]))
                (start, sum) = (index, 0)
            }
            sum += size
        }
        if start < elements.count { parts.append(Array(elements[start...])) }
        return parts
    }

    /// Writes the entries that the verdicts of `diff_batch` name.
    func writeStatement(_ run: OpenRun, _ verdicts: [Int64]) -> PostgresStatement {
        var identifiers = PackedBytes()
        var data = PackedBytes()
        var hashes = PackedBytes()
        var versions: [Int64?] = []
        versions.reserveCapacity(verdicts.count)
        let chosen = verdicts.map { entries[Int($0 >> 2)] }
        identifiers.reserve(elements: chosen.count, bytes: chosen.count * 24)
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

    /// What a complete enumeration has to know of the records that it showed and that were not stored: which rows they are, and
    /// whether one is among them of which nobody can tell. Nil when there is nothing to know.
    func rejectedStatement(_ run: OpenRun) -> PostgresStatement? {
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

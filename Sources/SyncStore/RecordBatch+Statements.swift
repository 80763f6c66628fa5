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

    /// The entries in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format").
    func copyData(_ run: OpenRun) -> [UInt8] {
        var head: [UInt8] = []
        head.appendBigEndian(UInt16(8))
        head.appendField(big: run.integrationID)
        head.appendField(stream.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(
            32 + entries.reduce(0) { $0 + head.count + 96 + partition.utf8.count + $1.record.range.count })
        output += [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00]
        output.appendBigEndian(UInt32(0))
        output.appendBigEndian(UInt32(0))
        for entry in entries {
            output += head
            let identifier = identifier(of: entry)
            let prefix = partition.isEmpty ? 0 : partition.utf8.count + 1
            output.appendBigEndian(UInt32(prefix + identifier.count))
            if prefix > 0 {
                output += partition.utf8
                output.append(UInt8(ascii: "/"))
            }
            output += identifier
            output.appendField(partition.utf8)
            let data = data(of: entry)
            output.appendBigEndian(UInt32(data.count + 1))
            output.append(1)
            output += data
            if let version = entry.record.version {
                output.appendField(big: version)
            } else {
                output.appendBigEndian(UInt32.max)
            }
            output.appendBigEndian(UInt32(ContentHash.byteCount))
            entry.hash.withUnsafeBytes { output.append(contentsOf: $0) }
            output.appendField(big: run.syncID)
        }
        output.appendBigEndian(UInt16.max)
        return output
    }

    /// Nil when no record was rejected.
    func quarantineStatement(_ run: OpenRun) -> PostgresStatement? {
        guard !rejected.isEmpty else { return nil }
        let raw = rejected.map { Array(pages[Int($0.page)].body[$0.record.range]) }
        return PostgresStatement(
            StoreSQL.quarantine,
            [
                .int(run.integrationID), .text(stream), .int(run.syncID),
                .byteaArray(rejected.map(\.record.externalID)),
                .textArray(rejected.map { Array($0.record.reason.rawValue.utf8) }),
                .byteaArray(raw), .byteaArray(raw.map { SHA256.digest(of: $0) }),
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

extension [UInt8] {
    fileprivate mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func appendField(big value: Int64) {
        appendBigEndian(UInt32(8))
        appendBigEndian(value)
    }

    fileprivate mutating func appendField(_ text: String.UTF8View) {
        appendBigEndian(UInt32(text.count))
        append(contentsOf: text)
    }
}

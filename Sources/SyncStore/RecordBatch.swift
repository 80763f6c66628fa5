// SPDX-License-Identifier: Apache-2.0

public import Cryptography
public import PageScanner
import PostgresClient

/// Records of one slice that are written in one transaction: references into the pages they came in, so that a record's
/// bytes are copied once, into the statement that stores them.
///
/// Ids are distinct: of two records with one id the one with the higher version stays, or the later one.
public struct RecordBatch: Sendable {
    /// A record of the batch, ready to be compared.
    struct Entry: Sendable {
        let page: Int32
        let record: ScannedRecord
        let hash: ContentHash
    }

    /// The stream of all its records.
    public let stream: String
    /// The parent's external id; empty for a whole stream.
    public let partition: String
    /// The generation that the records belong to, when a full enumeration is under way.
    public let generation: Int64?
    /// The number of the batch's first page in its enumeration; with the generation it names what the batch has seen.
    public let firstPage: Int64
    /// Where a record names another one of the slice that it does not outlive.
    public let memberOf: JSONPointer?

    private(set) var pages: [ScannedPage] = []
    private(set) var entries: [Entry] = []
    private var positions: [UInt64: Int32] = [:]
    /// Bytes of the pages that the batch keeps alive.
    public private(set) var byteCount = 0
    /// Records read, doubles included.
    public private(set) var recordCount = 0
    private(set) var rejected: [Rejected] = []

    /// A record that cannot be stored, and the page that it came in.
    typealias Rejected = (page: Int32, record: RejectedRecord)

    /// `generation` marks records as seen by a full enumeration; nil leaves that mark alone.
    public init(
        stream: String, partition: String, generation: Int64?, firstPage: Int64, memberOf: JSONPointer? = nil
    ) {
        self.memberOf = memberOf
        self.stream = stream
        self.partition = partition
        self.generation = generation
        self.firstPage = firstPage
    }

    /// Whether there is nothing to write.
    public var isEmpty: Bool { entries.isEmpty && rejected.isEmpty }

    /// Adds the records of a page; `hashes` has the `IdentifierHash` of each.
    public mutating func append(_ page: ScannedPage, identifierHashes hashes: [UInt64], hasher: ContentHasher)
    {
        guard !page.records.isEmpty || !page.rejected.isEmpty else { return }
        let pageIndex = Int32(pages.count)
        pages.append(page)
        byteCount += page.body.count
        recordCount += page.records.count + page.rejected.count
        entries.reserveCapacity(entries.count + page.records.count)
        let room = Self.identifierRoom(in: partition)
        page.withUnsafeBytes { body, identifiers in
            for (record, key) in zip(page.records, hashes) {
                guard record.identifierRange.count <= room else {
                    rejected.append(
                        (
                            pageIndex,
                            RejectedRecord(
                                reason: .idTooLong, externalID: Array(identifiers[record.identifierRange]),
                                range: record.range)
                        ))
                    continue
                }
                let bytes = UnsafeRawBufferPointer(rebasing: body[record.range])
                let entry = Entry(page: pageIndex, record: record, hash: hasher.hash(bytes))
                add(
                    entry, key: key,
                    identifier: UnsafeRawBufferPointer(rebasing: identifiers[record.identifierRange]))
            }
        }
        for record in page.rejected { rejected.append((pageIndex, record)) }
    }

    /// The longest key of a Postgres B-tree has 2,704 bytes. An index has both the parent's id and the record's, which begins
    /// with it, besides the stream's name.
    private static func identifierRoom(in partition: String) -> Int {
        let prefix = partition.utf8.count
        return prefix == 0 ? .max : 2_500 - 2 * prefix - 1
    }

    /// Adds what a list of names shows and does not name. What it names is fetched and comes with `append`.
    public mutating func append(unnamed: [RejectedRecord], of list: ScannedPage) {
        guard !unnamed.isEmpty else { return }
        let pageIndex = Int32(pages.count)
        pages.append(list)
        byteCount += list.body.count
        recordCount += unnamed.count
        for record in unnamed { rejected.append((pageIndex, record)) }
    }

    private mutating func add(_ entry: Entry, key: UInt64, identifier: UnsafeRawBufferPointer) {
        guard let known = positions[key] else {
            positions[key] = Int32(entries.count)
            entries.append(entry)
            return
        }
        let index = Int(known)
        guard self.identifier(of: entries[index]).elementsEqual(identifier) else {
            addColliding(entry, identifier: identifier)
            return
        }
        if supersedes(entry, entries[index]) { entries[index] = entry }
    }

    /// Two ids share a 64-bit hash: rare enough to search for.
    private mutating func addColliding(_ entry: Entry, identifier: UnsafeRawBufferPointer) {
        guard let index = entries.firstIndex(where: { self.identifier(of: $0).elementsEqual(identifier) })
        else {
            entries.append(entry)
            return
        }
        if supersedes(entry, entries[index]) { entries[index] = entry }
    }

    private func supersedes(_ new: Entry, _ old: Entry) -> Bool {
        guard let newVersion = new.record.version, let oldVersion = old.record.version else { return true }
        return newVersion >= oldVersion
    }

    func identifier(of entry: Entry) -> ArraySlice<UInt8> {
        pages[Int(entry.page)].identifiers[entry.record.identifierRange]
    }

    func data(of entry: Entry) -> ArraySlice<UInt8> {
        pages[Int(entry.page)].body[entry.record.range]
    }

    /// Moves a record out of the batch, because the server refuses its data.
    mutating func reject(entryAt index: Int, reason: RejectedRecord.Reason) {
        let entry = entries.remove(at: index)
        let record = RejectedRecord(
            reason: reason, externalID: Array(identifier(of: entry)), range: entry.record.range)
        rejected.append((entry.page, record))
    }

    /// The part of the batch with these entries, for finding a record that the server refuses.
    func part(_ range: Range<Int>) -> RecordBatch {
        var part = self
        part.entries = Array(entries[range])
        part.rejected = []
        return part
    }
}

/// 64-bit FNV-1a with a final mix: a fast hash of short ids whose value does not matter outside this process.
public enum IdentifierHash {
    /// A short hash of bytes, to find ids in memory; not for storage.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash ^= hash >> 32
        return hash &* 0x9e37_79b9_7f4a_7c15
    }
}

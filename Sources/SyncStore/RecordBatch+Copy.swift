// SPDX-License-Identifier: Apache-2.0

import Cryptography
import PageScanner

extension RecordBatch {
    /// The entries in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format"), each piece made when it is sent.
    struct CopyData: Sequence, IteratorProtocol, Sendable {
        private let batch: RecordBatch
        private let run: OpenRun
        private var written = 0
        private var isEnded = false

        init(_ batch: RecordBatch, _ run: OpenRun) {
            self.batch = batch
            self.run = run
        }

        mutating func next() -> [UInt8]? {
            guard !isEnded else { return nil }
            var output: [UInt8] = []
            let end = batch.endOfPart(from: written)
            output.reserveCapacity(32 + (written..<end).reduce(0) { $0 + batch.rowSize($1) })
            if written == 0 {
                output += [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00]
                output.appendBigEndian(UInt32(0))
                output.appendBigEndian(UInt32(0))
            }
            batch.append(written..<end, to: &output, run)
            written = end
            if end == batch.entries.count {
                output.appendBigEndian(UInt16.max)
                isEnded = true
            }
            return output
        }
    }

    private func endOfPart(from start: Int) -> Int {
        Self.endOfPart(from: start, count: entries.count, bytes: rowSize)
    }

    private func append(_ range: Range<Int>, to output: inout [UInt8], _ run: OpenRun) {
        var head: [UInt8] = []
        head.appendBigEndian(UInt16(8))
        head.appendField(big: run.integrationID)
        head.appendField(stream.utf8)
        for entry in entries[range] {
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

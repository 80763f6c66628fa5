// SPDX-License-Identifier: Apache-2.0

import Cryptography
import PageScanner
import PostgresClient

extension RecordBatch {
    /// The most bytes that quarantine keeps of a record.
    private static let quarantineBytes = 1 << 20

    /// The records that were rejected, in parts that each make one statement.
    func rejectedParts() -> [[Rejected]] {
        Self.parts(of: rejected) { _, record in
            min(record.range.count, Self.quarantineBytes) + (record.externalID?.count ?? 0)
                + partition.utf8.count + Self.rowOverhead
        }
    }

    /// Keeps rejected records.
    func quarantineStatement(_ run: OpenRun, _ part: [Rejected]) -> PostgresStatement {
        let raw = part.map { pages[Int($0.page)].body[$0.record.range] }
        return PostgresStatement(
            StoreSQL.quarantine,
            [
                .int(run.integrationID), .text(stream), .int(run.syncID),
                .byteaArray(part.map(\.record.externalID)),
                .textArray(part.map { Array($0.record.reason.rawValue.utf8) }),
                .byteaArray(raw.map { Array($0.prefix(Self.quarantineBytes)) }),
                .byteaArray(raw.map { bytes in bytes.withUnsafeBytes { SHA256.digest(of: $0) } }),
            ])
    }
}

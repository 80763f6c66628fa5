// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model
import PostgresClient

/// A record that is not what the provider has.
public struct RecordDifference: Sendable {
    /// In what way a record and its object differ.
    public enum Kind: String, Sendable {
        /// The provider has the object, the ledger has not.
        case missing
        /// The ledger has a record that the provider has not.
        case extra
        /// Both have it, with other bytes.
        case different
    }

    /// The object's id at the provider.
    public let externalID: String
    /// What is different.
    public let kind: Kind
    /// The record as stored; Postgres orders the members of an object anew.
    public let stored: String?
    /// The object as the provider sends it.
    public let expected: String?
    /// When the record was last written; nil when there is none.
    public let syncedAt: Timestamp?
}

extension SyncStore {
    /// Compares a provider's objects with the live records of a stream, by the hash of their bytes and by their content.
    public func differences(
        ofIntegration id: Int64, stream: String, from objects: [(externalID: String, json: [UInt8])]
    ) async throws(StoreError) -> [RecordDifference] {
        let hasher = ContentHasher()
        let rows = try await query(
            StoreSQL.verifyObjects,
            [
                .int(id), .text(stream), .textArray(objects.map { Array($0.externalID.utf8) }),
                .textArray(objects.map(\.json)), .byteaArray(objects.map { hasher.hash($0.json).bytes }),
            ], deadline: .seconds(120))
        var differences: [RecordDifference] = []
        for row in 0..<rows.count {
            guard let id = rows.text(row, 0),
                let kind = rows.text(row, 1).flatMap(RecordDifference.Kind.init(rawValue:))
            else { throw StoreError(.unexpectedReply, "a difference has no id or an unknown kind") }
            differences.append(
                RecordDifference(
                    externalID: id, kind: kind, stored: rows.text(row, 2), expected: rows.text(row, 3),
                    syncedAt: rows.timestamp(row, 4)))
        }
        return differences
    }
}

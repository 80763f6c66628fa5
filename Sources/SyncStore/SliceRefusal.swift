// SPDX-License-Identifier: Apache-2.0

import PostgresClient

/// A slice of a child stream that the provider does not let be read.
public struct SliceRefusal: Sendable, Equatable {
    /// The parent's external id.
    public var partition: String
    /// A word for programs, as of a failed run.
    public var code: String

    /// A refusal of one slice.
    public init(partition: String, code: String) {
        self.partition = partition
        self.code = code
    }
}

/// How many slices of a stream may be read.
public struct SliceStanding: Sendable, Equatable {
    /// Those that were refused since they were read last.
    public var refused: Int64
    /// Those that were read to their end, and not refused since.
    public var readable: Int64
}

extension SyncStore {
    /// Notes that slices may not be read: until each of them is read to its end.
    public func refuse(
        _ refusals: [SliceRefusal], stream: String, in run: OpenRun
    ) async throws(StoreError) -> SliceStanding {
        let rows = try await query(
            StoreSQL.refuseSlices,
            [
                .int(run.integrationID), .int(run.fence), .text(stream),
                .textArray(refusals.map { Array($0.partition.utf8) }),
                .textArray(refusals.map { Array($0.code.utf8) }),
            ])
        guard let refused = rows.int(0, 0), let readable = rows.int(0, 1) else {
            throw StoreError(.unexpectedReply, "refuse_slices gave no numbers")
        }
        return SliceStanding(refused: refused, readable: readable)
    }
}

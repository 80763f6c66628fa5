// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// How far the jobs of a backfill are, as the sync log tells.
public struct BackfillProgress: Sendable, Equatable {
    /// Jobs with a run that succeeded.
    public let succeeded: Int
    /// Jobs that run.
    public let running: Int
    /// Jobs that were cancelled while they ran.
    public let cancelled: Int
}

/// What a backfill asks of the ledger.
public struct BackfillStore: Sendable {
    private let store: SyncStore

    /// How many jobs `refusedJobs` tells at most.
    public static let refusedLimit = 10_000

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The next active integrations of a service after an id, of these users only when they are named.
    public func targets(
        service: String, users: [String]?, after id: Int64, limit: Int
    ) async throws(StoreError) -> [(id: Int64, userID: String)] {
        var parameters: [PostgresParameter] = [.text(service), .int(id), .int(Int64(limit))]
        if let users { parameters.append(.textArray(users.map { Array($0.utf8) })) }
        let rows = try await store.query(
            users == nil ? StoreSQL.backfillTargets : StoreSQL.backfillTargetsOfUsers, parameters)
        return (0..<rows.count).map { (rows.int($0, 0) ?? 0, rows.text($0, 1) ?? "") }
    }

    /// Which of these jobs have succeeded.
    public func succeeded(among jobIDs: [String]) async throws(StoreError) -> Set<String> {
        let rows = try await store.query(
            StoreSQL.backfillDone, [.textArray(jobIDs.map { Array($0.utf8) })])
        return Set((0..<rows.count).compactMap { rows.text($0, 0) })
    }

    /// How far the jobs are whose ids begin with that of a backfill and a colon.
    public func progress(of backfill: String) async throws(StoreError) -> BackfillProgress {
        let rows = try await store.query(StoreSQL.backfillProgress, Self.range(backfill))
        func number(_ column: Int) -> Int { Int(rows.int(0, column) ?? 0) }
        return BackfillProgress(succeeded: number(0), running: number(1), cancelled: number(2))
    }

    /// Jobs that ended without success or a dead letter, as their integration needs a new credential; at most 10,000.
    public func refusedJobs(of backfill: String) async throws(StoreError) -> [String] {
        let rows = try await store.query(
            StoreSQL.backfillRefused, Self.range(backfill) + [.int(Int64(Self.refusedLimit))])
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    /// `;` follows the colon.
    private static func range(_ backfill: String) -> [PostgresParameter] {
        [.text("\(backfill):"), .text("\(backfill);")]
    }
}

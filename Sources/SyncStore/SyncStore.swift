// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// The ledger: runs, records, cursors and the sync log in Postgres.
///
/// Every write of a run names its fence, and is refused with `staleFence` when a newer run has taken it. Where a
/// connection is lost during COMMIT the outcome is read before anything is written again.
public struct SyncStore: Sendable {
    let pool: PostgresPool
    /// The small transactions with which runs begin, and with which those end that found nothing new: most of what a fleet does.
    let group: GroupCommit
    let resolvedCommit: @Sendable (Bool) -> Void
    let committed: @Sendable (OpenRun, SyncCounters) -> Void

    /// A store on that database; nothing is sent yet. `resolvedCommit` hears of each commit whose outcome had to be read
    /// back, and whether it had taken effect. `committed` hears what the slices of each checkpoint counted, once it is
    /// written; additions, updates and deletions are counted by the server and are not among it.
    public init(
        pool: PostgresPool, resolvedCommit: @escaping @Sendable (Bool) -> Void = { _ in },
        committed: @escaping @Sendable (OpenRun, SyncCounters) -> Void = { _, _ in }
    ) {
        self.pool = pool
        group = GroupCommit(pool: pool)
        self.resolvedCommit = resolvedCommit
        self.committed = committed
    }

    /// Starts a run: raises the integration's fence, ends the log rows of runs that died, and inserts this one's.
    /// One statement; asking again with the same job, attempt and worker replaces a start whose answer was lost.
    public func begin(_ request: RunRequest) async throws(StoreError) -> RunStart {
        let known: [PostgresParameter] = [
            .text(request.jobID), .int(Int64(request.attempt)), .text(request.worker),
            .text(request.type.rawValue), .optional(request.enqueuedAt?.milliseconds),
        ]
        let integration: [PostgresParameter] =
            switch request.integration {
            case .id(let id): [.int(id), .null, .null, .null]
            case .key(let key): [.null, .text(key.userID), .text(key.service), .text(key.account)]
            }
        let rows = try await grouped { lockLimit in
            PostgresStatement(StoreSQL.beginRun, known + integration + [.text(lockLimit)])
        }
        return try RunStart(rows)
    }

    /// The stored states of a stream's slices by their partitions; a slice that was never read has none.
    public func slices(
        of run: OpenRun, stream: String, partitions: [String]
    ) async throws(StoreError) -> [ExactText: SliceState] {
        let rows = try await query(
            StoreSQL.loadSlices,
            [.int(run.integrationID), .text(stream), .textArray(partitions.map { Array($0.utf8) })])
        var states: [ExactText: SliceState] = [:]
        for row in 0..<rows.count {
            let state = try SliceState(rows, row: row, column: 0)
            states[ExactText(state.partition)] = state
        }
        return states
    }

    /// The next records whose slices of a child stream are to be read, after an id, in the order of their ids.
    public func parents(
        of run: OpenRun, _ wanted: ParentQuery, after: String, limit: Int
    ) async throws(StoreError) -> [ParentRecord] {
        let rows = try await query(
            StoreSQL.liveParents,
            [
                .int(run.integrationID), .text(wanted.stream), .text(after), .int(Int64(limit)),
                .optional(wanted.grandparent), .text(wanted.child),
                wanted.condition.map { .textArray($0.map { Array($0.utf8) }) } ?? .null,
                .bool(wanted.isChangedAlone),
            ] + wanted.values.parameters)
        return Self.parents(rows)
    }

    /// The live records of a parent stream with these ids, in the order of their ids; `grandparent` is the stream of their own
    /// parents, when those are wanted.
    public func parents(
        of run: OpenRun, stream: String, grandparent: String?, ids: [String], values: ParentValues
    ) async throws(StoreError) -> [ParentRecord] {
        Self.parents(
            try await query(
                StoreSQL.parentsNamed,
                [
                    .int(run.integrationID), .text(stream), .textArray(ids.map { Array($0.utf8) }),
                    .optional(grandparent),
                ] + values.parameters))
    }

    private static func parents(_ rows: PostgresRows) -> [ParentRecord] {
        (0..<rows.count).map { row in
            ParentRecord(
                externalID: ExactText(rows.text(row, 0) ?? ""), own: rows.bytes(row, 1),
                above: rows.bytes(row, 2))
        }
    }

    /// Takes an integration out of service because its provider refuses the credential, with one alert that says why.
    ///
    /// `version` is the credential's that was refused: when another one is stored by now, nothing happens. Nil: whatever is
    /// stored.
    public func refuseCredential(
        of id: Int64, version: Int64?, reason: String, title: String, detail: String
    ) async throws(StoreError) {
        _ = try await query(
            StoreSQL.credentialRefuse,
            [.int(id), .optional(version), .text(reason), .text(title), .text(detail)])
    }

    /// Why a job that no run will continue ended.
    public enum JobEnd: Sendable {
        case workerDied
        case cancelled
    }

    /// Ends the log rows that are running of a job that no run will continue. A worker that still runs it cannot commit
    /// any more.
    public func closeRuns(ofJob id: String, as end: JobEnd = .workerDied) async throws(StoreError) {
        let texts =
            switch end {
            case .workerDied:
                [
                    "failed", "worker_died", "This sync was interrupted and could not be continued.",
                    "the worker of this run died, and its job became a dead letter",
                ]
            case .cancelled:
                [
                    "cancelled", "cancelled", "This sync was cancelled.",
                    "an operator cancelled the job while it ran",
                ]
            }
        _ = try await query(StoreSQL.closeRuns, [.text(id)] + texts.map { .text($0) })
    }

    /// How long a run waits for the rows of its integration. Only one run of it goes on at a time, so whoever has them is a
    /// person, a migration or a session whose client vanished.
    static let lockLimit: Duration = .seconds(10)

    /// Runs one statement in a transaction that it may share with those of other runs.
    func grouped(_ statement: @escaping GroupCommit.Maker) async throws(StoreError) -> PostgresRows {
        do throws(PostgresError) {
            return try await group.query(statement, lockLimit: Self.lockLimit)
        } catch {
            throw StoreError(mapping: error)
        }
    }

    /// Runs one statement as its own transaction. The server hears its deadline, so that what a killed process leaves behind
    /// holds no rows for long.
    func query(
        _ sql: String, _ parameters: [PostgresParameter], deadline: Duration? = nil,
        lockLimit: Duration? = nil
    ) async throws(StoreError) -> PostgresRows {
        do throws(PostgresError) {
            return try await pool.query(
                sql, parameters, deadline: deadline ?? pool.statementTimeout, lockLimit: lockLimit)
        } catch {
            throw StoreError(mapping: error)
        }
    }
}

extension RunStart {
    /// Reads the reply of `begin_run`.
    init(_ rows: PostgresRows) throws(StoreError) {
        guard rows.count > 0, let outcome = rows.text(0, 0) else {
            throw StoreError(.unexpectedReply, "begin_run gave no row")
        }
        if outcome == "unknown" {
            self = .unknownIntegration
            return
        }
        guard outcome == "opened" else {
            self = .inactive(status: outcome)
            return
        }
        guard let id = rows.int(0, 1), let user = rows.text(0, 2), let service = rows.text(0, 3),
            let account = rows.text(0, 4), let fence = rows.int(0, 6),
            let syncID = rows.int(0, 7)
        else { throw StoreError(.unexpectedReply, "begin_run gave a row with a missing value") }
        var credential: StoredCredential?
        if let kind = rows.text(0, 8), let version = rows.int(0, 9), let ciphertext = rows.bytes(0, 10) {
            credential = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
        }
        var slices: [SliceState] = []
        for row in 0..<rows.count where !rows.isNull(row, 11) {
            var slice = try SliceState(rows, row: row, column: 11, partition: "")
            slice.isReadByThisJob = rows.bool(row, 20) == true
            slices.append(slice)
        }
        self = .opened(
            OpenRun(
                integrationID: id, key: IntegrationKey(userID: user, service: service, account: account),
                configuration: Self.members(rows.text(0, 5) ?? ""), fence: fence, syncID: syncID,
                credential: credential,
                slices: slices))
    }
}

extension RunStart {
    static func members(_ text: String) -> [String: String] {
        var members: [String: String] = [:]
        for pair in text.split(separator: "\u{1E}") {
            let halves = pair.split(separator: "\u{1F}", maxSplits: 1, omittingEmptySubsequences: false)
            if halves.count == 2 { members[String(halves[0])] = String(halves[1]) }
        }
        return members
    }
}

extension SliceState {
    /// Reads a state whose columns begin at `column`: the stream, the partition unless it is given, cursor, …
    init(_ rows: PostgresRows, row: Int, column: Int, partition known: String? = nil) throws(StoreError) {
        let next = known == nil ? column + 2 : column + 1
        guard let stream = rows.text(row, column), let partition = known ?? rows.text(row, column + 1),
            let phase = rows.text(row, next + 4).flatMap(Phase.init(rawValue:)),
            let generation = rows.int(row, next + 5), let page = rows.int(row, next + 7)
        else { throw StoreError(.unexpectedReply, "a row of sync_state has a missing or unknown value") }
        self.init(stream: stream, partition: partition)
        self.cursor = rows.text(row, next).map {
            StoredCursor(text: $0, order: rows.int(row, next + 1))
        }
        self.pending = rows.text(row, next + 2).map {
            StoredCursor(text: $0, order: rows.int(row, next + 3))
        }
        self.phase = phase
        self.generation = generation
        self.position = rows.text(row, next + 6)
        self.page = page
    }
}

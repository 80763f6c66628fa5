// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// What became of a wish to have an action done.
public enum ActionAcceptance: Sendable, Equatable {
    /// A new row, or the one that an equal wish with the same key made before.
    case accepted(id: Int64, isNew: Bool, status: String)
    /// Another wish has the key.
    case keyInUse(by: Int64)
    /// There is no such integration, or it is being erased.
    case unknownIntegration
}

/// An attempt of an action that is open.
public struct OpenAction: Sendable {
    /// The action's row.
    public let id: Int64
    /// The integration it is for.
    public let integrationID: Int64
    /// The integration's names.
    public let key: IntegrationKey
    /// The members of the integration's `config`: text as it is, other values as their JSON.
    public let configuration: [String: String]
    /// What proves to the provider who asks; nil when none is stored.
    public let credential: StoredCredential?
    /// The attempt's row of the sync log.
    public let syncID: Int64
    /// What is to be done.
    public let name: String
    /// What it takes: a JSON object.
    public let input: [UInt8]
    /// What tells the wish from every other one.
    public let idempotencyKey: String
    /// Counts the attempts that started; the newest one alone may send.
    public let attempt: Int64
    /// How long ago a request went out of which nobody knows whether it took effect; nil when there is none.
    public let doubt: Duration?
}

/// What became of an attempt that wanted to start.
public enum ActionStart: Sendable {
    case opened(OpenAction)
    /// There is no such action of this integration.
    case unknown
    /// The action has ended.
    case done
    /// The integration has this status; the action has ended because of it.
    case inactive(status: String)
}

/// How an attempt ends.
public struct ActionEnd: Sendable, Equatable {
    /// What the action is from now on.
    public enum Status: String, Sendable {
        /// A later attempt begins it.
        case requested
        /// A later attempt finds out whether it took effect.
        case running
        case succeeded
        case failed
        /// Nobody knows whether it took effect, and nothing more is done about it.
        case unknown
    }

    /// The action's status.
    public var status: Status
    /// What it gave: a JSON object.
    public var result: [UInt8]?
    /// A word for programs, when it did not succeed.
    public var code: String?
    /// For the user.
    public var message: String?
    /// For the operator.
    public var detail: String?
    /// Whether a request is out of which nobody knows whether it took effect.
    public var isInDoubt = false
    /// Until the next attempt; for `requested` and `running`.
    public var wait: Duration?
    /// How the attempt's row of the sync log ends.
    public var log: RunEnd.Status

    /// An end.
    public init(_ status: Status, log: RunEnd.Status) {
        self.status = status
        self.log = log
    }
}

/// An action as an operator sees it.
public struct ActionSummary: Sendable {
    /// The row's id.
    public let id: Int64
    /// The integration it is for.
    public let integrationID: Int64
    /// The integration's names.
    public let key: IntegrationKey
    /// What is to be done.
    public let name: String
    /// `requested`, `running`, `succeeded`, `failed` or `unknown`.
    public let status: String
    /// What it takes: a JSON object.
    public let input: String
    /// What it gave: a JSON object; nil before it succeeded.
    public let result: String?
    /// A word for programs; nil when nothing went wrong.
    public let errorCode: String?
    /// A sentence for the user; nil when nothing went wrong.
    public let errorMessage: String?
    /// What an operator needs to know; nil when nothing went wrong.
    public let errorDetail: String?
    /// Attempts that started.
    public let attempts: Int64
    /// What tells the wish from every other one.
    public let idempotencyKey: String
    /// When it was accepted.
    public let createdAt: Timestamp
    /// When it ended; nil before that.
    public let completedAt: Timestamp?
}

/// The actions of the ledger.
public struct ActionStore: Sendable {
    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        self.init(SyncStore(pool: pool))
    }

    /// The actions of the same ledger.
    public init(_ store: SyncStore) {
        self.store = store
    }

    /// Accepts an action: from here on it is done, whatever happens to Redis. A key that is known gives its row.
    public func request(
        _ name: String, input: [UInt8], key: String, for integrationID: Int64
    ) async throws(StoreError) -> ActionAcceptance {
        try await accept(StoreSQL.actionRequest, name, input, key, integrationID) ?? .unknownIntegration
    }

    /// What a wish gives that cannot become a new action: the row of its key, as `request` would; nil when nothing has the key.
    public func repeated(
        _ name: String, input: [UInt8], key: String, for integrationID: Int64
    ) async throws(StoreError) -> ActionAcceptance? {
        try await accept(StoreSQL.actionRepeated, name, input, key, integrationID)
    }

    private func accept(
        _ sql: String, _ name: String, _ input: [UInt8], _ key: String, _ integrationID: Int64
    ) async throws(StoreError) -> ActionAcceptance? {
        let rows = try await store.query(
            sql, [.int(integrationID), .text(name), .jsonb(input), .text(key)])
        guard rows.count > 0 else { return nil }
        guard let id = rows.int(0, 0), let isNew = rows.bool(0, 1), let isSame = rows.bool(0, 2),
            let status = rows.text(0, 3)
        else { throw StoreError(.unexpectedReply, "an accepted action lacks a value") }
        return isSame ? .accepted(id: id, isNew: isNew, status: status) : .keyInUse(by: id)
    }

    /// Starts an attempt: takes the action from every earlier attempt, and opens its row of the sync log.
    public func begin(
        _ id: Int64, of integrationID: Int64, jobID: String, attempt: Int, worker: String,
        enqueuedAt: Timestamp?
    ) async throws(StoreError) -> ActionStart {
        let rows = try await store.query(
            StoreSQL.actionBegin,
            [
                .int(id), .int(integrationID), .text(jobID), .int(Int64(attempt)), .text(worker),
                .optional(enqueuedAt?.milliseconds),
            ], lockLimit: SyncStore.lockLimit)
        switch rows.text(0, 0) {
        case "opened": return .opened(try OpenAction(rows, id: id, integrationID: integrationID))
        case "unknown": return .unknown
        case "done": return .done
        case let status?: return .inactive(status: status)
        case nil: throw StoreError(.unexpectedReply, "begin_action gave no row")
        }
    }

    /// Notes that the action is about to be sent; false when it is not this attempt's any more, or its integration is out of
    /// service. With `isNoted` it only looks whether it still is. `restartsDoubt`: it is known that nothing came of the
    /// requests before.
    public func confirm(
        _ action: OpenAction, isNoted: Bool, restartsDoubt: Bool
    ) async throws(StoreError) -> Bool {
        let attempt: [PostgresParameter] = [.int(action.id), .int(action.attempt)]
        return try await store.query(
            isNoted ? StoreSQL.actionCheck : StoreSQL.actionConfirm,
            isNoted ? attempt : attempt + [.bool(restartsDoubt)]
        ).count > 0
    }

    /// Ends an attempt. False when a later one has begun; a success is noted all the same.
    public func finish(
        _ action: OpenAction, _ end: ActionEnd, apiCalls: Int, bytes: Int, throttled: Duration
    ) async throws(StoreError) -> Bool {
        let rows = try await store.query(
            StoreSQL.actionFinish,
            [
                .int(action.id), .int(action.attempt), .int(action.syncID), .text(end.status.rawValue),
                end.result.map { .jsonb($0) } ?? .null, .optional(end.code), .optional(end.message),
                .optional(end.detail), .bool(end.isInDoubt), .optional(end.wait?.wholeMilliseconds),
                .text(end.log.rawValue), .int(Int64(apiCalls)), .int(Int64(bytes)),
                .int(throttled.wholeMilliseconds),
            ], lockLimit: SyncStore.lockLimit)
        return rows.bool(0, 0) ?? false
    }

    /// Ends the action of a job that no attempt will continue: as unknown when it may have taken effect.
    public func end(ofJob id: String, as end: SyncStore.JobEnd) async throws(StoreError) {
        let texts =
            switch end {
            case .workerDied:
                [
                    "worker_died", "This was interrupted and could not be done.",
                    "the workers that tried this died, and its job became a dead letter",
                ]
            case .cancelled:
                ["cancelled", "This was cancelled.", "an operator cancelled the job while it ran"]
            }
        _ = try await store.query(StoreSQL.actionEndOfJob, [.text(id)] + texts.map { .text($0) })
    }

    /// Takes unfinished actions whose time has come to be enqueued again, by id and integration.
    public func sweep(limit: Int) async throws(StoreError) -> [(id: Int64, integrationID: Int64)] {
        let rows = try await store.query(StoreSQL.actionSweep, [.int(Int64(limit))])
        return (0..<rows.count).map { (rows.int($0, 0) ?? 0, rows.int($0, 1) ?? 0) }
    }

    /// Nil when there is no such action.
    public func find(_ id: Int64) async throws(StoreError) -> ActionSummary? {
        try await find([.int(id), .null, .null, .null, .int(1)]).first
    }

    /// Actions before an id, the newest first.
    public func list(
        integrationID: Int64?, status: String?, before id: Int64?, limit: Int
    ) async throws(StoreError) -> [ActionSummary] {
        try await find([
            .null, .optional(integrationID), .optional(status), .optional(id), .int(Int64(limit)),
        ])
    }

    private func find(_ parameters: [PostgresParameter]) async throws(StoreError) -> [ActionSummary] {
        let rows = try await store.query(StoreSQL.actionFind, parameters)
        return (0..<rows.count).map { row in
            ActionSummary(
                id: rows.int(row, 0) ?? 0, integrationID: rows.int(row, 1) ?? 0,
                key: IntegrationKey(
                    userID: rows.text(row, 2) ?? "", service: rows.text(row, 3) ?? "",
                    account: rows.text(row, 4) ?? ""),
                name: rows.text(row, 5) ?? "", status: rows.text(row, 6) ?? "",
                input: rows.text(row, 7) ?? "{}",
                result: rows.text(row, 8), errorCode: rows.text(row, 9), errorMessage: rows.text(row, 10),
                errorDetail: rows.text(row, 11), attempts: rows.int(row, 12) ?? 0,
                idempotencyKey: rows.text(row, 13) ?? "",
                createdAt: rows.timestamp(row, 14) ?? Timestamp(seconds: 0),
                completedAt: rows.timestamp(row, 15))
        }
    }
}

extension OpenAction {
    init(_ rows: PostgresRows, id: Int64, integrationID: Int64) throws(StoreError) {
        guard let user = rows.text(0, 1), let service = rows.text(0, 2), let account = rows.text(0, 3),
            let syncID = rows.int(0, 5), let name = rows.text(0, 9), let input = rows.text(0, 10),
            let idempotencyKey = rows.text(0, 11), let attempt = rows.int(0, 12)
        else { throw StoreError(.unexpectedReply, "begin_action gave a row with a missing value") }
        self.id = id
        self.integrationID = integrationID
        key = IntegrationKey(userID: user, service: service, account: account)
        configuration = RunStart.members(rows.text(0, 4) ?? "")
        if let kind = rows.text(0, 6), let version = rows.int(0, 7), let ciphertext = rows.bytes(0, 8) {
            credential = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
        } else {
            credential = nil
        }
        self.syncID = syncID
        self.name = name
        self.input = Array(input.utf8)
        self.idempotencyKey = idempotencyKey
        self.attempt = attempt
        doubt = rows.int(0, 13).map { .milliseconds(max(0, $0)) }
    }
}

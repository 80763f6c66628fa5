// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// An alert as an operator sees it.
public struct AlertSummary: Sendable, Equatable {
    /// The alert's number.
    public let id: Int64
    /// A word for programs: what kind of trouble it is.
    public let kind: String
    /// The service that it is about; nil when it is about none.
    public let service: String?
    /// The integration that it is about; nil when it is about none.
    public let integrationID: Int64?
    /// The queue or schedule that it is about; empty when it is about none.
    public let subject: String
    /// When it was opened.
    public let openedAt: Timestamp
    /// When its cause was over; nil while it is open.
    public let resolvedAt: Timestamp?
    /// What is wrong, in a few words.
    public let title: String
    /// What is wrong, and what to do.
    public let detail: String
}

/// What an alert of a scheduler is about.
public struct AlertCause: Sendable, Hashable {
    /// A word for programs: what kind of trouble it is.
    public let kind: String
    /// The service; nil when it is about none.
    public let service: String?
    /// The queue or schedule; empty when it is about none.
    public let subject: String

    /// A cause.
    public init(kind: String, service: String? = nil, subject: String = "") {
        self.kind = kind
        self.service = service
        self.subject = subject
    }
}

/// An alert that schedulers watch: open, or resolved not long ago.
public struct AlertState: Sendable, Equatable {
    /// The alert's number.
    public let id: Int64
    /// What it is about.
    public let cause: AlertCause
    /// When its cause was seen last.
    public let seenAt: Timestamp
    /// When its cause was over; nil while it is open.
    public let resolvedAt: Timestamp?

    /// The state of an alert.
    public init(id: Int64, cause: AlertCause, seenAt: Timestamp, resolvedAt: Timestamp? = nil) {
        self.id = id
        self.cause = cause
        self.seenAt = seenAt
        self.resolvedAt = resolvedAt
    }
}

/// What the ledger tells of a trouble, before a rule says whether it is one.
public struct AlertSign: Sendable, Equatable {
    /// What it is about.
    public let cause: AlertCause
    /// How often it was seen.
    public let count: Int64
    /// The newest slot, of a schedule.
    public let slot: Timestamp?

    /// A sign.
    public init(cause: AlertCause, count: Int64, slot: Timestamp? = nil) {
        self.cause = cause
        self.count = count
        self.slot = slot
    }
}

/// The alerts of the ledger.
public struct AlertStore: Sendable {
    let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The time when it is the caller's turn to look; nil when another scheduler had it less than `interval` ago.
    public func turn(every interval: Duration) async throws(StoreError) -> Timestamp? {
        try await store.query(StoreSQL.alertTurn, [.int(interval.wholeMilliseconds)]).timestamp(0, 0)
    }

    /// Requests that failed within `errors`, by service, and slots that came late within `slots`, by schedule.
    public func signs(errors: Duration, slots: Duration) async throws(StoreError) -> [AlertSign] {
        let rows = try await store.query(
            StoreSQL.alertSigns, [.int(errors.wholeMilliseconds), .int(slots.wholeMilliseconds)])
        return (0..<rows.count).map { row in
            AlertSign(
                cause: AlertCause(
                    kind: rows.text(row, 0) ?? "", service: rows.text(row, 1),
                    subject: rows.text(row, 2) ?? ""),
                count: rows.int(row, 3) ?? 0, slot: rows.timestamp(row, 4))
        }
    }

    /// Alerts of these kinds that are open, or were resolved within that time.
    public func states(
        of kinds: [String], resolvedWithin cooldown: Duration
    ) async throws(StoreError) -> [AlertState] {
        let rows = try await store.query(
            StoreSQL.alertStates,
            [.textArray(kinds.map { Array($0.utf8) }), .int(cooldown.wholeMilliseconds)])
        return (0..<rows.count).map { row in
            AlertState(
                id: rows.int(row, 0) ?? 0,
                cause: AlertCause(
                    kind: rows.text(row, 1) ?? "", service: rows.text(row, 2),
                    subject: rows.text(row, 3) ?? ""),
                seenAt: rows.timestamp(row, 4) ?? Timestamp(seconds: 0), resolvedAt: rows.timestamp(row, 5))
        }
    }

    /// Opens an alert and returns its number; nil when one of its cause is open, or was resolved within `cooldown`.
    public func open(
        _ cause: AlertCause, title: String, detail: String, cooldown: Duration
    ) async throws(StoreError) -> Int64? {
        let rows = try await store.query(
            StoreSQL.alertOpen,
            [
                .text(cause.kind), .optional(cause.service), .text(cause.subject), .text(title),
                .text(detail), .int(cooldown.wholeMilliseconds),
            ])
        return rows.count > 0 ? rows.int(0, 0) : nil
    }

    /// Notes that the causes of open alerts are still there.
    public func seen(_ ids: [Int64]) async throws(StoreError) {
        _ = try await store.query(StoreSQL.alertSeen, [.intArray(ids)])
    }

    /// Resolves those whose cause nobody has seen for that long; their numbers.
    public func resolve(_ ids: [Int64], unseenFor hold: Duration) async throws(StoreError) -> [Int64] {
        let rows = try await store.query(
            StoreSQL.alertResolve, [.intArray(ids), .int(hold.wholeMilliseconds)])
        return (0..<rows.count).compactMap { rows.int($0, 0) }
    }

    /// Resolves alerts of integrations whose cause ended on a way that resolves none; their numbers.
    public func settleStale() async throws(StoreError) -> [Int64] {
        let rows = try await store.query(StoreSQL.alertSettleStale, [])
        return (0..<rows.count).compactMap { rows.int($0, 0) }
    }

    /// Alerts before a number, the newest first, with what became of telling them; only open ones unless `all`.
    public func list(
        all: Bool, before id: Int64?, limit: Int
    ) async throws(StoreError) -> [(alert: AlertSummary, told: String?)] {
        let rows = try await store.query(
            StoreSQL.alertList, [.bool(all), .optional(id), .int(Int64(limit))])
        return (0..<rows.count).map { (AlertSummary(rows, row: $0, column: 0), rows.text($0, 9)) }
    }
}

extension AlertSummary {
    /// Reads an alert whose columns begin at `column`.
    init(_ rows: PostgresRows, row: Int, column: Int) {
        self.init(
            id: rows.int(row, column) ?? 0, kind: rows.text(row, column + 1) ?? "",
            service: rows.text(row, column + 2), integrationID: rows.int(row, column + 3),
            subject: rows.text(row, column + 4) ?? "",
            openedAt: rows.timestamp(row, column + 5) ?? Timestamp(seconds: 0),
            resolvedAt: rows.timestamp(row, column + 6), title: rows.text(row, column + 7) ?? "",
            detail: rows.text(row, column + 8) ?? "")
    }
}

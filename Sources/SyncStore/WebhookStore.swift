// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// A notification that was proved to be its provider's, and is to be kept.
public struct IncomingWebhook: Sendable {
    /// The service.
    public var service: String
    /// The integration that it was sent for; nil: those that have `account`.
    public var integrationID: Int64?
    /// The account as the provider names it; empty when it names none.
    public var account: String
    /// What no other event of the account has.
    public var eventID: String
    /// What kind of event it is.
    public var eventType: String
    /// The body as it came.
    public var raw: [UInt8]
    /// What a notification without content is about.
    public var slice: WebhookSlice?
    /// Whether `account` is proved, as the body is. Events of accounts that are not, and that no integration has, are not told
    /// apart by them.
    public var isAccountProved: Bool

    /// A notification to be kept.
    public init(
        service: String, integrationID: Int64?, account: String, eventID: String, eventType: String,
        raw: [UInt8], slice: WebhookSlice? = nil, isAccountProved: Bool = true
    ) {
        self.service = service
        self.integrationID = integrationID
        self.account = account
        self.eventID = eventID
        self.eventType = eventType
        self.raw = raw
        self.slice = slice
        self.isAccountProved = isAccountProved
    }
}

/// A stream, or one parent's part of it.
public struct WebhookSlice: Sendable, Hashable {
    /// The stream's name.
    public let stream: String
    /// The parent's external id; empty for a stream without a parent.
    public let partition: String

    /// The slice of a stream.
    public init(stream: String, partition: String = "") {
        self.stream = stream
        self.partition = partition
    }
}

/// An event that a job is to be enqueued for.
public struct DueWebhook: Sendable, Hashable {
    /// The row.
    public let id: Int64
    /// The integration that it concerns.
    public let integrationID: Int64

    /// An event of an integration.
    public init(id: Int64, integrationID: Int64) {
        self.id = id
        self.integrationID = integrationID
    }
}

/// A notification that was kept for an integration, or was taken up again after it had failed.
public struct KeptWebhook: Sendable {
    /// What a job has to be enqueued for; nil when no integration has its account.
    public let due: DueWebhook?
    /// The service that it is of.
    public let service: String
    /// Which event it is.
    public let eventID: String
}

/// An event that a run works on.
public struct TakenWebhook: Sendable {
    /// The row.
    public let id: Int64
    /// What kind of event it is.
    public let eventType: String
    /// The body as it came.
    public let raw: [UInt8]
    /// What a notification without content is about.
    public let slice: WebhookSlice?
}

/// What proves the notifications of one integration.
public struct WebhookTarget: Sendable {
    /// The integration's account.
    public let account: String
    /// Its credential; nil when it has none.
    public let credential: StoredCredential?
}

/// A channel by which a provider notifies.
public struct WebhookChannel: Sendable {
    /// The integration that is watched.
    public let integrationID: Int64
    /// The integration's account.
    public let account: String
    /// What is watched.
    public let slice: WebhookSlice
    /// The hash of what the provider proves itself with.
    public let tokenHash: [UInt8]
    /// What the provider calls the watched thing; nil until it has answered.
    public let resourceID: String?
}

/// The notifications of the ledger.
public struct WebhookStore: Sendable {
    /// What becomes of an event.
    public enum Outcome: String, Sendable {
        case received
        case done
        case failed
        case ignored
    }

    let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Keeps notifications, all of them or none, each once. Returns the new ones, and those that had failed.
    ///
    /// Texts must be without NUL. When the connection is lost it is not known whether they were kept; asking again does no
    /// harm.
    public func accept(_ events: [IncomingWebhook]) async throws(StoreError) -> [KeptWebhook] {
        func texts(_ value: (IncomingWebhook) -> String?) -> PostgresParameter {
            .textArray(events.map { value($0).map { Array($0.utf8) } })
        }
        let rows = try await store.query(
            StoreSQL.webhookAccept,
            [
                texts(\.service), .intArray(events.map(\.integrationID)), texts(\.account), texts(\.eventID),
                texts(\.eventType), .byteaArray(events.map(\.raw)), texts { $0.slice?.stream },
                texts { $0.slice?.partition }, .boolArray(events.map(\.isAccountProved)),
            ], deadline: Self.acceptLimit, lockLimit: Self.acceptLimit)
        return (0..<rows.count).map {
            let due = DueWebhook(id: rows.int($0, 0) ?? 0, integrationID: rows.int($0, 1) ?? 0)
            return KeptWebhook(
                due: rows.bool($0, 2) == true ? due : nil, service: rows.text($0, 3) ?? "",
                eventID: rows.text($0, 4) ?? "")
        }
    }

    /// Whether an integration has events to be taken.
    public func hasPending(of integrationID: Int64, ref: Int64) async throws(StoreError) -> Bool {
        let rows = try await store.query(StoreSQL.webhookPending, [.int(integrationID), .int(ref)])
        return rows.bool(0, 0) ?? false
    }

    /// Gives the oldest open events to a run, or the named one alone. Throws `staleFence` for a run that is not the newest.
    public func take(
        for run: OpenRun, ref: Int64, onlyRef: Bool, limit: Int
    ) async throws(StoreError) -> [TakenWebhook] {
        let rows = try await store.query(
            StoreSQL.webhookTake,
            [.int(run.integrationID), .int(run.fence), .int(ref), .bool(onlyRef), .int(Int64(limit))],
            lockLimit: SyncStore.lockLimit)
        return (0..<rows.count).map { row in
            TakenWebhook(
                id: rows.int(row, 0) ?? 0, eventType: rows.text(row, 1) ?? "", raw: rows.bytes(row, 2) ?? [],
                slice: rows.text(row, 3).map {
                    WebhookSlice(stream: $0, partition: rows.text(row, 4) ?? "")
                })
        }
    }

    /// Says what became of events that a run had taken.
    public func settle(
        _ ids: [Int64], of integrationID: Int64, as outcome: Outcome, error: String? = nil
    ) async throws(StoreError) {
        guard !ids.isEmpty else { return }
        _ = try await store.query(
            StoreSQL.webhookSettle,
            [.int(integrationID), .intArray(ids), .text(outcome.rawValue), .optional(error)])
    }

    /// Gives one open event up.
    public func fail(_ id: Int64, error: String) async throws(StoreError) {
        _ = try await store.query(StoreSQL.webhookFail, [.int(id), .text(error)])
    }

    /// Integrations with events that no job can be counted on for, with the event that a new job is to name.
    public func sweep(limit: Int) async throws(StoreError) -> [DueWebhook] {
        let rows = try await store.query(StoreSQL.webhookSweep, [.int(Int64(limit))])
        return (0..<rows.count).map {
            DueWebhook(id: rows.int($0, 1) ?? 0, integrationID: rows.int($0, 0) ?? 0)
        }
    }

    /// What proves the notifications of an integration; nil when the service has no such integration.
    public func target(
        _ integrationID: Int64, of service: String
    ) async throws(StoreError) -> WebhookTarget? {
        let rows = try await store.query(
            StoreSQL.webhookTarget, [.int(integrationID), .text(service)], deadline: Self.acceptLimit)
        guard rows.count > 0, let account = rows.text(0, 0) else { return nil }
        var credential: StoredCredential?
        if let kind = rows.text(0, 1), let version = rows.int(0, 2), let ciphertext = rows.bytes(0, 3) {
            credential = StoredCredential(kind: kind, version: version, ciphertext: ciphertext)
        }
        return WebhookTarget(account: account, credential: credential)
    }

    /// The channel of that id; nil when the service has no such channel.
    public func channel(_ id: String, of service: String) async throws(StoreError) -> WebhookChannel? {
        let rows = try await store.query(
            StoreSQL.webhookChannel, [.text(id), .text(service)], deadline: Self.acceptLimit)
        guard rows.count > 0, let integrationID = rows.int(0, 0), let account = rows.text(0, 1),
            let stream = rows.text(0, 2), let partition = rows.text(0, 3), let hash = rows.bytes(0, 4)
        else { return nil }
        return WebhookChannel(
            integrationID: integrationID, account: account,
            slice: WebhookSlice(stream: stream, partition: partition), tokenHash: hash,
            resourceID: rows.text(0, 5))
    }

    /// A provider waits for the answer, Slack for three seconds.
    private static let acceptLimit: Duration = .milliseconds(2_500)
}

// SPDX-License-Identifier: Apache-2.0

public import Model
public import PostgresClient

/// One request to a provider, as the request log keeps it. Nothing of it is secret.
public struct APILogRow: Sendable, Equatable {
    /// Whose request it was; nil for one of no integration.
    public var integrationID: Int64?
    /// The run that it belongs to: `sync_log.id`; nil for one of no run.
    public var runID: Int64?
    /// The service's name.
    public var service: String
    /// `GET`, `POST` and so on.
    public var method: String
    /// The endpoint without what differs from object to object.
    public var endpoint: String
    /// The status of the response; nil when there was none.
    public var statusCode: Int?
    /// From the first byte sent to the last one read.
    public var duration: Duration
    /// The length of the decoded body.
    public var bytes: Int
    /// The provider's own name of the request.
    public var requestID: String?
    /// What the outcome means; nil for a success.
    public var error: ErrorClass?

    /// A request without a response so far.
    public init(service: String, method: String, endpoint: String, duration: Duration) {
        self.service = service
        self.method = method
        self.endpoint = endpoint
        self.duration = duration
        bytes = 0
    }
}

/// The table `api_log`.
public struct APILogStore: Sendable {
    private let store: SyncStore

    /// A log is worth no longer wait than this.
    private static let deadline: Duration = .seconds(3)
    /// As long as writers may have to wait while a day is dropped.
    private static let lockLimit: Duration = .seconds(2)

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// Adds rows in one statement, each with the time since its request was sent. Whether they were written is not known
    /// after an error.
    public func write(_ rows: [(row: APILogRow, age: Duration)]) async throws(StoreError) {
        func text(_ value: String) -> [UInt8] { Array(value.utf8.prefix(Self.longestText)) }
        _ = try await store.query(
            StoreSQL.apiLogWrite,
            [
                .intArray(rows.map { $0.age.wholeMilliseconds }), .intArray(rows.map(\.row.integrationID)),
                .textArray(rows.map { text($0.row.service) }), .textArray(rows.map { text($0.row.method) }),
                .textArray(rows.map { text($0.row.endpoint) }),
                .intArray(rows.map { $0.row.statusCode.map(Int64.init) }),
                .intArray(rows.map { min($0.row.duration.wholeMilliseconds, Int64(Int32.max)) }),
                .intArray(rows.map { Int64($0.row.bytes) }),
                .textArray(rows.map { $0.row.requestID.flatMap(Self.requestID) }),
                .textArray(rows.map { $0.row.error.map { text($0.rawValue) } }),
                .intArray(rows.map(\.row.runID)),
            ], deadline: Self.deadline, lockLimit: Self.lockLimit)
    }

    /// Longer texts are cut: a manifest's own path is far shorter.
    private static let longestText = 200

    /// An id comes from outside: only visible ASCII is kept, and not much of it; nil when nothing is left.
    static func requestID(_ text: String) -> [UInt8]? {
        let kept = text.utf8.lazy.filter { $0 > 0x20 && $0 < 0x7F }.prefix(100)
        return kept.isEmpty ? nil : Array(kept)
    }
}

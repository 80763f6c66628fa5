// SPDX-License-Identifier: Apache-2.0

import PostgresClient

/// What an action takes and gave, as somebody reads it: indented, and cut where it is long.
public struct ActionContent: Sendable {
    /// The beginning of a JSON object, and how many bytes the whole has.
    public struct Part: Sendable {
        /// The beginning.
        public let text: String
        /// The size of the whole, without the indents.
        public let byteCount: Int64
        /// Whether `text` is all of it.
        public let isWhole: Bool
    }

    /// What it takes.
    public let input: Part
    /// What it gave; nil before it succeeded.
    public let result: Part?
}

/// Which actions somebody wants to see; what is nil does not matter.
public struct ActionFilter: Sendable {
    /// What an action can be.
    public static let statuses = ["requested", "running", "succeeded", "failed", "unknown"]

    /// The integration.
    public var integration: Int64?
    /// The service of the integration.
    public var service: String?
    /// The user of the integration.
    public var userID: String?
    /// One of `statuses`.
    public var status: String?
    /// What is to be done.
    public var name: String?

    /// All actions, unless something is named.
    public init(
        integration: Int64? = nil, service: String? = nil, userID: String? = nil, status: String? = nil,
        name: String? = nil
    ) {
        self.integration = integration
        self.service = service
        self.userID = userID
        self.status = status
        self.name = name
    }
}

extension LedgerReader {
    /// Actions before an id, the newest first, without what they take and gave.
    public func actions(
        _ filter: ActionFilter = ActionFilter(), before id: Int64, limit: Int
    ) async throws(StoreError) -> [Item] {
        try await items(
            StoreSQL.readActions,
            [
                .optional(filter.integration), .optional(filter.status), .optional(filter.name), .int(id),
                .int(Int64(limit)), .optional(filter.service), .optional(filter.userID),
            ])
    }

    /// One action, with what it takes and gave; nil when there is none.
    public func action(_ id: Int64) async throws(StoreError) -> Item? {
        try await items(StoreSQL.readAction, [.int(id)]).first
    }

    /// One action as the list gives it, without what it takes and gave; nil when there is none.
    public func actionSummary(_ id: Int64) async throws(StoreError) -> Item? {
        guard id < Int64.max else { return nil }
        return try await actions(before: id + 1, limit: 1).first { $0.id == id }
    }

    /// What an action takes and gave, up to `limit` characters of each; nil when there is none.
    public func content(ofAction id: Int64, limit: Int) async throws(StoreError) -> ActionContent? {
        let rows = try await store.query(StoreSQL.readActionContent, [.int(id), .int(Int64(limit))])
        guard rows.count > 0 else { return nil }
        func part(_ column: Int) -> ActionContent.Part? {
            guard let text = rows.text(0, column), let bytes = rows.int(0, column + 1) else { return nil }
            return ActionContent.Part(
                text: text, byteCount: bytes, isWhole: rows.bool(0, column + 2) ?? false)
        }
        guard let input = part(0) else {
            throw StoreError(.unexpectedReply, "an action has no input")
        }
        return ActionContent(input: input, result: part(3))
    }
}

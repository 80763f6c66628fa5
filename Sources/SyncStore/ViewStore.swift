// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// SQL views of typed fields, for people who write SQL: `stripe.customers(id, …, email, created)`.
public struct ViewStore: Sendable {
    /// A column of a view.
    public struct Column: Sendable, Equatable {
        /// The column's name.
        public let name: String
        /// The member names that lead to the value in a record.
        public let path: [String]
        /// `text`, `integer`, `number`, `boolean`, `json`, `epoch_seconds`, `epoch_milliseconds` or `rfc3339`.
        public let type: String

        /// A column that shows the value at `path`.
        public init(name: String, path: [String], type: String) {
            self.name = name
            self.path = path
            self.type = type
        }
    }

    private let store: SyncStore

    /// A store on that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        store = SyncStore(pool: pool)
    }

    /// The name of a stream's view: the service's name, with `_` for `-`, is its schema.
    public static func name(service: String, stream: String) -> (schema: String, view: String) {
        (String(service.map { $0 == "-" ? "_" : $0 }), stream)
    }

    /// Makes the view of a stream, or brings it up to date: `created`, `changed` or `unchanged`. Grants on it stay.
    public func put(
        service: String, stream: String, columns: [Column]
    ) async throws(StoreError) -> String {
        let rows = try await store.query(
            StoreSQL.viewPut,
            [
                .text(Self.name(service: service, stream: stream).schema), .text(service), .text(stream),
                .textArray(columns.map { Array($0.name.utf8) }),
                .textArray(columns.map { Array(Self.literal($0.path).utf8) }),
                .textArray(columns.map { Array($0.type.utf8) }),
            ])
        return rows.text(0, 0) ?? ""
    }

    /// Drops the views that lockstep made and that are not among these; gives their names.
    public func dropOthers(
        than kept: [(service: String, stream: String)]
    ) async throws(StoreError) -> [String] {
        let names = kept.map { entry in
            let name = Self.name(service: entry.service, stream: entry.stream)
            return Array("\(name.schema).\(name.view)".utf8)
        }
        let rows = try await store.query(StoreSQL.viewsDrop, [.textArray(names)])
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    /// A text[] literal; each element is quoted.
    private static func literal(_ path: [String]) -> String {
        let elements = path.map { element in
            "\"" + element.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
        }
        return "{\(elements.joined(separator: ","))}"
    }
}

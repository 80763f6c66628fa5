// SPDX-License-Identifier: Apache-2.0

/// One statement with its values, as a pipeline takes them.
public struct PostgresStatement: Sendable {
    /// One statement, with `$1`, `$2` and so on for its parameters.
    public let sql: String
    /// The values, in the order of their numbers.
    public let parameters: [PostgresParameter]

    /// A statement that was not sent yet.
    public init(_ sql: String, _ parameters: [PostgresParameter] = []) {
        self.sql = sql
        self.parameters = parameters
    }

    var hasForbiddenNUL: Bool {
        sql.utf8.contains(0) || parameters.contains(where: \.hasForbiddenNUL)
    }
}

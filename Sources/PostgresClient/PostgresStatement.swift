// SPDX-License-Identifier: Apache-2.0

/// One statement with its values, as a pipeline takes them.
public struct PostgresStatement: Sendable {
    public let sql: String
    public let parameters: [PostgresParameter]

    public init(_ sql: String, _ parameters: [PostgresParameter] = []) {
        self.sql = sql
        self.parameters = parameters
    }

    var hasForbiddenNUL: Bool {
        sql.utf8.contains(0) || parameters.contains(where: \.hasForbiddenNUL)
    }
}

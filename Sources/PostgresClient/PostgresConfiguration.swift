// SPDX-License-Identifier: Apache-2.0

/// Where the server is and how much of it the pool may use.
public struct PostgresConfiguration: Sendable {
    /// A connection URI or keyword string as libpq reads it, for example `postgresql://user@host/db`.
    public let url: String
    /// The most connections the pool opens; at least 1.
    public var maxConnections = 8
    /// How long making a connection may take.
    public var connectTimeout: Duration = .seconds(5)
    /// How long a statement may take when its caller sets no deadline.
    public var statementTimeout: Duration = .seconds(30)
    /// How long a caller waits for a free connection.
    public var checkoutTimeout: Duration = .seconds(10)
    /// The name that `pg_stat_activity` shows.
    public var applicationName = "lockstep"

    /// Throws `invalidInput` when the text is empty or has a NUL; libpq checks the rest when it connects.
    public init(url: String) throws(PostgresError) {
        guard !url.isEmpty, !url.utf8.contains(0) else {
            throw PostgresError(
                .invalidInput,
                "the database URL is empty; allowed: postgresql://user:password@host:port/database")
        }
        self.url = url
    }
}

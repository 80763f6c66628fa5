// SPDX-License-Identifier: Apache-2.0

import Model
public import PostgresClient

/// Asks the ledger whether runs can begin and commit, on a connection of its own, within seconds.
public struct LedgerProbe: Sendable {
    private let watched: PostgresPool
    private let pool: PostgresPool
    /// When the last check ended without any answer; nil when there was one.
    private let silentUntil = LockedBox<ContinuousClock.Instant?>(nil)

    /// How long the ledger may take to answer, each to connect and to reply.
    private static let limit: Duration = .seconds(3)
    /// How long a writer may have to wait for a table; shorter, so that the server says which it was.
    private static let lockLimit: Duration = .seconds(2)

    /// A probe of the database of `configuration`, for those who use `watched`.
    public init(_ configuration: PostgresConfiguration, watching watched: PostgresPool) {
        var own = configuration
        own.maxConnections = 1
        own.connectTimeout = Self.limit
        own.statementTimeout = Self.limit
        own.checkoutTimeout = Self.limit * 3
        pool = PostgresPool(configuration: own)
        self.watched = watched
    }

    /// Throws why the ledger cannot be used. `isFresh` asks on a new connection, which also tells whether there may be one.
    ///
    /// When it fails, the free connections of the pool it watches are closed: they may be as dead. When the ledger answers
    /// again after a silence, statements that still wait and began before its last check ended are given up.
    public func check(isFresh: Bool) async throws(StoreError) {
        if isFresh { await pool.closeIdle() }
        do throws(PostgresError) {
            _ = try await pool.query(StoreSQL.probe, lockLimit: Self.lockLimit)
            let silence = silentUntil.withLock { silentUntil in
                defer { silentUntil = nil }
                return silentUntil
            }
            if let silence { watched.loseStalled(after: .now - silence) }
        } catch {
            silentUntil.withLock { $0 = error.sqlstate == nil ? .now : nil }
            await pool.closeIdle()
            await watched.closeIdle()
            throw StoreError(mapping: error)
        }
    }

    /// Closes its connection.
    public func close() async {
        await pool.close()
    }
}

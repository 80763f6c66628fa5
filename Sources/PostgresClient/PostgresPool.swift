// SPDX-License-Identifier: Apache-2.0

import Model

/// Connections that many tasks share, first come first served.
///
/// Connections are made when they are needed. One that broke, or came back inside a transaction, is not used again.
public final class PostgresPool: Sendable {
    private let configuration: PostgresConfiguration
    private let state: LockedBox<PoolState>
    /// The connections that callers have.
    private let lent = LockedBox<[ObjectIdentifier: PostgresConnection]>([:])

    /// A pool that connects when it is first used.
    public init(configuration: PostgresConfiguration) {
        precondition(configuration.maxConnections >= 1, "a pool needs a connection")
        self.configuration = configuration
        state = LockedBox(PoolState(limit: configuration.maxConnections))
    }

    /// How long a statement may take that has no deadline of its own.
    public var statementTimeout: Duration { configuration.statementTimeout }

    /// Runs one statement on a free connection, as its own transaction.
    ///
    /// `lockLimit` is how long it may wait for what another session has locked; then it fails with SQLSTATE 55P03. With
    /// either limit the server gives the statement up as well, soon after its deadline or after its client; that costs the server a
    /// second small statement, in the same round trip.
    public func query(
        _ sql: String, _ parameters: [PostgresParameter] = [], deadline: Duration? = nil,
        lockLimit: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        let statement = PostgresStatement(sql, parameters)
        guard deadline != nil || lockLimit != nil else { return try await exchange([statement], nil)[0] }
        return try await exchange([limits(locks: lockLimit, longest: deadline), statement], deadline)[1]
    }

    /// Runs statements in one round trip, as one transaction, and returns the rows of each. The error of the first that fails is
    /// thrown, and nothing is kept.
    func pipeline(_ statements: [PostgresStatement]) async throws(PostgresError) -> [PostgresRows] {
        try await exchange(statements, nil)
    }

    private func exchange(
        _ statements: [PostgresStatement], _ deadline: Duration?
    ) async throws(PostgresError) -> [PostgresRows] {
        while true {
            let connection = try await take()
            lent.withLock { $0[ObjectIdentifier(connection)] = connection }
            let exchange = await connection.exchange(statements, deadline: deadline)
            await giveBack(connection, isUsable: exchange.isUsable)
            if let outcome = exchange.outcome { return try outcome.get() }
        }
    }

    /// Runs `body` in one transaction: committed when it returns, rolled back when it throws.
    ///
    /// `longest` is the longest deadline of its statements, where that is not the configuration's.
    ///
    /// Throws `commitUnknown` when the connection was lost while COMMIT was under way: only reading tells then.
    public func transaction<Result: Sendable>(
        longest: Duration? = nil, _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await checkOut()
        do {
            _ = try await connection.pipeline([PostgresStatement("BEGIN"), limits(longest: longest)])
            let result = try await body(connection)
            try await commit(connection)
            await checkIn(connection)
            return result
        } catch {
            if await connection.isOpen, await !connection.isIdle { await rollBack(connection) }
            await checkIn(connection)
            throw error
        }
    }

    /// Runs one transaction in two round trips, whatever it does in between: `opening` travels with BEGIN, and what
    /// `body` returns travels with COMMIT. Rolled back when anything throws.
    ///
    /// `lockLimit` is how long each statement may wait for what another session has locked, `longest` the longest deadline of
    /// its statements, where that is not the configuration's. Throws `commitUnknown` when
    /// the connection was lost while COMMIT was under way: only reading tells then.
    public func transaction(
        opening: [PostgresStatement], lockLimit: Duration? = nil, longest: Duration? = nil,
        _ body: (PostgresConnection, [PostgresRows]) async throws -> [PostgresStatement]
    ) async throws {
        let connection = try await checkOut()
        do {
            let rows = try await connection.pipeline(
                [PostgresStatement("BEGIN"), limits(locks: lockLimit, longest: longest)] + opening)
            let closing = try await body(connection, Array(rows.dropFirst(2)))
            do {
                _ = try await connection.pipeline(closing + [PostgresStatement("COMMIT")])
            } catch  where [.connectionLost, .timeout, .cancelled].contains(error.code) {
                throw Self.commitUnknown
            }
            await checkIn(connection)
        } catch {
            if await connection.isOpen, await !connection.isIdle { await rollBack(connection) }
            await checkIn(connection)
            throw error
        }
    }

    /// Closes the connections that nobody uses; the next callers make new ones. For after a trouble, which they may not have
    /// noticed.
    public func closeIdle() async {
        for connection in state.withLock({ $0.takeIdle() }) { await connection.close() }
    }

    /// Gives up the statements that have taken this long, as if their connections had been lost. For after an outage in which
    /// the server, or the way to it, vanished: their answers will not come, and their callers need not wait for deadlines.
    public func loseStalled(after limit: Duration) {
        for connection in lent.withLock({ Array($0.values) }) { connection.lose(after: limit) }
    }

    /// Closes the free connections now and the others when they come back; waiting callers fail with `closed`.
    public func close() async {
        let (idle, waiters) = state.withLock { $0.close() }
        for waiter in waiters { waiter.resume(.closed) }
        for connection in idle { await connection.close() }
    }

    /// What the server waits beyond a statement's deadline: the client cancels first, and knows why.
    private static let grace: Duration = .seconds(5)

    /// The limits of a transaction, for it alone, so that they hold through a pooler. A session whose client vanished would keep
    /// its locks until TCP notices, which takes hours by default: it may be idle in a transaction for 10 s. One whose
    /// client was killed while a statement runs would run it to its end: the server (14 or newer, on Linux) looks each 5 s whether
    /// the client is still there, and gives the statement up soon after its deadline in any case.
    private func limits(locks: Duration? = nil, longest: Duration? = nil) -> PostgresStatement {
        let longest = (longest ?? configuration.statementTimeout) + Self.grace
        return PostgresStatement(
            """
            SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
                set_config('lock_timeout', coalesce($1, current_setting('lock_timeout')), true),
                set_config('statement_timeout', $2, true),
                CASE WHEN current_setting('server_version_num')::integer >= 140000 AND version() LIKE '%linux%'
                    THEN set_config('client_connection_check_interval', '5s', true) END
            """,
            [.optional(locks.map { "\($0.wholeMilliseconds)ms" }), .text("\(longest.wholeMilliseconds)ms")])
    }

    private static let commitUnknown = PostgresError(
        .commitUnknown, "the connection was lost during COMMIT; its outcome is unknown")

    private func commit(_ connection: PostgresConnection) async throws(PostgresError) {
        do {
            _ = try await connection.query("COMMIT")
        } catch  where [.connectionLost, .timeout, .cancelled].contains(error.code) {
            throw Self.commitUnknown
        }
    }

    private func rollBack(_ connection: PostgresConnection) async {
        do {
            _ = try await connection.query("ROLLBACK", deadline: .seconds(5))
        } catch {
            // The server rolls back when the connection goes away.
            await connection.close()
        }
    }

    /// A connection that statements can be sent on.
    private func checkOut() async throws(PostgresError) -> PostgresConnection {
        while true {
            let connection = try await take()
            if await connection.isUsable {
                lent.withLock { $0[ObjectIdentifier(connection)] = connection }
                return connection
            }
            await giveBack(connection, isUsable: false)
        }
    }

    /// A connection that the server may have closed since it was used last.
    private func take() async throws(PostgresError) -> PostgresConnection {
        while true {
            switch state.withLock({ $0.take() }) {
            case .idle(let connection): return connection
            case .create:
                if let connection = try await create() { return connection }
            case .wait:
                if let connection = try await waitForTurn() { return connection }
            case .closed:
                throw PostgresError(.closed, "the pool is closed")
            }
        }
    }

    /// Makes a connection. When the server has too many, waits for one of this pool's; nil when none is left.
    private func create() async throws(PostgresError) -> PostgresConnection? {
        do {
            return try await PostgresConnection.connect(configuration)
        } catch {
            passOn(state.withLock { $0.forget() })
            guard error.sqlstate == "53300", state.withLock({ $0.hasOthers }) else { throw error }
        }
        return try await waitForTurn(forOthers: true)
    }

    /// Waits until a connection, or the right to make one, is handed over; nil for the latter.
    private func waitForTurn(forOthers: Bool = false) async throws(PostgresError) -> PostgresConnection? {
        let waiter = PoolWaiter()
        let timeout = Task { [state, limit = configuration.checkoutTimeout] in
            // Awaited by nobody: it ends when it is cancelled below, or after the limit.
            do { try await ContinuousClock().sleep(for: limit) } catch { return }
            if state.withLock({ $0.remove(waiter) }) { waiter.resume(.timedOut) }
        }
        defer { timeout.cancel() }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiter.suspend(continuation)
                if let handed = state.withLock({ $0.wait(waiter, forOthers: forOthers) }) {
                    waiter.resume(handed)
                }
                // The cancellation may have come before there was anything to take back.
                if Task.isCancelled, state.withLock({ $0.remove(waiter) }) { waiter.resume(.cancelled) }
            }
        } onCancel: {
            if state.withLock({ $0.remove(waiter) }) { waiter.resume(.cancelled) }
        }
        switch outcome {
        case .connection(let connection): return connection
        case .tryAgain: return nil
        case .timedOut:
            throw PostgresError(
                .poolExhausted,
                "no connection became free within \(configuration.checkoutTimeout); all \(configuration.maxConnections), or as many as the server allows, are in use"
            )
        case .cancelled: throw PostgresError(.cancelled, "cancelled while waiting for a connection")
        case .closed: throw PostgresError(.closed, "the pool is closed")
        }
    }

    private func checkIn(_ connection: PostgresConnection) async {
        await giveBack(connection, isUsable: connection.isUsable)
    }

    private func giveBack(_ connection: PostgresConnection, isUsable: Bool) async {
        lent.withLock { $0[ObjectIdentifier(connection)] = nil }
        if !isUsable { await connection.close() }
        passOn(state.withLock { isUsable ? $0.put(connection) : $0.forget() })
        if state.withLock({ $0.isClosed }) { await connection.close() }
    }

    private func passOn(_ handover: (PoolWaiter, PoolOutcome)?) {
        if let (waiter, outcome) = handover { waiter.resume(outcome) }
    }
}

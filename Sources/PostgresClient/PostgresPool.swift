// SPDX-License-Identifier: Apache-2.0

import Model

/// Connections that many tasks share, first come first served.
///
/// Connections are made when they are needed. One that broke, or came back inside a transaction, is not used again.
public final class PostgresPool: Sendable {
    private let configuration: PostgresConfiguration
    private let state: LockedBox<PoolState>

    /// A pool that connects when it is first used.
    public init(configuration: PostgresConfiguration) {
        precondition(configuration.maxConnections >= 1, "a pool needs a connection")
        self.configuration = configuration
        state = LockedBox(PoolState(limit: configuration.maxConnections))
    }

    /// Runs one statement on a free connection, as its own transaction.
    public func query(
        _ sql: String, _ parameters: [PostgresParameter] = [], deadline: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        let connection = try await checkOut()
        do {
            let rows = try await connection.query(sql, parameters, deadline: deadline)
            await checkIn(connection)
            return rows
        } catch {
            await checkIn(connection)
            throw error
        }
    }

    /// Runs `body` in one transaction: committed when it returns, rolled back when it throws.
    ///
    /// Throws `commitUnknown` when the connection was lost while COMMIT was under way: only reading tells then.
    public func transaction<Result: Sendable>(
        _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await checkOut()
        do {
            _ = try await connection.query("BEGIN")
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
    /// Throws `commitUnknown` when the connection was lost while COMMIT was under way: only reading tells then.
    public func transaction(
        opening: [PostgresStatement],
        _ body: (PostgresConnection, [PostgresRows]) async throws -> [PostgresStatement]
    ) async throws {
        let connection = try await checkOut()
        do {
            let rows = try await connection.pipeline([PostgresStatement("BEGIN")] + opening)
            let closing = try await body(connection, Array(rows.dropFirst()))
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

    /// Closes the free connections now and the others when they come back; waiting callers fail with `closed`.
    public func close() async {
        let (idle, waiters) = state.withLock { $0.close() }
        for waiter in waiters { waiter.resume(.closed) }
        for connection in idle { await connection.close() }
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

    private func checkOut() async throws(PostgresError) -> PostgresConnection {
        while true {
            switch state.withLock({ $0.take() }) {
            case .idle(let connection):
                if await connection.isUsable { return connection }
                await connection.close()
                passOn(state.withLock { $0.forget() })
            case .create:
                return try await create()
            case .wait:
                if let connection = try await waitForTurn() { return connection }
            case .closed:
                throw PostgresError(.closed, "the pool is closed")
            }
        }
    }

    private func create() async throws(PostgresError) -> PostgresConnection {
        do {
            return try await PostgresConnection.connect(configuration)
        } catch {
            passOn(state.withLock { $0.forget() })
            throw error
        }
    }

    /// Waits until a connection, or the right to make one, is handed over; nil for the latter.
    private func waitForTurn() async throws(PostgresError) -> PostgresConnection? {
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
                if let handed = state.withLock({ $0.wait(waiter) }) { waiter.resume(handed) }
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
                "no connection became free within \(configuration.checkoutTimeout); all \(configuration.maxConnections) are in use"
            )
        case .cancelled: throw PostgresError(.cancelled, "cancelled while waiting for a connection")
        case .closed: throw PostgresError(.closed, "the pool is closed")
        }
    }

    private func checkIn(_ connection: PostgresConnection) async {
        let isUsable = await connection.isUsable
        if !isUsable { await connection.close() }
        passOn(state.withLock { isUsable ? $0.put(connection) : $0.forget() })
        if state.withLock({ $0.isClosed }) { await connection.close() }
    }

    private func passOn(_ handover: (PoolWaiter, PoolWaiter.Outcome)?) {
        if let (waiter, outcome) = handover { waiter.resume(outcome) }
    }
}

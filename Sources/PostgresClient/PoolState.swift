// SPDX-License-Identifier: Apache-2.0

import Model

/// Who has which connection: the decisions of the pool, without its effects.
struct PoolState {
    enum Decision {
        case idle(PostgresConnection)
        /// The caller makes a connection; its place is reserved.
        case create
        case wait
        case closed
    }

    private let limit: Int
    private var idle: [PostgresConnection] = []
    /// Connections that exist or are being made.
    private var open = 0
    private var waiters: [PoolWaiter] = []
    private(set) var isClosed = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Takes a free connection, or the right to make one.
    mutating func take() -> Decision {
        if isClosed { return .closed }
        // The one used last has the warmest caches, and the others may grow old and be closed by the server.
        if let connection = idle.popLast() { return .idle(connection) }
        guard open < limit else { return .wait }
        open += 1
        return .create
    }

    /// Whether there are connections that will come free, or are about to be made.
    var hasOthers: Bool { open > 0 }

    /// Queues a waiter, unless something became free since `take`: then that is its outcome. `forOthers` waits for a
    /// connection of somebody else although the limit would allow another one.
    mutating func wait(_ waiter: PoolWaiter, forOthers: Bool) -> PoolOutcome? {
        if isClosed { return .closed }
        if let connection = idle.popLast() { return .connection(connection) }
        if forOthers, !hasOthers { return .tryAgain }
        if open < limit, !forOthers { return .tryAgain }
        waiters.append(waiter)
        return nil
    }

    /// Takes back a waiter that gives up; false when it was served already.
    mutating func remove(_ waiter: PoolWaiter) -> Bool {
        guard let index = waiters.firstIndex(where: { $0 === waiter }) else { return false }
        waiters.remove(at: index)
        return true
    }

    /// Gives a usable connection to the first waiter, or keeps it.
    mutating func put(_ connection: PostgresConnection) -> (PoolWaiter, PoolOutcome)? {
        if isClosed {
            open -= 1
            return nil
        }
        guard let waiter = nextWaiter() else {
            idle.append(connection)
            return nil
        }
        return (waiter, .connection(connection))
    }

    /// Forgets a connection that is gone; the first waiter may make another.
    mutating func forget() -> (PoolWaiter, PoolOutcome)? {
        open -= 1
        return nextWaiter().map { ($0, .tryAgain) }
    }

    /// Takes out all free connections; the caller closes them. While one is free nobody waits, so nobody has to be told.
    mutating func takeIdle() -> [PostgresConnection] {
        defer {
            open -= idle.count
            idle = []
        }
        return idle
    }

    /// Closes the pool; the caller closes the idle connections and wakes the waiters.
    mutating func close() -> (idle: [PostgresConnection], waiters: [PoolWaiter]) {
        isClosed = true
        defer {
            open -= idle.count
            idle = []
            waiters = []
        }
        return (idle, waiters)
    }

    private mutating func nextWaiter() -> PoolWaiter? {
        waiters.isEmpty ? nil : waiters.removeFirst()
    }
}

/// One task that waits for a connection. Whoever takes it out of `PoolState` resumes it.
typealias PoolWaiter = FirstAnswer<PoolOutcome>

/// What becomes of a task that waited for a connection.
enum PoolOutcome: Sendable {
    case connection(PostgresConnection)
    /// A place became free: the waiter asks again.
    case tryAgain
    case timedOut
    case cancelled
    case closed
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// Runs small statements of many callers together: what comes while transactions are under way waits for the next one, which
/// takes all of it. So a busy caller pays for few commits and few visits to a connection, and an idle one waits for nobody.
///
/// No caller hears of another's trouble: when the server refuses a group, nothing of it is kept, and each of its statements
/// runs again alone. A group waits only shortly for locks, so that a row that somebody holds delays nobody but its own caller.
public final class GroupCommit: Sendable {
    /// A statement, made for a limit of its waits for locks, as Postgres reads it.
    public typealias Maker = @Sendable (_ lockLimit: String) -> PostgresStatement

    private struct State {
        var waiting: [Member] = []
        var underWay = 0
    }

    private let pool: PostgresPool
    private let state = LockedBox(State())

    /// Transactions at a time. A second one begins while the first one waits for the disk.
    private static let transactions = 2
    /// Statements of one transaction; few enough that its locks are held for some milliseconds.
    private static let size = 32
    private static let lockLimit: Duration = .milliseconds(100)

    /// Groups that run on connections of that pool.
    public init(pool: PostgresPool) {
        self.pool = pool
    }

    /// Runs one statement, and returns its rows when they are committed.
    ///
    /// `lockLimit` is how long it may wait for what another session has locked; then it fails with SQLSTATE 55P03. Throws what
    /// `PostgresPool.query` throws. Cancelling the task gives up the answer, not the statement, unless that has not been sent.
    public func query(_ statement: @escaping Maker, lockLimit: Duration) async throws(PostgresError)
        -> PostgresRows
    {
        let member = Member(statement: statement)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                member.caller.suspend(continuation)
                // The cancellation may have come before there was anything to give up.
                if Task.isCancelled { member.caller.resume(.failed(Self.cancelled)) } else { admit(member) }
            }
        } onCancel: {
            member.caller.resume(.failed(Self.cancelled))
        }
        switch outcome {
        case .rows(let rows): return rows
        case .failed(let error): throw error
        case .alone:
            let limited = statement(Self.text(lockLimit))
            return try await pool.query(limited.sql, limited.parameters, lockLimit: lockLimit)
        }
    }

    /// Statements that wait for the next transaction.
    var waiting: Int { state.withLock { $0.waiting.count } }

    private func admit(_ member: Member) {
        let isFirst = state.withLock { state in
            state.waiting.append(member)
            guard state.underWay < Self.transactions else { return false }
            state.underWay += 1
            return true
        }
        guard isFirst else { return }
        // Of nobody: the caller that begins it may be cancelled, and the others still want their answers. It ends when nobody
        // waits.
        Task { await self.work() }
    }

    private func work() async {
        while true {
            let group = state.withLock { state in
                let group = Array(state.waiting.prefix(Self.size))
                state.waiting.removeFirst(group.count)
                if group.isEmpty { state.underWay -= 1 }
                return group
            }
            if group.isEmpty { return }
            await run(group.filter(\.caller.isWaiting))
        }
    }

    private func run(_ group: [Member]) async {
        guard !group.isEmpty else { return }
        do throws(PostgresError) {
            let limit = Self.text(Self.lockLimit)
            let rows = try await pool.pipeline(group.map { $0.statement(limit) })
            for (member, rows) in zip(group, rows) { member.caller.resume(.rows(rows)) }
        } catch {
            let isRefused = error.sqlstate != nil || error.code == .invalidInput
            // What is refused to one statement alone is its own trouble, but for a lock that it may wait for.
            let isItsOwn = group.count == 1 && error.sqlstate != "55P03"
            let outcome: Member.Outcome = isRefused && !isItsOwn ? .alone : .failed(error)
            for member in group { member.caller.resume(outcome) }
        }
    }

    private static func text(_ lockLimit: Duration) -> String { "\(lockLimit.wholeMilliseconds)ms" }

    private static let cancelled = PostgresError(.cancelled, "cancelled while waiting for a statement")
}

/// One caller's statement.
private struct Member: Sendable {
    enum Outcome: Sendable {
        case rows(PostgresRows)
        case failed(PostgresError)
        /// The group was refused: the caller runs its statement by itself.
        case alone
    }

    let statement: GroupCommit.Maker
    let caller = FirstAnswer<Outcome>()
}

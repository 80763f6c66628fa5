// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import PostgresClient

@Suite struct `A group commit` {
    private let pool: PostgresPool
    private let group: GroupCommit
    /// Holds the locks of a test, apart from the group's connections.
    private let holder: PostgresPool

    init() async throws {
        let url = try await PostgresServer.makeDatabase()
        var configuration = try PostgresConfiguration(url: url)
        configuration.maxConnections = 4
        pool = PostgresPool(configuration: configuration)
        holder = PostgresPool(configuration: configuration)
        group = GroupCommit(pool: pool)
        _ = try await holder.query("CREATE TABLE t (n bigint PRIMARY KEY)")
        _ = try await holder.query("CREATE TABLE held (n bigint)")
        _ = try await holder.query("INSERT INTO held VALUES (0)")
    }

    @Test func `what comes while its transactions are under way shares the next one`() async throws {
        let ids = try await whileBusy(until: 10) {
            try await answers(10) { _ in
                PostgresStatement("SELECT pg_current_xact_id()::text, $1", [.text("x")])
            }
        }

        #expect(Set(ids.map { $0.text(0, 0) ?? "" }).count == 1)
    }

    @Test func `a statement that is refused takes no other one with it`() async throws {
        _ = try await holder.query("INSERT INTO t VALUES (5)")

        let failures = try await whileBusy(until: 10) {
            await withTaskGroup(of: (Int64, PostgresError.Code?).self) { tasks in
                for number in Int64(0)..<10 {
                    tasks.addTask {
                        do throws(PostgresError) {
                            try await insert(number)
                            return (number, nil)
                        } catch {
                            return (number, error.code)
                        }
                    }
                }
                return await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
        }

        #expect(failures == [5: .server(sqlstate: "23505")])
        #expect(try await holder.query("SELECT count(*) FROM t").int(0, 0) == 10)
    }

    @Test func `a statement that cannot be sent takes no other one with it`() async throws {
        let (refusal, rows) = try await whileBusy(until: 4) {
            async let refusal = #expect(throws: PostgresError.self) {
                try await group.query(
                    { _ in PostgresStatement("SELECT $1", [.text("a\0b")]) }, lockLimit: .seconds(60))
            }
            async let rows = answers(3) { _ in PostgresStatement("SELECT 7::bigint") }
            return try await (refusal, rows)
        }

        #expect(refusal?.code == .invalidInput)
        #expect(rows.map { $0.int(0, 0) } == [7, 7, 7])
    }

    @Test func `a row that somebody holds delays only its own caller`() async throws {
        let hold = try await Hold(holder, "SELECT 1 FROM held FOR UPDATE")
        let waiting = Task {
            try await group.query(
                { limit in
                    PostgresStatement(
                        """
                        WITH limited AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true))
                        SELECT n FROM held, limited FOR UPDATE OF held
                        """, [.text(limit)])
                }, lockLimit: .seconds(60))
        }

        for number in Int64(0)..<20 { try await insert(number) }

        #expect(try await holder.query("SELECT count(*) FROM t").int(0, 0) == 20)
        try await hold.end()
        #expect(try await waiting.value.int(0, 0) == 0)
    }

    @Test func `a lock that is not given within the limit is an error`() async throws {
        let hold = try await Hold(holder, "SELECT 1 FROM held FOR UPDATE")

        let error = await #expect(throws: PostgresError.self) {
            try await group.query(
                { limit in
                    PostgresStatement(
                        """
                        WITH limited AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true))
                        SELECT n FROM held, limited FOR UPDATE OF held
                        """, [.text(limit)])
                }, lockLimit: .milliseconds(150))
        }

        #expect(error?.sqlstate == "55P03")
        try await hold.end()
    }

    @Test func `a caller that is cancelled gets no answer, and the others get theirs`() async throws {
        let (error, rows) = try await whileBusy(until: 4) {
            let given = Task {
                try await group.query(
                    { _ in PostgresStatement("INSERT INTO t VALUES (1)") }, lockLimit: .seconds(60))
            }
            try await eventually { group.waiting == 1 }
            given.cancel()
            async let rows = answers(3) { _ in PostgresStatement("SELECT 7::bigint") }
            return try await (#expect(throws: PostgresError.self) { try await given.value }, rows)
        }

        #expect(error?.code == .cancelled)
        #expect(rows.count == 3)
        #expect(try await holder.query("SELECT count(*) FROM t").int(0, 0) == 0)
    }

    // MARK: - Helpers

    private func insert(_ number: Int64) async throws(PostgresError) {
        _ = try await group.query(
            { _ in PostgresStatement("INSERT INTO t VALUES ($1)", [.int(number)]) }, lockLimit: .seconds(60))
    }

    private func answers(
        _ count: Int, _ statement: @escaping GroupCommit.Maker
    ) async throws -> [PostgresRows] {
        try await withThrowingTaskGroup(of: PostgresRows.self) { tasks in
            for _ in 0..<count {
                tasks.addTask { try await group.query(statement, lockLimit: .seconds(60)) }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
    }

    /// Runs `body` while the group's transactions wait for a lock, until so many statements wait behind them.
    private func whileBusy<Result: Sendable>(
        until count: Int, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let hold = try await Hold(holder, "SELECT pg_advisory_xact_lock(1)")
        var plugs: [Task<PostgresRows, any Error>] = []
        for busy in 1...2 {
            plugs.append(
                Task {
                    try await group.query(
                        { _ in PostgresStatement("SELECT pg_advisory_xact_lock_shared(1)") },
                        lockLimit: .seconds(60))
                })
            try await eventually { try await waitingForLocks() == Int64(busy) }
        }
        let result = Task { try await body() }
        try await eventually { group.waiting == count }
        try await hold.end()
        for plug in plugs { _ = try await plug.value }
        return try await result.value
    }

    private func waitingForLocks() async throws -> Int64? {
        try await holder.query(
            """
            SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted
            """
        ).int(0, 0)
    }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while try await !condition() {
            try #require(ContinuousClock.now < limit)
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
    }
}

/// A transaction that keeps what its statement locked until it is told to end.
private struct Hold {
    private let ending = AsyncStream.makeStream(of: Void.self)
    private let task: Task<Void, any Error>

    init(_ pool: PostgresPool, _ sql: String) async throws {
        let ended = ending.stream
        let held = AsyncStream.makeStream(of: Void.self)
        task = Task {
            defer { held.continuation.finish() }
            try await pool.transaction { connection in
                _ = try await connection.query(sql)
                held.continuation.yield()
                for await _ in ended {}
            }
        }
        for await _ in held.stream { return }
        try await task.value
    }

    func end() async throws {
        ending.continuation.finish()
        try await task.value
    }
}

// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import TestSupport
import Testing

/// What a pool does when its server, the way to it, or another session is in trouble.
@Suite struct `A Postgres pool in trouble` {
    private let direct: PostgresPool
    private let proxy: FaultProxy
    private let database: String

    init() async throws {
        direct = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        database = try await direct.query("SELECT current_database()::text").text(0, 0) ?? ""
        proxy = try await FaultProxy(to: .unixSocket(PostgresServer.shared.value.socketPath))
    }

    private func makePool(user: String = "postgres", connections: Int = 2) throws -> PostgresPool {
        var configuration = try PostgresConfiguration(
            url: "postgresql://\(user)@127.0.0.1:\(proxy.port)/\(database)")
        configuration.maxConnections = connections
        configuration.connectTimeout = .seconds(4)
        return PostgresPool(configuration: configuration)
    }

    @Test func `fails a statement whose connection was reset, and goes on with another`() async throws {
        let pool = try makePool()
        let sleeping = Task { try await pool.query("SELECT pg_sleep(60)") }
        try await untilSleeping()

        proxy.cut()

        let error = await #expect(throws: PostgresError.self) { try await sleeping.value }
        #expect(error?.code == .connectionLost)
        #expect(try await pool.query("SELECT 1::bigint").int(0, 0) == 1)
    }

    @Test func `gives a statement up at its deadline when nothing is heard any more`() async throws {
        let pool = try makePool()
        _ = try await pool.query("SELECT 1")

        proxy.swallow()
        let error = await #expect(throws: PostgresError.self) {
            try await pool.query("SELECT 1", deadline: .milliseconds(200))
        }
        #expect(error?.code == .timeout)
        let refused = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(refused?.code == .connectFailed)
        proxy.heal()

        #expect(try await pool.query("SELECT 1::bigint").int(0, 0) == 1)
    }

    @Test func `gives up what waits too long, and closes what may be dead, when it is told to`() async throws
    {
        let pool = try makePool()
        try await pool.transaction { _ in _ = try await pool.query("SELECT 1") }
        proxy.swallow()
        let stuck = Task { try await pool.query("SELECT 1", deadline: .seconds(120)) }
        let losing = Task {
            while !Task.isCancelled {
                pool.loseStalled(after: .milliseconds(50))
                await Task.yield()
            }
        }
        let error = await #expect(throws: PostgresError.self) { try await stuck.value }
        losing.cancel()
        #expect(error?.code == .connectionLost)
        proxy.heal()

        // The other connection was free, so nobody has noticed yet that it is dead as well.
        await pool.closeIdle()

        #expect(try await pool.query("SELECT 1::bigint").int(0, 0) == 1)
    }

    @Test func `waits no longer for a lock than it may, and keeps the connection`() async throws {
        let pool = try makePool(connections: 1)
        _ = try await direct.query("CREATE TABLE t (n bigint)")
        let process = try await pool.query("SELECT pg_backend_pid()::bigint").int(0, 0)

        try await direct.transaction { connection in
            _ = try await connection.query("LOCK TABLE t")
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query("INSERT INTO t VALUES (1)", lockLimit: .milliseconds(50))
            }
            #expect(error?.sqlstate == "55P03")
            let inTransaction = await #expect(throws: PostgresError.self) {
                try await pool.transaction(
                    opening: [PostgresStatement("INSERT INTO t VALUES (1)")], lockLimit: .milliseconds(50)
                ) { _, _ in [] }
            }
            #expect(inTransaction?.sqlstate == "55P03")
        }

        let rows = try await pool.query(
            "SELECT pg_backend_pid()::bigint, current_setting('lock_timeout')")
        #expect(rows.int(0, 0) == process)
        #expect(rows.text(0, 1) == "0")
        #expect(try await pool.query("SELECT count(*) FROM t").int(0, 0) == 0)
    }

    @Test func `leaves no statement running that was to take long when it is killed`() async throws {
        let pool = try makePool()
        let sweep = Task { try await pool.query("SELECT pg_sleep(600)", deadline: .seconds(300)) }
        try await untilSleeping()

        proxy.cut()

        try await until(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
            is: 0)
        _ = await sweep.result
    }

    @Test func `tells the server how long its statements may take, for each transaction anew`() async throws {
        let pool = try makePool(connections: 1)
        let sql =
            "SELECT current_setting('statement_timeout'), current_setting('client_connection_check_interval')"
        func limits(_ rows: PostgresRows) -> [String?] { [rows.text(0, 0), rows.text(0, 1)] }

        #expect(limits(try await pool.query(sql, deadline: .seconds(300))) == ["305s", "5s"])
        #expect(limits(try await pool.query(sql, lockLimit: .seconds(1))) == ["35s", "5s"])
        #expect(limits(try await pool.transaction { try await $0.query(sql) }) == ["35s", "5s"])
        #expect(
            limits(try await pool.transaction(longest: .seconds(600)) { try await $0.query(sql) })
                == ["605s", "5s"])
        // Nothing stays with the connection: behind a pooler the next transaction may be another client's.
        #expect(limits(try await pool.query(sql)) == ["0", "0"])
    }

    @Test func `leaves no locks behind when it vanishes inside a transaction`() async throws {
        let pool = try makePool()
        _ = try await direct.query("CREATE TABLE t (n bigint)")

        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { connection in
                let limit = try await connection.query(
                    "SELECT current_setting('idle_in_transaction_session_timeout')")
                #expect(limit.text(0, 0) == "10s")
                _ = try await connection.query("LOCK TABLE t")
                // The same, sooner, but not before the proxy swallows what the server says about it.
                _ = try await connection.query("SET LOCAL idle_in_transaction_session_timeout = 2000")
                proxy.swallow()
                _ = try await direct.query("INSERT INTO t VALUES (1)")
                _ = try await connection.query("SELECT 1", deadline: .milliseconds(100))
            }
        }

        #expect(error?.code == .timeout)
        #expect(try await direct.query("SELECT count(*) FROM t").int(0, 0) == 1)
    }

    @Test func `makes do with the connections that the server allows`() async throws {
        _ = try await direct.query("CREATE ROLE \(database) LOGIN CONNECTION LIMIT 1")
        let pool = try makePool(user: database, connections: 4)

        let total = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try await pool.query("SELECT $1 FROM pg_sleep(0.01)", [.int(Int64(number))]).int(0, 0)
                        ?? 0
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(total == 190)

        await pool.closeIdle()
        _ = try await direct.query("ALTER ROLE \(database) CONNECTION LIMIT 0")
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        #expect(error?.sqlstate == "53300")
        _ = try await direct.query("DROP ROLE \(database)")
    }

    private func untilSleeping() async throws {
        try await until(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
            is: 1)
    }

    private func until(_ sql: String, is expected: Int64) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while try await direct.query(sql).int(0, 0) != expected {
            guard ContinuousClock.now < limit else {
                Issue.record("not within a minute: \(sql)")
                return
            }
        }
    }
}

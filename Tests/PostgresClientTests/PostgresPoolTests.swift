// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import TestSupport
import Testing

@Suite struct `A Postgres pool` {
    private let pool: PostgresPool

    init() async throws {
        pool = try await Self.makePool()
    }

    private static func makePool(connections: Int = 4, checkout: Duration = .seconds(60)) async throws
        -> PostgresPool
    {
        var configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        configuration.maxConnections = connections
        configuration.checkoutTimeout = checkout
        return PostgresPool(configuration: configuration)
    }

    @Test func `gives back each kind of value unchanged`() async throws {
        let rows = try await pool.query(
            "SELECT $1, $2, $3, $4, $5, $6, $7",
            [
                .int(-9_007_199_254_740_993), .text("é\u{1F600}"), .bytea([0, 255, 10]), .bool(true),
                .jsonb(Array(#"{"n": 1e400}"#.utf8)), .double(-0.5), .int4(-7),
            ])

        #expect(rows.count == 1)
        #expect(rows.int(0, 0) == -9_007_199_254_740_993)
        #expect(rows.text(0, 1) == "é\u{1F600}")
        #expect(rows.bytes(0, 2) == [0, 255, 10])
        #expect(rows.bool(0, 3) == true)
        #expect(rows.double(0, 5) == -0.5)
        #expect(rows.int(0, 6) == -7)
    }

    @Test func `gives back arrays with nulls and empty arrays`() async throws {
        let rows = try await pool.query(
            "SELECT cardinality($1), $1[2] IS NULL, $2[1], cardinality($3), $4, $5[2]",
            [
                .textArray([Array("a".utf8), nil, []]), .byteaArray([[1, 0]]), .intArray([]),
                .intArray([5, -6]), .boolArray([false, true]),
            ])

        #expect(rows.int(0, 0) == 3)
        #expect(rows.bool(0, 1) == true)
        #expect(rows.bytes(0, 2) == [1, 0])
        #expect(rows.int(0, 3) == 0)
        #expect(rows.intArray(0, 4) == [5, -6])
        #expect(rows.bool(0, 5) == true)
    }

    @Test func `names the SQLSTATE and the constraint of an error, and no value`() async throws {
        _ = try await pool.query("CREATE TABLE t (secret_name text CONSTRAINT only_once UNIQUE)")
        _ = try await pool.query("INSERT INTO t VALUES ($1)", [.text("hunter2")])

        let error = await #expect(throws: PostgresError.self) {
            try await pool.query("INSERT INTO t VALUES ($1)", [.text("hunter2")])
        }

        #expect(error?.sqlstate == "23505")
        #expect(error?.message.contains("only_once") == true)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test func `refuses a NUL in text before it reaches the server`() async {
        let error = await #expect(throws: PostgresError.self) {
            try await pool.query("SELECT $1", [.text("a\0b")])
        }

        #expect(error?.code == .invalidInput)
    }

    @Test func `stops a statement at its deadline and goes on`() async throws {
        let error = await #expect(throws: PostgresError.self) {
            try await pool.query("SELECT pg_sleep(60)", deadline: .milliseconds(50))
        }

        #expect(error?.code == .timeout)
        #expect(try await pool.query("SELECT 1::bigint").int(0, 0) == 1)
        try await untilNothingSleeps()
    }

    @Test func `stops a statement whose task is cancelled`() async throws {
        let task = Task { try await pool.query("SELECT pg_sleep(60)") }
        try await untilSleeping()

        task.cancel()

        let error = await #expect(throws: PostgresError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        try await untilNothingSleeps()
    }

    @Test func `commits what a transaction did, and undoes one that throws`() async throws {
        struct Refused: Error {}
        _ = try await pool.query("CREATE TABLE t (n bigint)")

        try await pool.transaction { connection in
            _ = try await connection.query("INSERT INTO t VALUES (1)")
        }
        await #expect(throws: Refused.self) {
            try await pool.transaction { connection in
                _ = try await connection.query("INSERT INTO t VALUES (2)")
                throw Refused()
            }
        }

        #expect(try await pool.query("SELECT sum(n)::bigint FROM t").int(0, 0) == 1)
    }

    @Test func `calls a commit unknown when the connection dies in it`() async throws {
        _ = try await pool.query("CREATE TABLE t (n bigint)")
        _ = try await pool.query(
            """
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'
            """)
        _ = try await pool.query(
            """
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die()
            """)

        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { connection in
                _ = try await connection.query("INSERT INTO t VALUES (1)")
            }
        }

        #expect(error?.code == .commitUnknown)
        #expect(try await pool.query("SELECT count(*) FROM t").int(0, 0) == 0)
    }

    @Test func `serves many tasks with few connections`() async throws {
        let total = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 0..<200 {
                group.addTask {
                    try await pool.query("SELECT $1 * 2", [.int(Int64(number))]).int(0, 0) ?? 0
                }
            }
            return try await group.reduce(0, +)
        }

        #expect(total == 39_800)
    }

    @Test func `copies rows in and says how many`() async throws {
        _ = try await pool.query("CREATE TABLE copied (id bigint PRIMARY KEY, name text)")
        let lines = (0..<20_000).map { "\($0)\tname \($0)\n" }.joined()

        let count = try await pool.transaction { connection in
            try await connection.copyIn("COPY copied FROM STDIN", data: [Array(lines.utf8)])
        }

        #expect(count == 20_000)
        #expect(
            try await pool.query("SELECT count(*) FROM copied WHERE name = 'name ' || id").int(0, 0) == 20_000
        )
    }

    @Test func `a COPY that is refused leaves the connection usable and the table empty`() async throws {
        _ = try await pool.query("CREATE TABLE twice (id bigint PRIMARY KEY)")

        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction { connection in
                try await connection.copyIn("COPY twice FROM STDIN", data: [Array("1\n1\n".utf8)])
            }
        }

        #expect(error?.sqlstate == "23505")
        #expect(try await pool.query("SELECT count(*) FROM twice").int(0, 0) == 0)
    }

    @Test func `a pipeline gives the rows of each statement`() async throws {
        try await pool.transaction { connection in
            let rows = try await connection.pipeline(
                (0..<20).map {
                    PostgresStatement("SELECT $1 + 1", [.int($0)])
                })

            #expect(rows.map { $0.int(0, 0) } == (1...20).map { Int64($0) })
        }
    }

    @Test func `the first error of a pipeline undoes all of it`() async throws {
        _ = try await pool.query("CREATE TABLE piped (id bigint PRIMARY KEY)")
        let insert = PostgresStatement("INSERT INTO piped VALUES (1)")

        let error = await #expect(throws: PostgresError.self) {
            try await pool.transaction(opening: [insert]) { _, _ in [insert] }
        }

        #expect(error?.sqlstate == "23505")
        #expect(try await pool.query("SELECT count(*) FROM piped").int(0, 0) == 0)
    }

    @Test func `a connection that the server closed while it was free is not used`() async throws {
        let small = try await Self.makePool(connections: 1)
        let process = try await small.query("SELECT pg_backend_pid()::bigint").int(0, 0)
        _ = try await pool.query("SELECT pg_terminate_backend($1::int, 60000)", [.int(try #require(process))])

        #expect(try await small.query("SELECT 1::bigint").int(0, 0) == 1)
    }

    @Test func `says that all connections are in use when none comes free`() async throws {
        let small = try await Self.makePool(connections: 1, checkout: .milliseconds(100))

        try await small.transaction { _ in
            let error = await #expect(throws: PostgresError.self) { try await small.query("SELECT 1") }
            #expect(error?.code == .poolExhausted)
        }

        #expect(try await small.query("SELECT 1::bigint").int(0, 0) == 1)
    }

    @Test func `says that the server cannot be reached`() async throws {
        let nowhere = PostgresPool(
            configuration: try PostgresConfiguration(
                url: "postgresql:///x?host=/tmp/lockstep-no-such-directory"))

        let error = await #expect(throws: PostgresError.self) { try await nowhere.query("SELECT 1") }

        #expect(error?.code == .connectFailed)
    }

    @Test func `refuses work after it is closed`() async throws {
        await pool.close()

        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }

        #expect(error?.code == .closed)
    }

    private func untilSleeping() async throws { try await until(sleeping: true) }

    private func untilNothingSleeps() async throws { try await until(sleeping: false) }

    private func until(sleeping expected: Bool) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while ContinuousClock.now < limit {
            let sleeping = try await pool.query(
                """
                SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'PgSleep'
                """
            ).int(0, 0)
            if (sleeping != 0) == expected { return }
            await Task.yield()
        }
        Issue.record("pg_sleep is \(expected ? "not " : "")running after a minute")
    }
}

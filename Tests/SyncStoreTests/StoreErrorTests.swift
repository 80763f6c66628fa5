// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import TestSupport
import Testing

@testable import SyncStore

@Suite struct `A failure of Postgres` {
    @Test(arguments: [
        "08006", "25006", "25P03", "28P01", "3D000", "53100", "53200", "53300", "57P01", "57P02", "57P03",
        "58030",
    ])
    func `is the ledger's when no statement could do better`(sqlstate: String) {
        #expect(Self.code(.server(sqlstate: sqlstate)) == .unavailable)
    }

    @Test(arguments: ["40001", "40P01", "55P03", "55006"])
    func `is another session's when that stood in the way`(sqlstate: String) {
        #expect(Self.code(.server(sqlstate: sqlstate)) == .contended)
    }

    @Test(arguments: ["22003", "22021", "22P05", "54000", "54001"])
    func `is a value's that Postgres cannot hold`(sqlstate: String) {
        #expect(Self.code(.server(sqlstate: sqlstate)) == .badData(sqlstate: sqlstate))
    }

    @Test(arguments: ["23502", "42501", "42703", "0A000", "XX000"])
    func `is the statement's otherwise`(sqlstate: String) {
        #expect(Self.code(.server(sqlstate: sqlstate)) == .rejected(sqlstate: sqlstate))
    }

    @Test func `is open while a statement only took too long`() {
        #expect(Self.code(.timeout) == .timedOut)
        #expect(Self.code(.server(sqlstate: "57014")) == .timedOut)
    }

    @Test(arguments: [("53100", true), ("53200", true), ("58030", true), ("53300", false), ("57P01", false)])
    func `is a lack of room where a probe would see nothing`(sqlstate: String, isLack: Bool) {
        let error = StoreError(mapping: PostgresError(.server(sqlstate: sqlstate), ""))
        #expect(error.isOutOfResources == isLack)
    }

    private static func code(_ code: PostgresError.Code) -> StoreError.Code {
        StoreError(mapping: PostgresError(code, "")).code
    }
}

@Suite struct `A probe of the ledger` {
    private let pool: PostgresPool
    private let probe: LedgerProbe

    init() async throws {
        let configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        probe = LedgerProbe(configuration, watching: pool)
    }

    @Test func `succeeds where a run could commit, and changes nothing`() async throws {
        _ = try await pool.query("INSERT INTO lockstep.integrations (user_id, service) VALUES ('u', 's')")
        try await probe.check(isFresh: false)
        try await probe.check(isFresh: true)
        #expect(try await pool.query("SELECT fence FROM lockstep.integrations").int(0, 0) == 0)
    }

    @Test func `fails where Postgres is read-only`() async throws {
        _ = try await pool.query(
            """
            DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$
            """)
        let error = await #expect(throws: StoreError.self) { try await probe.check(isFresh: true) }
        #expect(error?.underlying?.sqlstate == "25006")
        #expect(error?.code == .unavailable)
    }

    @Test(arguments: ["integrations", "sync_log", "sync_state", "records"])
    func `fails where a table is locked, and says so`(table: String) async throws {
        try await pool.transaction { connection in
            _ = try await connection.query("LOCK TABLE lockstep.\(table) IN SHARE MODE")
            let error = await #expect(throws: StoreError.self) { try await probe.check(isFresh: false) }
            #expect(error?.underlying?.sqlstate == "55P03")
        }
        try await probe.check(isFresh: false)
    }

    @Test func `gives up statements that wait for an answer which will not come`() async throws {
        let server = try await PostgresServer.shared.value
        let proxy = try FaultProxy(to: .unixSocket(server.socketPath))
        let name = try await pool.query("SELECT current_database()::text").text(0, 0) ?? ""
        var configuration = try PostgresConfiguration(
            url: "postgresql://postgres@127.0.0.1:\(proxy.port)/\(name)")
        configuration.connectTimeout = .seconds(4)
        let watched = PostgresPool(configuration: configuration)
        let probe = LedgerProbe(configuration, watching: watched)
        try await probe.check(isFresh: false)
        _ = try await watched.query("SELECT 1")

        proxy.swallow()
        let started = ContinuousClock.now
        let stuck = Task { try await watched.query("SELECT 1", deadline: .seconds(120)) }
        await #expect(throws: StoreError.self) { try await probe.check(isFresh: false) }
        proxy.heal()
        try await probe.check(isFresh: true)

        let error = await #expect(throws: PostgresError.self) { try await stuck.value }
        #expect(error?.code == .connectionLost)
        #expect(started.duration(to: .now) < .seconds(60))
        #expect(try await watched.query("SELECT 1::bigint").int(0, 0) == 1)
    }
}

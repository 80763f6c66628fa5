// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import TestSupport
import Testing

/// An account that is connected while the way to Postgres breaks in COMMIT.
@Suite struct `Connecting an account` {
    private let ledger: Ledger
    private let proxy: FaultProxy
    private let pool: PostgresPool
    private let key = IntegrationKey(userID: "u_7", service: "demo")
    private let ticket = ConnectTicket(
        hash: Array("the hash of a link".utf8), expiresAt: Timestamp(microseconds: 4_102_444_800_000_000))

    init() async throws {
        ledger = try await Ledger()
        proxy = try await FaultProxy(to: .unixSocket(PostgresServer.shared.value.socketPath))
        let name = try await ledger.pool.query("SELECT current_database()::text").text(0, 0) ?? ""
        var configuration = try PostgresConfiguration(
            url: "postgresql://postgres@127.0.0.1:\(proxy.port)/\(name)")
        configuration.maxConnections = 2
        pool = PostgresPool(configuration: configuration)
    }

    /// Does something in each COMMIT that stores a credential.
    private func atCommit(_ statement: String) async throws {
        _ = try await ledger.pool.query(
            """
            CREATE FUNCTION lockstep.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM \(statement); RETURN NULL; END $$
            """)
        _ = try await ledger.pool.query(
            """
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON lockstep.credentials DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION lockstep.at_commit()
            """)
    }

    private func connect() async throws -> ConnectOutcome {
        try await CredentialStore(pool: pool).connect(key, configuration: Array("{}".utf8), ticket: ticket) {
            _, old in
            SealedSecrets(
                kind: "static", keyID: "k", version: (old?.version ?? 0) + 1, ciphertext: Array("sealed".utf8)
            )
        }
    }

    /// Waits until a session of this database is seen that does so.
    private func wait(until condition: String) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(20))
        while try await ledger.pool.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND \(condition)"
        ).int(0, 0) == 0 {
            try #require(ContinuousClock.now < limit, "nobody does: \(condition)")
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
    }

    @Test func `tells that it is connected when the answer to COMMIT was lost`() async throws {
        try await atCommit("pg_advisory_xact_lock(4711)")

        let connecting = try await ledger.pool.transaction { holder in
            _ = try await holder.query("SELECT pg_advisory_xact_lock(4711)")
            let connecting = Task { try await connect() }
            try await wait(until: "query = 'COMMIT' AND wait_event = 'advisory'")
            proxy.cut()
            // It does not decide before the transaction has ended.
            try await wait(until: "query LIKE '%pg_xact_status%'")
            return connecting
        }
        let outcome = try await connecting.value

        guard case .connected(let id, isNew: true) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(try await ledger.count("lockstep.integrations WHERE id = \(id) AND user_id = 'u_7'") == 1)
        #expect(
            try await ledger.count("lockstep.credentials WHERE integration_id = \(id) AND version = 1") == 1)
        #expect(try await ledger.count("lockstep.connect_links") == 1)
    }

    @Test func `gives up when COMMIT breaks each time, and leaves nothing`() async throws {
        try await atCommit("pg_terminate_backend(pg_backend_pid())")

        let error = await #expect(throws: StoreError.self) { try await connect() }

        #expect(error?.code == .unavailable)
        #expect(try await ledger.count("lockstep.integrations WHERE user_id = 'u_7'") == 0)
        #expect(try await ledger.count("lockstep.connect_links") == 0)
    }
}

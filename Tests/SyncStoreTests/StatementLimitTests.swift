// SPDX-License-Identifier: Apache-2.0

import PostgresClient
import TestSupport
import Testing

@testable import SyncStore

@Suite struct `A statement of the ledger` {
    private let store: SyncStore

    init() async throws {
        store = SyncStore(
            pool: PostgresPool(
                configuration: try PostgresConfiguration(url: await PostgresServer.makeDatabase())))
    }

    @Test func `tells the server until when it may run, whether it has a deadline of its own or not`()
        async throws
    {
        let sql =
            "SELECT current_setting('statement_timeout'), current_setting('client_connection_check_interval')"
        func limits(_ rows: PostgresRows) -> [String?] { [rows.text(0, 0), rows.text(0, 1)] }
        #expect(limits(try await store.query(sql, [])) == ["35s", "5s"])
        #expect(limits(try await store.query(sql, [], deadline: .seconds(300))) == ["305s", "5s"])
        #expect(limits(try await store.query(sql, [], lockLimit: .seconds(1))) == ["35s", "5s"])
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import PostgresClient
import SyncStore
import Testing

@Suite struct `The changes of an integration` {
    private func insert(_ ids: [String]) -> (String, [PostgresParameter]) {
        (
            """
            INSERT INTO lockstep.records (integration_id, stream, external_id, data, sync_id)
            SELECT 1, 's', id, '{}', 1 FROM unnest($1::text[]) id
            ON CONFLICT (integration_id, stream, external_id) DO UPDATE SET data = '{"n":1}', synced_at = now()
            """, [.textArray(ids.map { Array($0.utf8) })]
        )
    }

    /// The ids of everything from a position on, and the position after it.
    private func read(
        _ ledger: Ledger, from start: LedgerReader.ChangePosition, limit: Int = 7, stream: String? = nil
    ) async throws -> ([String], LedgerReader.ChangePosition) {
        let reader = LedgerReader(pool: ledger.pool)
        var (ids, position) = ([String](), start)
        while true {
            let page = try await reader.records(
                of: ledger.integrationID, stream: stream, after: position, limit: limit)
            ids += page.items.map { json in
                let text = String(decoding: json, as: UTF8.self)
                let start = text.firstRange(of: "\"id\":\"")?.upperBound ?? text.startIndex
                return String(text[start...].prefix { $0 != "\"" })
            }
            position = page.position
            if !page.hasMore { return (ids, position) }
        }
    }

    /// As `read`, until as many were found: a transaction of another test on this server holds the horizon back.
    private func read(
        _ ledger: Ledger, from start: LedgerReader.ChangePosition, expecting count: Int
    ) async throws -> ([String], LedgerReader.ChangePosition) {
        let deadline = ContinuousClock.now + .seconds(30)
        var (ids, position) = ([String](), start)
        while ids.count < count, ContinuousClock.now < deadline {
            let (more, next) = try await read(ledger, from: position)
            ids += more
            position = next
        }
        return (ids, position)
    }

    @Test func `are each read once, by pages of any size, and changed ones again`() async throws {
        let ledger = try await Ledger()
        let all = (0..<50).map { "r\($0)" }
        for part in [all[..<20], all[20..<21], all[21...]] {
            let (sql, parameters) = insert(Array(part))
            _ = try await ledger.pool.query(sql, parameters)
        }
        let (ids, position) = try await read(ledger, from: .start, expecting: 50)
        #expect(ids == all)
        #expect(try await read(ledger, from: position).0.isEmpty)

        _ = try await ledger.pool.query(
            "UPDATE lockstep.records SET deleted_at = now(), deleted_by = 'gone' WHERE external_id = 'r3'")
        let (sql, parameters) = insert(["r1", "new"])
        _ = try await ledger.pool.query(sql, parameters)
        #expect(try await read(ledger, from: position, expecting: 3).0 == ["r3", "r1", "new"])
        #expect(try await read(ledger, from: position, stream: "other").0.isEmpty)
    }

    @Test func `of a transaction that commits late are not passed over`() async throws {
        let ledger = try await Ledger()
        let (early, later) = (insert(["early"]), insert(["later"]))
        let position = try await ledger.pool.transaction { connection in
            // It takes its place in the order first, and commits last.
            _ = try await connection.query(early.0, early.1)
            _ = try await ledger.pool.query(later.0, later.1)
            let (ids, position) = try await read(ledger, from: .start)
            #expect(ids.isEmpty)
            return position
        }
        #expect(try await read(ledger, from: position, expecting: 2).0 == ["early", "later"])
    }

    @Test func `all reach a reader that reads while many write`() async throws {
        let ledger = try await Ledger()
        let writing = LockedBox(4)
        let seen = try await withThrowingTaskGroup(of: [String].self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for index in 0..<40 {
                        let (sql, parameters) = insert(["w\(writer)-\(index)"])
                        try await ledger.pool.transaction { connection in
                            _ = try await connection.query(sql, parameters)
                            // Commits come in another order than their beginnings.
                            _ = try await connection.query("SELECT pg_sleep(random() * 0.004)", [])
                        }
                    }
                    writing.withLock { $0 -= 1 }
                    return []
                }
            }
            group.addTask {
                var (ids, position) = ([String](), LedgerReader.ChangePosition.start)
                while writing.withLock({ $0 }) > 0 {
                    let (more, next) = try await read(ledger, from: position, limit: 5)
                    ids += more
                    position = next
                }
                return ids + (try await read(ledger, from: position, expecting: 160 - ids.count).0)
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(seen.count == 160)
        #expect(Set(seen).count == 160)
    }

    @Test func `include deletions, in the same way`() async throws {
        let ledger = try await Ledger()
        let reader = LedgerReader(pool: ledger.pool)
        let insert = """
            INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
            SELECT 1, 's', id::text, 'tombstone', 1 FROM generate_series($1::bigint, $2::bigint) id
            """
        let position = try await ledger.pool.transaction { connection in
            _ = try await connection.query(insert, [.int(1), .int(3)])
            _ = try await ledger.pool.query(insert, [.int(4), .int(5)])
            let page = try await reader.deletions(of: 1, stream: nil, after: .start, limit: 10)
            #expect(page.items.isEmpty && !page.hasMore)
            return page.position
        }
        let deadline = ContinuousClock.now + .seconds(30)
        var first = try await reader.deletions(of: 1, stream: nil, after: position, limit: 4)
        while first.items.count < 4, ContinuousClock.now < deadline {
            first = try await reader.deletions(of: 1, stream: nil, after: position, limit: 4)
        }
        #expect(first.items.count == 4 && first.hasMore)
        let rest = try await reader.deletions(of: 1, stream: nil, after: first.position, limit: 4)
        #expect(rest.items.count == 1 && !rest.hasMore)
    }
}

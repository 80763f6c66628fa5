// SPDX-License-Identifier: Apache-2.0

import Foundation
import MigrationFiles
import PostgresClient
import SyncStore
import TestSupport
import Testing

@Suite struct `The migrator` {
    private let pool: PostgresPool

    init() async throws {
        pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
    }

    @Test func `knows every file of the folder, in order`() throws {
        let folder = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("migrations")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".sql") }.sorted()

        #expect(MigrationFile.all.map { "\($0.name).sql" } == files)
        for file in MigrationFile.all {
            let onDisk = try String(
                contentsOf: folder.appendingPathComponent("\(file.name).sql"), encoding: .utf8)
            #expect(file.sql == onDisk)
        }
    }

    @Test func `applies all once, whoever else migrates at the same time`() async throws {
        let migrator = Migrator(pool: pool)
        guard case .behind = try await migrator.check() else {
            Issue.record("an empty database counts as migrated")
            return
        }

        let names = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<8 { group.addTask { try await migrator.migrate() } }
            return try await group.reduce(into: []) { $0 += $1 }
        }

        #expect(names.sorted() == MigrationFile.all.map(\.name))
        #expect(try await migrator.check() == .current)
        #expect(try await migrator.migrate() == [])
    }

    @Test func `refuses a database that is ahead or was altered`() async throws {
        let migrator = Migrator(pool: pool)
        _ = try await migrator.migrate()
        _ = try await pool.query("INSERT INTO public.lockstep_migrations VALUES ('9999_future', '\\x00')")
        #expect(try await migrator.check() == .ahead(["9999_future"]))
        let ahead = await #expect(throws: StoreError.self) { try await migrator.migrate() }
        #expect(ahead?.code == .schemaMismatch)

        _ = try await pool.query("DELETE FROM public.lockstep_migrations WHERE name = '9999_future'")
        _ = try await pool.query(
            "UPDATE public.lockstep_migrations SET checksum = '\\x00' WHERE name = '0002_log'")
        #expect(try await migrator.check() == .altered(["0002_log"]))
    }
}

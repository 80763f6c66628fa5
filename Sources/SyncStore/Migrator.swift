// SPDX-License-Identifier: Apache-2.0

import Cryptography
import MigrationFiles
import Model
public import PostgresClient

/// Brings a database to the schema of this program, and tells whether it is there.
public struct Migrator: Sendable {
    /// The state of a database's schema, as seen from this program.
    public enum Verdict: Sendable, Equatable {
        case current
        /// These migrations have to be applied.
        case behind([String])
        /// A newer program has migrated the database further.
        case ahead([String])
        /// A migration was changed after it was applied.
        case altered([String])
    }

    private let pool: PostgresPool
    /// A migration may rewrite a large table.
    private static let longest: Duration = .seconds(600)

    /// A migrator of that database; nothing is sent yet.
    public init(pool: PostgresPool) {
        self.pool = pool
    }

    /// Compares the applied migrations with those of this program; changes nothing.
    public func check() async throws(StoreError) -> Verdict {
        let exists = try await run { try await $0.query(StoreSQL.ledgerExists) }
        guard exists.bool(0, 0) == true else { return .behind(MigrationFile.all.map(\.name)) }
        let rows = try await run { try await $0.query(StoreSQL.appliedMigrations) }
        return Self.verdict(rows)
    }

    /// Applies what is missing, each migration in a transaction of its own, under a lock that a second migrator waits for.
    /// Returns the names of the applied ones. Throws `schemaMismatch` when the database is ahead or was altered.
    public func migrate() async throws(StoreError) -> [String] {
        // The lock comes first here too: CREATE TABLE IF NOT EXISTS fails when two create the table at once.
        try await run { pool in
            try await pool.transaction { connection in
                _ = try await connection.query(StoreSQL.lockLedger)
                _ = try await connection.query(StoreSQL.createLedger)
            }
        }
        var names: [String] = []
        for file in MigrationFile.all {
            let isNew = try await run { pool in
                try await pool.transaction(longest: Self.longest) { connection in
                    _ = try await connection.query(StoreSQL.lockLedger)
                    switch Self.verdict(try await connection.query(StoreSQL.appliedMigrations)) {
                    case .ahead(let names):
                        throw StoreError(
                            .schemaMismatch,
                            "the database has migrations that this program lacks: "
                                + names.joined(separator: ", ") + "; install the newer program")
                    case .altered(let names):
                        throw StoreError(
                            .schemaMismatch,
                            "these migrations were changed after they were applied: "
                                + names.joined(separator: ", "))
                    case .current:
                        return false
                    case .behind(let missing):
                        guard missing.first == file.name else { return false }
                        try await apply(file, connection)
                        return true
                    }
                }
            }
            if isNew { names.append(file.name) }
        }
        return names
    }

    private func apply(_ file: MigrationFile, _ connection: PostgresConnection) async throws {
        try await connection.script(file.sql, deadline: Self.longest)
        _ = try await connection.query(
            StoreSQL.insertMigration, [.text(file.name), .bytea(SHA256.digest(of: Array(file.sql.utf8)))])
    }

    private static func verdict(_ rows: PostgresRows) -> Verdict {
        var applied: [String: [UInt8]] = [:]
        for row in 0..<rows.count {
            guard let name = rows.text(row, 0), let checksum = rows.bytes(row, 1) else { continue }
            applied[name] = checksum
        }
        let known = Set(MigrationFile.all.map(\.name))
        let unknown = applied.keys.filter { !known.contains($0) }.sorted()
        if !unknown.isEmpty { return .ahead(unknown) }
        let altered = MigrationFile.all.filter { file in
            applied[file.name].map { $0 != SHA256.digest(of: Array(file.sql.utf8)) } ?? false
        }
        if !altered.isEmpty { return .altered(altered.map(\.name)) }
        let missing = MigrationFile.all.map(\.name).filter { applied[$0] == nil }
        return missing.isEmpty ? .current : .behind(missing)
    }

    private func run<Value: Sendable>(
        _ body: (PostgresPool) async throws -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await body(pool)
        } catch {
            throw StoreError(mapping: error)
        }
    }
}

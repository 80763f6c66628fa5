// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SyncStore

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Bring the database to this program's schema.")

    func run() async throws {
        try await CommandContext.run { context in
            let names = try await Migrator(pool: context.pool).migrate()
            print(names.isEmpty ? "The schema is current." : "Applied: \(names.joined(separator: ", "))")
        }
    }
}

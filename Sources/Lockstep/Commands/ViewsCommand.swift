// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ConnectorKit
import DeclarativeConnectors
import PageScanner
import SyncStore

struct ViewsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "views", abstract: "Make or update the SQL views of the connectors' typed fields.",
        discussion: """
            Each stream whose manifest has 'fields' gets a view, such as stripe.customers. Run it again when a manifest has \
            changed; grants on the views stay. Views of streams that have no fields any more are dropped.
            """)

    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await CommandContext.run { context in
            let registry = try ConnectorCommand.registry(context.settings)
            let views = ViewStore(pool: context.pool)
            var table = TextTable(["View", "Columns", "Outcome"])
            var kept: [(service: String, stream: String)] = []
            for service in registry.services {
                for stream in registry.connector(for: service)?.streams ?? [] where !stream.fields.isEmpty {
                    let columns = stream.fields.map {
                        ViewStore.Column(name: $0.name, path: $0.pointer.tokens, type: $0.type.rawValue)
                    }
                    let outcome = try await views.put(service: service, stream: stream.name, columns: columns)
                    let name = ViewStore.name(service: service, stream: stream.name)
                    table.add(["\(name.schema).\(name.view)", "\(columns.count)", outcome])
                    kept.append((service, stream.name))
                }
            }
            for name in try await views.dropOthers(than: kept) { table.add([name, "-", "dropped"]) }
            table.print(asJSON: output.json)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BuiltinConnectors
import ConnectorKit
import DeclarativeConnectors
import Foundation
import Settings

struct ConnectorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connector", abstract: "The services that can be synced.",
        subcommands: [List.self, Validate.self])

    /// The connectors that ship and those of `LOCKSTEP_CONNECTORS`; exits with 78 when one is wrong.
    static func registry(_ settings: ClusterSettings) throws -> ConnectorRegistry {
        do throws(ManifestError) {
            return try ConnectorRegistry.load(
                builtin: BuiltinManifests.all, directories: settings.connectorDirectories)
        } catch {
            throw Exit.complain(error.description, Exit.configuration)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the connectors and their streams.")

        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let registry = try ConnectorCommand.registry(context.settings)
                var table = TextTable(["Service", "Stream", "Parent", "Incremental", "Absence"])
                for service in registry.services {
                    for stream in registry.connector(for: service)?.streams ?? [] {
                        table.add([
                            service, stream.name, stream.parent?.stream ?? "-",
                            stream.cursorOrder == .none ? "no" : "yes", stream.absence.rawValue,
                        ])
                    }
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Validate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check manifests; each problem with file, line and key.")

        @Argument(help: "Manifest files.")
        var files: [String]

        func run() async throws {
            var problems: [String] = []
            for file in files {
                guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                    throw Exit.complain("'\(file)' cannot be read as UTF-8 text", Exit.noSuchInput)
                }
                do throws(ManifestError) {
                    let connector = try ManifestLoader.load(text, file: file)
                    let names = connector.streams.map(\.name).joined(separator: ", ")
                    print("\(file): \(connector.service): \(names)")
                } catch {
                    problems += error.problems.map(\.description)
                }
            }
            guard problems.isEmpty else {
                throw Exit.complain(problems.joined(separator: "\n"), Exit.badData)
            }
        }
    }
}

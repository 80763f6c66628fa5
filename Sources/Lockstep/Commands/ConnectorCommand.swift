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
        subcommands: [List.self, Validate.self, Test.self, Probe.self])

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

        @Flag(help: "List the actions instead, with what they take.")
        var actions = false
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run(requiring: []) { context in
                let registry = try ConnectorCommand.registry(context.settings)
                if actions { return ConnectorCommand.actions(registry).print(asJSON: output.json) }
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

    private static func actions(_ registry: ConnectorRegistry) -> TextTable {
        var table = TextTable(["Service", "Action", "Title", "Input"])
        for service in registry.services {
            for action in registry.connector(for: service)?.actions ?? [] {
                let input = action.input.map { "\($0.name)\($0.isRequired ? "" : "?"): \($0.type.rawValue)" }
                table.add([service, action.name, action.title, input.joined(separator: ", ")])
            }
        }
        return table
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

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a manifest against its fixture, and against a provider that fails.",
            discussion: """
                The fixture of DIR/NAME.yaml is DIR/fixtures/NAME.yaml, unless --fixture names another. It has requests \
                and their responses, as the provider's documentation shows them. Nothing is sent.
                """)

        @Argument(help: "The manifest's file.")
        var file: String
        @Option(help: "The fixture's file.")
        var fixture: String?
        @Flag(help: "Print the checks that passed too.")
        var all = false
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let url = URL(fileURLWithPath: file)
            let fixtureFile =
                fixture
                ?? url.deletingLastPathComponent().appendingPathComponent("fixtures/\(url.lastPathComponent)")
                .path
            let suite: ConformanceSuite
            do throws(ManifestError) {
                suite = try ConformanceSuite(
                    manifest: try Self.text(file), file: file, fixture: try Self.text(fixtureFile),
                    fixtureFile: fixtureFile)
            } catch {
                throw Exit.complain(error.description, Exit.badData)
            }
            let findings = await suite.run()
            let broken = findings.filter { $0.outcome == .broken }
            var table = TextTable(["Stream or action", "Check", "Outcome", "Detail"])
            for finding in findings where all || output.json || finding.outcome != .passed {
                table.add([finding.stream, finding.check, finding.outcome.rawValue, finding.detail])
            }
            table.print(asJSON: output.json)
            if !output.json {
                print("\(findings.count(where: { $0.outcome == .passed })) passed, \(broken.count) broken")
            }
            if !broken.isEmpty { throw Exit.failed }
        }

        private static func text(_ file: String) throws(ManifestError) -> String {
            do {
                return try String(contentsOfFile: file, encoding: .utf8)
            } catch {
                throw ManifestError(file: file, message: "cannot be read as UTF-8 text")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DeclarativeConnectors
import Foundation
import Model
import Settings
import SyncStore

struct IntegrationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "integrations", abstract: "The connected accounts.",
        subcommands: [
            Add.self, List.self, Show.self, Pause.self, Resume.self, Disconnect.self, Erase.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Connect an account, or replace its credential.",
            discussion: """
                Secrets are read from standard input, one NAME=VALUE a line, so that they stand in no process list:
                  echo "api_key=sk_live_…" | lockstep integrations add u_42 stripe
                A JSON object is taken too, such as a service account's file or the answer of a token endpoint:
                  lockstep integrations add u_42 google-calendar < token.json
                Of a service with OAuth, expires_in and scope are no secrets, but say how long access_token is valid and
                what was granted.
                """)

        @Argument(help: "The user's id in your system.")
        var user: String
        @Argument(help: "The service, as in 'lockstep connector list'.")
        var service: String
        @Option(help: "Tells several accounts of one user at one service apart.")
        var account = IntegrationKey.defaultAccount
        @Option(help: "A JSON object with the values that the connector calls ${config.…}.")
        var config = "{}"

        func run() async throws {
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                let registry = try ConnectorCommand.registry(context.settings)
                guard let connector = registry.connector(for: service) else {
                    throw Exit.complain(
                        "there is no connector for '\(service)'; there are: \(registry.services.joined(separator: ", "))",
                        Exit.usage)
                }
                guard let object = try? JSONSerialization.jsonObject(with: Data(config.utf8)),
                    object is [String: Any]
                else {
                    throw Exit.complain("--config is not a JSON object", Exit.badData)
                }
                let input = try SecretInput.read(for: connector)
                let store = IntegrationStore(pool: context.pool)
                let key = IntegrationKey(userID: user, service: service, account: account)
                let (id, isNew) = try await store.add(key, configuration: Array(config.utf8))
                try await CommandVault.write(input, to: id, context.settings, context.pool)
                print("\(isNew ? "connected" : "updated") integration \(id): \(key)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List connected accounts.")

        @Option(help: "Only this service.")
        var service: String?
        @Option(help: "Only this user.")
        var user: String?
        @Option(help: "Only accounts with a larger id: the next page.")
        var after: Int64 = 0
        @Option(help: "At most this many.")
        var limit = 100
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                var table = TextTable([
                    "ID", "User", "Service", "Account", "Status", "Records", "Last success",
                ])
                let found = try await IntegrationStore(pool: context.pool).list(
                    service: service, userID: user, after: after, limit: max(1, min(limit, 10_000)))
                for item in found {
                    table.add([
                        "\(item.id)", item.key.userID, item.key.service, item.key.account, item.status,
                        "\(item.liveRecords)", TimeOutput.text(item.lastSuccess),
                    ])
                }
                table.print(asJSON: output.json)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show an account's streams and its last runs, with the reason of each failure.")

        @OptionGroup var target: IntegrationArguments
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await CommandContext.run { context in
                let found = try await target.find(context)
                let store = IntegrationStore(pool: context.pool)
                var streams = TextTable([
                    "Stream", "Records", "Deletions", "Phase", "Last success", "Last full",
                ])
                for item in try await store.streams(of: found.id) {
                    streams.add([
                        item.stream, "\(item.liveRecords)", "\(item.deletions)", item.phase,
                        TimeOutput.text(item.lastSuccess), TimeOutput.text(item.lastFull),
                    ])
                }
                var runs = TextTable([
                    "Run", "Type", "Status", "Started", "Pages", "Added", "Updated", "Deleted", "Unchanged",
                    "Error",
                ])
                for run in try await store.runs(of: found.id, limit: 10) {
                    runs.add([
                        "\(run.id)", run.type, run.status, TimeOutput.text(run.startedAt), "\(run.pages)",
                        "\(run.added)", "\(run.updated)", "\(run.deleted)", "\(run.unchanged)",
                        run.errorCode.map { "\($0): \(run.errorDetail ?? run.errorMessage ?? "")" } ?? "-",
                    ])
                }
                if output.json {
                    print(
                        "{\"id\":\(found.id),\"user\":\(JSONOutput.quoted(found.key.userID)),"
                            + "\"service\":\(JSONOutput.quoted(found.key.service)),\"status\":\"\(found.status)\","
                            + "\"streams\":\(streams.json),\"runs\":\(runs.json)}")
                } else {
                    print("\(found.id)  \(found.key)  \(found.status)\n\n\(streams.text)\n\n\(runs.text)")
                }
            }
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Start no more syncs of an account.")

        @OptionGroup var target: IntegrationArguments

        func run() async throws {
            try await IntegrationsCommand.move(target, to: "paused", from: ["active"])
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sync an account again that was paused, or whose credential was replaced.")

        @OptionGroup var target: IntegrationArguments

        func run() async throws {
            try await IntegrationsCommand.move(target, to: "active", from: ["paused", "reauth_required"])
        }
    }

    private static func move(_ target: IntegrationArguments, to status: String, from allowed: [String])
        async throws
    {
        try await CommandContext.run { context in
            let found = try await target.find(context)
            let moved = try await IntegrationStore(pool: context.pool).setStatus(
                of: found.id, to: status, from: allowed)
            guard moved || found.status == status else {
                throw Exit.complain(
                    "integration \(found.id) is \(found.status); only \(allowed.joined(separator: " or ")) can become \(status)",
                    Exit.failed)
            }
            print("integration \(found.id) is \(status)")
        }
    }
}

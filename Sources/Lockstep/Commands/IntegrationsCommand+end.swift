// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ConnectorKit
import Credentials
import DeclarativeConnectors
import HTTPTransport
import JobQueue
import Model
import OAuth
import Settings
import SyncStore

extension IntegrationsCommand {
    struct Disconnect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End the use of an account: its tokens are given back to the provider and deleted.",
            discussion: """
                The records stay; 'erase' deletes them. Exits with 1 when the provider did not take the tokens back: the
                credential is kept then, so that the command can be repeated, or ended by --force.
                """)

        @OptionGroup var target: IntegrationArguments
        @Flag(help: "Delete the credential also when the provider did not take the tokens back.")
        var force = false

        func run() async throws {
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                let found = try await target.find(context)
                let (outcome, watches) = try await IntegrationsCommand.disconnect(
                    found.id, found.key, context, force: force)
                if case .failed(let reason) = outcome {
                    throw Exit.complain(
                        "integration \(found.id) is disconnected, but the provider did not take its tokens back "
                            + "(\(reason)); try again, or use --force\(watches.sentence)", Exit.failed)
                }
                print(
                    "integration \(found.id) is disconnected; \(outcome.sentence(found.key.service))"
                        + watches.sentence)
            }
        }
    }

    struct Erase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Delete all that is known of an account: records, cursors, logs, jobs and the credential.",
            discussion: """
                Its tokens are given back first, if the provider takes them. A row of lockstep.erasures stays, with the
                number, the service and how many rows were deleted. Started again, it goes on where it stopped.
                """)

        @OptionGroup var target: IntegrationArguments
        @OptionGroup var output: OutputOptions
        @Flag(help: "Yes, delete it for good.")
        var yes = false

        func run() async throws {
            guard yes else {
                throw Exit.complain("this deletes the account's data for good; add --yes", Exit.usage)
            }
            try await CommandContext.run(requiring: [.database, .keys]) { context in
                let found = try await target.find(context)
                let (outcome, watches) = try await IntegrationsCommand.disconnect(
                    found.id, found.key, context, force: true)
                let erasure = Erasure(integrations: IntegrationStore(pool: context.pool))
                guard try await erasure.begin(found.id) else { return }
                let deleted = try await context.withQueue { queue in
                    try await queue.forget(found.key, id: found.id)
                    let deleted = try await erasure.deleteRows(of: found.id)
                    // What was given back or died in the meantime.
                    try await queue.forget(found.key, id: found.id)
                    return deleted
                }
                var table = TextTable(["Table", "Rows"])
                for item in deleted { table.add([item.table, "\(item.count)"]) }
                if output.json {
                    print(
                        "{\"integration_id\":\(found.id),\"service\":\(JSONOutput.quoted(found.key.service)),"
                            + "\"tokens\":\(JSONOutput.quoted(outcome.word)),\"watches_ended\":\(watches.ended),"
                            + "\"watches_left\":\(watches.left),"
                            + "\"watches_reason\":\(watches.reason.map(JSONOutput.quoted) ?? "null"),"
                            + "\"watches_left_until\":\(watches.leftUntil.map { JSONOutput.quoted($0.rfc3339) } ?? "null"),"
                            + "\"deleted\":\(table.json)}")
                } else {
                    print(
                        "integration \(found.id) is erased; \(outcome.sentence(found.key.service))"
                            + "\(watches.sentence)\n\n\(table.text)"
                    )
                }
            }
        }
    }

    private static func disconnect(
        _ id: Int64, _ key: IntegrationKey, _ context: CommandContext, force: Bool
    ) async throws -> (Disconnection.Revocation, WatchEnding.Outcome) {
        let registry = try ConnectorCommand.registry(context.settings)
        let baseURL = context.settings.serviceURLs[key.service]
        var client = HTTPClientConfiguration()
        client.userAgent = "lockstep"
        client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: context.settings.serviceURLs))
        let vault = try CommandVault.make(context.settings)
        let credentials = CredentialStore(pool: context.pool)
        let integrations = IntegrationStore(pool: context.pool)
        let http = HTTPClient(configuration: client, logger: context.logger)
        let disconnection = Disconnection(
            vault: vault, credentials: credentials, integrations: integrations, http: http)
        var watches = WatchEnding.Outcome()
        if let connector = registry.connector(for: key.service) {
            watches = await WatchEnding(
                vault: vault, credentials: credentials, integrations: integrations,
                watches: WatchStore(pool: context.pool), http: http
            ).run(id, connector: connector, baseURL: baseURL)
        }
        do throws(CredentialError) {
            let revocation = try await disconnection.run(
                id, profile: registry.connector(for: key.service)?.tokens(at: baseURL),
                client: context.settings.oauthClient(for: key.service).map {
                    OAuthClient(id: $0.id, secret: $0.secret)
                }, force: force)
            return (revocation, watches)
        } catch {
            throw Exit.complain(error.message, Exit.unavailable)
        }
    }
}

extension Disconnection.Revocation {
    /// For people.
    func sentence(_ service: String) -> String {
        switch self {
        case .revoked: "\(service) has taken its tokens back"
        case .unsupported:
            "\(service) takes no tokens back that this connector knows of: remove the access at the provider"
        case .nothingStored: "there was no credential"
        case .failed(let reason), .givenUp(let reason):
            "\(service) did not take its tokens back (\(reason)): remove the access at the provider"
        }
    }
}

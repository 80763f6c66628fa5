// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DeclarativeConnectors
import Foundation
import Gateway
import Model
import Settings
import SyncStore

struct ConnectLinkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect-link",
        abstract: "Print a link by which a user connects an account, once.",
        discussion: """
            Whoever opens the link first connects an account of theirs for that user: send it
            to nobody else. It needs LOCKSTEP_PUBLIC_URL and the keys of the gateway.
            """)

    @Option(help: "The user's id in your system.")
    var user: String
    @Option(help: "The service, as in 'lockstep connector list'.")
    var service: String
    @Option(help: "Tells several accounts of one user at one service apart.")
    var account = IntegrationKey.defaultAccount
    @Option(help: "A JSON object with the values that the connector calls ${config.…}.")
    var config = "{}"
    @Option(help: "How long the link works, such as 30m, 24h or 7d; at most 30d.")
    var expires = "24h"

    func run() async throws {
        guard let lifetime = Duration(settingText: expires), lifetime > .zero,
            lifetime <= ConnectLink.maximumLifetime
        else {
            throw Exit.complain(
                "--expires '\(expires)' is no time up to 30d; allowed: a number with s, m, h or d", Exit.usage
            )
        }
        guard !user.isEmpty, !account.isEmpty else {
            throw Exit.complain("--user and --account are not empty", Exit.usage)
        }
        try await CommandContext.run(requiring: [.database, .keys]) { context in
            let registry = try ConnectorCommand.registry(context.settings)
            guard registry.connector(for: service) != nil else {
                throw Exit.complain(
                    "there is no connector for '\(service)'; there are: \(registry.services.joined(separator: ", "))",
                    Exit.usage)
            }
            guard let object = try? JSONSerialization.jsonObject(with: Data(config.utf8)),
                object is [String: Any]
            else { throw Exit.complain("--config is not a JSON object", Exit.badData) }
            guard let publicURL = context.settings.publicURL else {
                throw Exit.complain(
                    "LOCKSTEP_PUBLIC_URL: not set; allowed: https://host[:port][/path]", Exit.configuration)
            }
            let keys: GatewayKeys
            do throws(GatewayKeys.Unusable) {
                keys = try GatewayKeys(context.settings.keys)
            } catch {
                throw Exit.complain(error.description, Exit.configuration)
            }
            let end = try await ConnectLinkStore(pool: context.pool).now().advanced(by: lifetime)
            let link = try ConnectLink.make(
                for: IntegrationKey(userID: user, service: service, account: account),
                configuration: config, until: end, keys: keys)
            print(ConnectLink.url(link, service: service, publicURL: publicURL))
        }
    }
}

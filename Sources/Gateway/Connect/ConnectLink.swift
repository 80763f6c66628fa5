// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Foundation
import HTTPTransport
public import Model
import PageScanner
import SyncStore

/// A link by which a user connects an account, once. It names whose account it is, and is signed.
public struct ConnectLink: Sendable, Equatable {
    /// Whose account, at which service.
    public let key: IntegrationKey
    /// The integration's configuration, a JSON object.
    public let configuration: String
    /// When the link works no more.
    public let expiresAt: Timestamp
    /// The hash of its text, by which the ledger knows it.
    let hash: [UInt8]

    /// The longest time that a link works.
    public static let maximumLifetime: Duration = .seconds(30 * 86_400)

    /// Longer texts are no links of ours.
    private static let maximumBytes = 4_096

    private struct Content: Codable {
        let user: String
        let service: String
        let account: String
        let config: String
        let end: Int64
        let nonce: String
    }

    /// The text of a link that works until `end`.
    public static func make(
        for key: IntegrationKey, configuration: String = "{}", until end: Timestamp, keys: GatewayKeys
    ) throws -> String {
        let content = try JSONEncoder().encode(
            Content(
                user: key.userID, service: key.service, account: key.account, config: configuration,
                end: end.seconds, nonce: Base64.urlSafe.encode(try SecureRandom.bytes(16))))
        let bytes = Array(content)
        return Base64.urlSafe.encode(bytes) + "."
            + Base64.urlSafe.encode(try keys.sign(bytes, for: .link))
    }

    /// The address that the text stands in.
    public static func url(_ text: String, service: String, publicURL: String) -> String {
        "\(publicURL)/connect/\(PercentEncoding.encoded(service))?link=\(text)"
    }

    /// Reads a text; nil when it was not made with one of the keys.
    init?(_ text: String, keys: GatewayKeys) throws {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.maximumBytes, parts.count == 2,
            let bytes = Base64.urlSafe.decode(parts[0]), let signature = Base64.urlSafe.decode(parts[1]),
            try keys.verifies(signature, of: bytes, for: .link)
        else { return nil }
        let content = try JSONDecoder().decode(Content.self, from: Data(bytes))
        key = IntegrationKey(userID: content.user, service: content.service, account: content.account)
        configuration = content.config
        expiresAt = Timestamp(seconds: content.end)
        hash = SHA256.digest(of: bytes)
    }

    var ticket: ConnectTicket { ConnectTicket(hash: hash, expiresAt: expiresAt) }

    /// The members of the configuration, as connectors get them.
    var members: [String: String] { ConfigurationText.members(of: Array(configuration.utf8)) }
}

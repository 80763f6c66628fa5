// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import Foundation
import Model
import PostgresClient
import Settings
import SyncStore
import Vault

/// The secrets that an operator gives on standard input.
struct SecretInput {
    let secrets: [String: SecretString]
    let kind: CredentialKind
    let lifetime: TokenLifetime?
    let scopes: [String]?

    /// A service account's file has some 3 KiB.
    private static let maximumBytes = 64 * 1_024

    /// Reads one NAME=VALUE a line, or a JSON object. Exits with 65 when it is neither.
    static func read(for connector: any Connector) throws -> SecretInput {
        let data = FileHandle.standardInput.readDataToEndOfFile()
        guard data.count <= maximumBytes, let text = String(validating: data, as: UTF8.self) else {
            throw Exit.complain(
                "standard input is not UTF-8 text of at most \(maximumBytes) bytes", Exit.badData)
        }
        let isObject = text.utf8.first { $0 > 0x20 } == UInt8(ascii: "{")
        let fields = isObject ? try object(data) : try lines(text)
        guard !fields.isEmpty else {
            throw Exit.complain(
                "no secret came on standard input; one NAME=VALUE a line, or a JSON object", Exit.badData)
        }
        return try SecretInput(fields, connector.tokens(at: nil))
    }

    private init(_ fields: [String: String], _ profile: OAuthProfile?) throws {
        var fields = fields
        guard let profile else {
            secrets = fields.mapValues { SecretString($0) }
            (kind, lifetime, scopes) = (.fixed, nil, nil)
            return
        }
        // The answer of a token endpoint says more than secrets.
        let expiresIn = fields.removeValue(forKey: "expires_in")
        scopes = fields.removeValue(forKey: "scope").map {
            $0.split { $0 == " " || $0 == "," }.map(String.init)
        }
        secrets = fields.mapValues { SecretString($0) }
        kind = .oauth2
        guard let expiresIn else {
            lifetime = nil
            return
        }
        guard let seconds = Int64(expiresIn), (1...315_360_000).contains(seconds) else {
            throw Exit.complain("expires_in is not a number of seconds, 1 to 315360000", Exit.badData)
        }
        lifetime = TokenLifetime(.seconds(seconds), margin: profile.refreshMargin)
    }

    private static func lines(_ text: String) throws -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let halves = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
                throw Exit.complain("a line of standard input is not NAME=VALUE", Exit.badData)
            }
            fields[String(halves[0])] = String(halves[1])
        }
        return fields
    }

    private static func object(_ data: Data) throws -> [String: String] {
        let members: [String: Any]?
        do {
            members = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        } catch {
            members = nil
        }
        guard let members else { throw Exit.complain("standard input is not a JSON object", Exit.badData) }
        var fields: [String: String] = [:]
        for (name, value) in members {
            switch value {
            case let text as String: if !text.isEmpty { fields[name] = text }
            case let number as NSNumber: fields[name] = number.stringValue
            case is NSNull: continue
            default:
                throw Exit.complain("the member '\(name)' of standard input is not text", Exit.badData)
            }
        }
        return fields
    }
}

/// The vault as commands use it.
enum CommandVault {
    /// Exits with 78 when the keys are wrong.
    static func make(_ settings: ClusterSettings) throws -> CredentialVault {
        do throws(VaultError) {
            return CredentialVault(keys: try KeyRing(settings.keys))
        } catch {
            throw Exit.complain(error.message, Exit.configuration)
        }
    }

    /// Seals what was read and stores it.
    static func write(
        _ input: SecretInput, to id: Int64, _ settings: ClusterSettings, _ pool: PostgresPool
    ) async throws {
        let writer = CredentialWriter(vault: try make(settings), store: CredentialStore(pool: pool))
        do throws(CredentialError) {
            try await writer.write(
                input.secrets, kind: input.kind, lifetime: input.lifetime, scopes: input.scopes, to: id)
        } catch {
            throw Exit.complain(error.message, error.code == .unavailable ? Exit.unavailable : Exit.badData)
        }
    }
}

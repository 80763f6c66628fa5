// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model
public import Settings

/// The keys that wrap data keys. The first one seals; the others only open what they once sealed.
public struct KeyRing: Sendable {
    /// The id of the key that seals.
    public let currentID: String
    /// The ids of all keys, the current one first.
    public let ids: [String]
    private let ciphers: [String: AES256GCM]

    /// Throws `invalidKeys` when there is no key, an id is repeated or a key is not 32 bytes in base64.
    public init(_ entries: [KeyEntry]) throws(VaultError) {
        var ciphers: [String: AES256GCM] = [:]
        for entry in entries {
            guard ciphers[entry.id] == nil else {
                throw VaultError(.invalidKeys, "the key id '\(entry.id)' is repeated")
            }
            guard let bytes = Base64.standard.decode(entry.material.exposed) else {
                throw VaultError(
                    .invalidKeys, "the key '\(entry.id)' is not base64; allowed: \(KeyEntry.form)")
            }
            do {
                ciphers[entry.id] = try AES256GCM(key: bytes)
            } catch {
                throw VaultError(.invalidKeys, "the key '\(entry.id)': \(error.message)")
            }
        }
        guard let first = entries.first else {
            throw VaultError(.invalidKeys, "there is no key; allowed: \(KeyEntry.form)")
        }
        currentID = first.id
        ids = entries.map(\.id)
        self.ciphers = ciphers
    }

    /// Reads the text of `LOCKSTEP_KEYS`; the error lists every problem.
    public init(parsing text: SecretString) throws(VaultError) {
        let (entries, problems) = KeyEntry.parse(text)
        guard problems.isEmpty else {
            throw VaultError(
                .invalidKeys, "\(problems.joined(separator: ", ")); allowed: \(KeyEntry.form)")
        }
        try self.init(entries)
    }

    func cipher(_ id: String) throws(VaultError) -> AES256GCM {
        guard let cipher = ciphers[id] else {
            throw VaultError(
                .unknownKey,
                "the credential is sealed with the key '\(id)', which is not among LOCKSTEP_KEYS "
                    + "(\(ids.joined(separator: ", "))); add that key behind the current one")
        }
        return cipher
    }
}

extension KeyRing: CustomStringConvertible, CustomReflectable {
    /// The number of keys and the current one's id, no key.
    public var description: String { "\(ids.count) keys, current '\(currentID)'" }
    /// The ids alone, so that `dump` shows no key.
    public var customMirror: Mirror { Mirror(self, children: ["ids": ids]) }
}

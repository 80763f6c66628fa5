// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model
import Testing
import Vault

@Suite struct `The vault` {
    private let secrets = [
        "access_token": SecretString("xoxb-5555-secret"),
        "refresh_token": SecretString("väry\u{0}sëcret"),
        "empty": SecretString(""),
    ]
    private var ring: KeyRing { get throws { try KeyRing(parsing: keyList("k2", "k1")) } }

    @Test func `opens what it sealed for the same row`() throws {
        let vault = CredentialVault(keys: try ring)

        let sealed = try vault.seal(secrets, for: 17, kind: "oauth2", version: 3)
        let opened = try vault.open(sealed.bytes, for: 17, kind: "oauth2", version: 3)

        #expect(opened == secrets)
        #expect(sealed.keyID == "k2")
        #expect(try SealedCredential(bytes: sealed.bytes) == sealed)
        let none = try vault.seal([:], for: 17, kind: "oauth2", version: 3)
        #expect(try vault.open(none.bytes, for: 17, kind: "oauth2", version: 3).isEmpty)
    }

    @Test func `never seals to the same bytes twice, and shows no secret in them`() throws {
        let vault = CredentialVault(keys: try ring)

        let first = try vault.seal(secrets, for: 17, kind: "oauth2", version: 3).bytes
        let second = try vault.seal(secrets, for: 17, kind: "oauth2", version: 3).bytes

        #expect(first != second)
        #expect(first.count == second.count)
        for text in ["xoxb", "access_token", "oauth2"] {
            #expect(first.firstRange(of: Array(text.utf8)) == nil)
        }
    }

    @Test func `refuses every changed bit and every shortened text`() throws {
        let vault = CredentialVault(keys: try ring)
        let bytes = try vault.seal(secrets, for: 17, kind: "oauth2", version: 3).bytes

        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: VaultError.self, "byte \(index), bit \(bit)") {
                    try vault.open(changed, for: 17, kind: "oauth2", version: 3)
                }
            }
            #expect(throws: VaultError.self) {
                try vault.open(Array(bytes.prefix(index)), for: 17, kind: "oauth2", version: 3)
            }
        }
        #expect(throws: VaultError.self) { try vault.open(bytes + [0], for: 17, kind: "oauth2", version: 3) }
    }

    @Test(
        arguments: [
            (18, "oauth2", 3), (17, "api_key", 3), (17, "oauth2", 2), (17, "oauth", 3), (3, "oauth2", 17),
        ] as [(Int64, String, Int64)])
    func `refuses another row`(_ integration: Int64, _ kind: String, _ version: Int64) throws {
        let vault = CredentialVault(keys: try ring)
        let bytes = try vault.seal(secrets, for: 17, kind: "oauth2", version: 3).bytes

        let opening = try #require(throws: VaultError.self) {
            try vault.open(bytes, for: integration, kind: kind, version: version)
        }
        let wrapping = try #require(throws: VaultError.self) {
            try vault.rewrap(bytes, for: integration, kind: kind, version: version)
        }

        #expect(opening.code == .notAuthentic)
        #expect(wrapping.code == .notAuthentic)
    }

    @Test func `names the key that is missing`() throws {
        let old = CredentialVault(keys: try KeyRing(parsing: keyList("k-2024")))
        let vault = CredentialVault(keys: try ring)
        let bytes = try old.seal(secrets, for: 1, kind: "oauth2", version: 1).bytes

        let error = try #require(throws: VaultError.self) {
            try vault.open(bytes, for: 1, kind: "oauth2", version: 1)
        }

        #expect(error.code == .unknownKey)
        #expect(error.message.contains("'k-2024'"))
        #expect(error.message.contains("k2, k1"))
    }

    @Test func `refuses a key of the same id that is another key`() throws {
        let vault = CredentialVault(keys: try ring)
        let bytes = try vault.seal(secrets, for: 1, kind: "oauth2", version: 1).bytes
        let other = SecretString("k2:" + Base64.standard.encode([UInt8](repeating: 9, count: 32)))

        let error = try #require(throws: VaultError.self) {
            try CredentialVault(keys: KeyRing(parsing: other)).open(bytes, for: 1, kind: "oauth2", version: 1)
        }

        #expect(error.code == .notAuthentic)
    }

    @Test func `names a format of a later version`() throws {
        let vault = CredentialVault(keys: try ring)

        let later = try #require(throws: VaultError.self) {
            try vault.open([2, 1, 65] + [UInt8](repeating: 0, count: 100), for: 1, kind: "", version: 1)
        }
        let empty = try #require(throws: VaultError.self) { try vault.open([], for: 1, kind: "", version: 1) }

        #expect(later.code == .unknownFormat)
        #expect(later.message.contains("format 2"))
        #expect(empty.code == .notAuthentic)
    }

    @Test func `rotates to the current key without touching the payload`() throws {
        let old = CredentialVault(keys: try KeyRing(parsing: keyList("k1")))
        let both = CredentialVault(keys: try ring)
        let new = CredentialVault(keys: try KeyRing(parsing: keyList("k2")))
        let before = try old.seal(secrets, for: 5, kind: "api_key", version: 9)

        let after = try #require(try both.rewrap(before.bytes, for: 5, kind: "api_key", version: 9))

        #expect(after.keyID == "k2")
        let header = 2 + 2 + 60
        #expect(after.bytes.dropFirst(header) == before.bytes.dropFirst(header))
        #expect(after.bytes.prefix(header) != before.bytes.prefix(header))
        #expect(try new.open(after.bytes, for: 5, kind: "api_key", version: 9) == secrets)
        #expect(try both.rewrap(after.bytes, for: 5, kind: "api_key", version: 9) == nil)
    }

    @Test func `limits names, number and length of secrets`() throws {
        let vault = CredentialVault(keys: try ring)
        let many = Dictionary(uniqueKeysWithValues: (0..<33).map { ("s\($0)", SecretString("x")) })
        let long = ["key": SecretString(String(repeating: "x", count: 65_537))]
        let largest = ["key": SecretString(String(repeating: "x", count: 65_536))]

        for bad in [
            many, long, ["": SecretString("x")], ["a b": SecretString("x")], ["é": SecretString("x")],
        ] {
            let error = try #require(throws: VaultError.self) {
                try vault.seal(bad, for: 1, kind: "oauth2", version: 1)
            }
            #expect(error.code == .invalidSecrets)
        }
        let sealed = try vault.seal(largest, for: 1, kind: "oauth2", version: 1)
        #expect(try vault.open(sealed.bytes, for: 1, kind: "oauth2", version: 1) == largest)
    }
}

/// A key list whose keys follow from their ids.
private func keyList(_ ids: String...) -> SecretString {
    SecretString(
        ids.map { "\($0):\(Base64.standard.encode(SHA256.digest(of: Array($0.utf8))))" }.joined(
            separator: ","))
}

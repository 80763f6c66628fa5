// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing
import Vault

@Suite struct `A key ring` {
    private static let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    @Test func `seals with the first key`() throws {
        let ring = try KeyRing(parsing: SecretString("new:\(Self.key),old:\(Self.key)"))

        #expect(ring.currentID == "new")
        #expect(ring.ids == ["new", "old"])
    }

    @Test(arguments: [
        ("", "there is no key"),
        ("a", "key 1 has no colon"),
        ("a:b,c", "key 1 ('a') has 0 bytes instead of 32, key 2 has no colon"),
        ("a:\(key),a:\(key)", "key 2 repeats the id 'a'"),
    ])
    func `is refused with every problem`(_ text: String, _ problem: String) throws {
        let error = try #require(throws: VaultError.self) { try KeyRing(parsing: SecretString(text)) }

        #expect(error.code == .invalidKeys)
        #expect(error.message.hasPrefix(problem), "\(error.message)")
        #expect(error.message.contains("openssl rand -base64 32"))
    }

    @Test func `never shows a key`() throws {
        let ring = try KeyRing(parsing: SecretString("new:\(Self.key)"))
        var dumped = ""
        dump(ring, to: &dumped)
        dump(CredentialVault(keys: ring), to: &dumped)

        for text in ["\(ring)", String(reflecting: ring), "\(CredentialVault(keys: ring))", dumped] {
            #expect(!text.contains("MDEy") && !text.contains("0123") && !text.contains("48, 49"))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Cryptography

@Suite struct `An Ed25519 public key` {
    // RFC 8032, section 7.1: TEST 1, TEST 2 and TEST 3.
    private static let vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd"
                + "25bf5f0595bbe24655141438e7a100b"
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3"
                + "87b2eaeb4302aeeb00d291612bb0c00"
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594"
                + "a7c15e9716ed28dc027beceea1ec40a"
        ),
    ]

    @Test func `verifies the signatures of RFC 8032, and no others`() throws {
        for (key, message, signature) in Self.vectors {
            let key = try Ed25519PublicKey(raw: try #require(Hex.decode(key)))
            let message = try #require(Hex.decode(message))
            let signature = try #require(Hex.decode(signature))
            #expect(key.isSignature(signature, of: message))
            #expect(!key.isSignature(signature, of: message + [0]))
            #expect(!key.isSignature(Array(signature.dropLast()), of: message))
            #expect(!key.isSignature(signature + [0], of: message))
            #expect(!key.isSignature([], of: message))
            var changed = signature
            changed[20] ^= 1
            #expect(!key.isSignature(changed, of: message))
        }
    }

    @Test(arguments: [0, 31, 33]) func `has 32 bytes`(count: Int) {
        let error = #expect(throws: CryptoError.self) {
            try Ed25519PublicKey(raw: [UInt8](repeating: 1, count: count))
        }
        #expect(error?.code == .invalidKey)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing

@Suite struct `SHA-256` {
    @Test(
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func `computes the NIST examples`(_ text: String, _ digest: String) {
        #expect(Hex.encode(SHA256.digest(of: Array(text.utf8))) == digest)
    }

    @Test func `makes the code challenge of RFC 7636`() {
        let octets: [UInt8] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
            214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ]

        let verifier = Base64.urlSafe.encode(octets)

        #expect(verifier == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        #expect(
            Base64.urlSafe.encode(SHA256.digest(of: Array(verifier.utf8)))
                == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }
}

@Suite struct `Content hashes` {
    @Test func `are the first half of SHA-256, also when the hasher is used again`() {
        let hasher = ContentHasher()

        for count in [0, 1, 55, 56, 63, 64, 65, 400, 10_000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let expected = Array(SHA256.digest(of: bytes).prefix(ContentHash.byteCount))
            #expect(hasher.hash(bytes).bytes == expected)
            #expect(bytes.withUnsafeBytes { hasher.hash($0) } == ContentHash(expected))
        }
    }

    @Test func `differ when one bit of a record does`() {
        let hasher = ContentHasher()
        let record = Array(#"{"id":"cus_1","email":"a@example.com"}"#.utf8)
        var changed = record
        changed[10] ^= 1

        #expect(hasher.hash(record) != hasher.hash(changed))
        #expect(Set([hasher.hash(record), hasher.hash(record)]).count == 1)
    }

    @Test func `keep their bytes when they are stored and read`() throws {
        let hash = ContentHasher().hash(Array("abc".utf8))

        #expect(hash.description == "ba7816bf8f01cfea414140de5dae2223")
        #expect(try #require(ContentHash(hash.bytes)) == hash)
        #expect(hash.withUnsafeBytes { Array($0) } == hash.bytes)
        #expect(ContentHash([1, 2, 3]) == nil)
    }
}

@Suite struct `Message authentication codes` {
    @Test(
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ])
    func `with SHA-256 are those of RFC 4231`(_ key: [UInt8], _ message: String, _ code: String) throws {
        #expect(Hex.encode(try HMAC.sha256(key: key, message: Array(message.utf8))) == code)
    }

    @Test(
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b617318655057264e28bc0b6fb378c8ef146be00"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
            ),
        ])
    func `with SHA-1 are those of RFC 2202`(_ key: [UInt8], _ message: String, _ code: String) throws {
        #expect(Hex.encode(try HMAC.sha1(key: key, message: Array(message.utf8))) == code)
    }

    @Test func `with SHA-512 are those of RFC 4231`() throws {
        #expect(
            Hex.encode(
                try HMAC.sha512(key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8)))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
                + "caeab1a34d4a6b4b636e070a38bce737")
    }

    @Test func `with SHA-256 make the signature of RFC 7515, A.1`() throws {
        let key = try #require(
            Base64.urlSafe.decode(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"))
        let signed =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            + "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        #expect(
            Base64.urlSafe.encode(try HMAC.sha256(key: key, message: Array(signed.utf8)))
                == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    }

    @Test func `of an empty key and message are computed too`() throws {
        #expect(
            Hex.encode(try HMAC.sha256(key: [], message: []))
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test func `verify what providers sign`() throws {
        let github = try HMAC.sha256(
            key: Array("It's a Secret to Everybody".utf8), message: Array("Hello, World!".utf8))
        #expect(
            Hex.encode(github) == "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")

        let stripeBody = #"1700000000.{"id":"evt_test_webhook","object":"event"}"#
        let stripe = try HMAC.sha256(key: Array("whsec_test_secret".utf8), message: Array(stripeBody.utf8))
        #expect(
            Hex.encode(stripe) == "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990")

        let standardKey = try #require(Base64.standard.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let standardBody = #"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#
        let standard = try HMAC.sha256(key: standardKey, message: Array(standardBody.utf8))
        #expect(Base64.standard.encode(standard) == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

        let shopify = try HMAC.sha256(key: Array("hush".utf8), message: Array(#"{"id":1}"#.utf8))
        #expect(Base64.standard.encode(shopify) == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=")
    }

    @Test func `are compared without telling where they differ`() {
        #expect(ConstantTime.equal([1, 2, 3], [1, 2, 3]))
        #expect(ConstantTime.equal([], []))
        #expect(!ConstantTime.equal([1, 2, 3], [1, 2, 4]))
        #expect(!ConstantTime.equal([1, 2, 3], [0, 2, 3]))
        #expect(!ConstantTime.equal([1, 2, 3], [1, 2]))
        #expect(!ConstantTime.equal([], [0]))
    }
}

@Suite struct `Random bytes` {
    @Test func `have the length asked for and do not repeat`() throws {
        #expect(try SecureRandom.bytes(0).isEmpty)
        #expect(try SecureRandom.bytes(33).count == 33)
        #expect(try SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(throws: CryptoError.self) { try SecureRandom.bytes(-1) }
    }
}

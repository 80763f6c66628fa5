// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Cryptography

@Suite struct `An RSA public key` {
    // RFC 7515, appendix A.2.
    private static let modulus = joined(
        """
        ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-
        yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e
        -KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco
        9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ
        """)
    private static let message = joined(
        """
        eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p
        c19yb290Ijp0cnVlfQ
        """)
    private static let signature = joined(
        """
        cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbd
        s9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar
        ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9
        Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw
        """)

    private static func joined(_ lines: String) -> String { lines.filter { !$0.isNewline } }

    /// The SubjectPublicKeyInfo around a modulus of 2048 bits and the exponent 65537.
    private static func der() throws -> [UInt8] {
        let head = try #require(
            Hex.decode("30820122300d06092a864886f70d01010105000382010f003082010a0282010100"))
        let modulus = try #require(Base64.urlSafe.decode(modulus))
        return head + modulus + [0x02, 0x03, 0x01, 0x00, 0x01]
    }

    @Test func `verifies the signature of RFC 7515, and no other`() throws {
        let key = try RSAPublicKey(der: Self.der())
        let signature = try #require(Base64.urlSafe.decode(Self.signature))
        let message = Array(Self.message.utf8)

        #expect(key.isRS256Signature(signature, of: message))
        #expect(!key.isRS256Signature(signature, of: message + [0]))
        #expect(!key.isRS256Signature(Array(signature.dropLast()), of: message))
        #expect(!key.isRS256Signature([], of: message))
        for position in [0, 100, 255] {
            var changed = signature
            changed[position] ^= 1
            #expect(!key.isRS256Signature(changed, of: message))
        }
    }

    @Test func `is read from PEM, with any line ends`() throws {
        let text = Base64.standard.encode(try Self.der())
        let signature = try #require(Base64.urlSafe.decode(Self.signature))
        for end in ["\n", "\r\n"] {
            let lines = ["-----BEGIN PUBLIC KEY-----", String(text.prefix(64)), String(text.dropFirst(64))]
            let pem = (lines + ["-----END PUBLIC KEY-----", ""]).joined(separator: end)

            let key = try RSAPublicKey(pem: pem)

            #expect(key.isRS256Signature(signature, of: Array(Self.message.utf8)))
        }
    }

    @Test func `of another kind, or too short, is refused`() throws {
        // An Ed25519 key (RFC 8410, section 10.1), and an RSA key of 512 bits.
        let ed25519 = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        let short =
            "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
        for text in [ed25519, short] {
            let der = try #require(Base64.standard.decode(text))
            #expect { try RSAPublicKey(der: der) } throws: { ($0 as? CryptoError)?.code == .invalidKey }
        }
        #expect { try RSAPublicKey(der: [1, 2, 3]) } throws: { ($0 as? CryptoError)?.code == .invalidKey }
        #expect { try RSAPublicKey(pem: "no key") } throws: { ($0 as? CryptoError)?.code == .invalidKey }
    }
}

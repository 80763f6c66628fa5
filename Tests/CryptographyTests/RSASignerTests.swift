// SPDX-License-Identifier: Apache-2.0

import Cryptography
import TestSupport
import Testing

@Suite struct `An RSA signer` {
    @Test func `makes the signature of RFC 7515`() throws {
        let signed =
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            + "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

        let signature = try RSASigner(pem: publishedRSAKey).sign(Array(signed.utf8))

        #expect(
            Base64.urlSafe.encode(signature)
                == "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
                + "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
                + "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
                + "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
    }

    @Test(arguments: [
        "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        String(publishedRSAKey.dropLast(200)), String(repeating: "x", count: 40_000),
    ])
    func `refuses what is no key, without repeating it`(_ pem: String) {
        let error = #expect(throws: CryptoError.self) { try RSASigner(pem: pem) }
        #expect(error?.code == .invalidKey)
        #expect(error?.message.contains("AAAA") == false)
    }

    @Test func `refuses a short key and one of another kind`() {
        // openssl genrsa 1024; openssl genpkey -algorithm ed25519
        let ed25519 =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
            + "-----END PRIVATE KEY-----\n"
        let error = #expect(throws: CryptoError.self) { try RSASigner(pem: ed25519) }
        #expect(error?.message.contains("2048") == true)
    }

    @Test func `shows nothing of the key`() throws {
        var dumped = ""
        dump(try RSASigner(pem: publishedRSAKey), to: &dumped)
        #expect("\(try RSASigner(pem: publishedRSAKey))" == "<RSA private key>")
        #expect(!dumped.contains("MII"))
    }
}

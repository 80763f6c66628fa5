// SPDX-License-Identifier: Apache-2.0

import Cryptography
import TestSupport

/// The key of RFC 7515, appendix A.2, and tokens that it signs.
enum TestKey {
    private static let modulus = """
        ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-
        yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e
        -KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco
        9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ
        """.filter { !$0.isNewline }

    /// A key set as Google publishes one, with a key of another kind.
    static let keys = Array(
        """
        {"keys":[{"kty":"EC","kid":"ec","crv":"P-256","x":"AA","y":"AA"},
        {"kty":"RSA","alg":"RS256","use":"sig","kid":"a/2","n":"\(modulus)","e":"AQAB"}]}
        """.utf8)

    /// A token with these parts, signed.
    static func token(header: String, claims: String) throws -> String {
        let text = [header, claims].map { Base64.urlSafe.encode(Array($0.utf8)) }.joined(separator: ".")
        let signature = try RSASigner(pem: publishedRSAKey).sign(Array(text.utf8))
        return "\(text).\(Base64.urlSafe.encode(signature))"
    }
}

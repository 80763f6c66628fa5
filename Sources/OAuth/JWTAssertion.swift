// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model

/// Signed claims by which a service account asks for a token (RFC 7523), in the form that Google documents.
public enum JWTAssertion {
    /// What Google allows at most.
    static let lifetime: Int64 = 3_600
    /// The provider's clock may be behind the one that the claims are made by.
    static let skew: Int64 = 10

    /// Header, claims and signature, in base64url, joined by dots.
    public static func sign(
        _ assertion: OAuthProfile.Assertion, scopes: String, now: Timestamp,
        secrets: [String: SecretString], configuration: [String: String]
    ) throws(OAuthError) -> SecretString {
        let issued = now.seconds - skew
        var header = [("alg", JSONWriting.quoted("RS256")), ("typ", JSONWriting.quoted("JWT"))]
        if let id = assertion.keyID {
            header.append(("kid", JSONWriting.quoted(try id.required(secrets, configuration))))
        }
        var claims = [("iss", JSONWriting.quoted(try assertion.issuer.required(secrets, configuration)))]
        if let subject = assertion.subject {
            claims.append(("sub", JSONWriting.quoted(try subject.required(secrets, configuration))))
        }
        if !scopes.isEmpty { claims.append(("scope", JSONWriting.quoted(scopes))) }
        claims += [
            ("aud", JSONWriting.quoted(assertion.audience)), ("exp", "\(issued + lifetime)"),
            ("iat", "\(issued)"),
        ]
        let signed = "\(encoded(header)).\(encoded(claims))"
        // A key that came as one line has its line ends written as \n.
        let key = try assertion.key.required(secrets, configuration)
            .split(separator: "\\n", omittingEmptySubsequences: false).joined(separator: "\n")
        do throws(CryptoError) {
            let signature = try RSASigner(pem: key).sign(Array(signed.utf8))
            return SecretString("\(signed).\(Base64.urlSafe.encode(signature))")
        } catch {
            throw OAuthError(error.code == .invalidKey ? .config : .unavailable, error.message)
        }
    }

    private static func encoded(_ members: [(String, String)]) -> String {
        let text = "{\(members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ","))}"
        return Base64.urlSafe.encode(Array(text.utf8))
    }
}

/// Text as JSON.
enum JSONWriting {
    /// A string literal (RFC 8259, section 7).
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

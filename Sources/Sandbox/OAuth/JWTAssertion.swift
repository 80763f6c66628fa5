// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// What a service account claims about itself, signed with its key (RFC 7523; Google's
/// https://developers.google.com/identity/protocols/oauth2/service-account).
struct JWTAssertion: Sendable, Equatable {
    let issuer: String
    let subject: String?
    let scopes: [String]

    /// Checks the signature, the audience and the times.
    init(_ text: String, _ accounts: [String: ServiceAccount], at seconds: Int64) throws(OAuthRefusal) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Base64.urlSafe.decode(parts[2]),
            let header = Self.object(parts[0]), let claims = Self.object(parts[1])
        else { throw OAuthRefusal("invalid_grant", "The assertion is no JWT.") }
        guard header["alg"] == "RS256" else {
            throw OAuthRefusal("invalid_grant", "The algorithm is not RS256.")
        }
        guard let issuer = claims["iss"], let account = accounts[issuer] else {
            throw OAuthRefusal("invalid_grant", "Invalid grant: account not found")
        }
        guard account.key.isRS256Signature(signature, of: Array("\(parts[0]).\(parts[1])".utf8)) else {
            throw OAuthRefusal("invalid_grant", "Invalid JWT Signature.")
        }
        // The audience is the token endpoint, at Google's address or at the sandbox's.
        guard let audience = claims["aud"], audience.hasSuffix("/token") else {
            throw OAuthRefusal("invalid_grant", "The audience is not the token endpoint.")
        }
        guard let issued = claims["iat"].flatMap({ Int64($0) }),
            let expires = claims["exp"].flatMap({ Int64($0) }), issued <= seconds + 300, expires > seconds,
            expires - issued <= 3_600
        else {
            throw OAuthRefusal(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                    + "Check your iat and exp values in the JWT claim.")
        }
        self.issuer = issuer
        subject = claims["sub"]
        scopes = (claims["scope"] ?? "").split(separator: " ").map { String($0) }
    }

    private static func object(_ part: Substring) -> [String: String]? {
        guard let bytes = Base64.urlSafe.decode(part) else { return nil }
        do throws(ControlRefusal) {
            return try FlatJSON.parse(bytes, takingNested: true)
        } catch {
            return nil
        }
    }
}

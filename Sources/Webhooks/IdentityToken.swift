// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model
import PageScanner

/// The OpenID Connect token with which Pub/Sub says who it is: `Authorization: Bearer` with a JWT of RS256.
/// https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions
public struct IdentityToken: Sendable {
    /// Whom the token has to be for and from.
    public struct Expectation: Sendable {
        /// The `aud` that the subscription was given: our own address as a rule.
        public let audience: String
        /// The service account that pushes; several while one takes over from another.
        public let emails: [String]

        /// What a token has to say.
        public init(audience: String, emails: [String]) {
            self.audience = audience
            self.emails = emails
        }
    }

    private static let issuers = ["https://accounts.google.com", "accounts.google.com"]
    /// How far the clocks may be apart.
    private static let skew: Int64 = 60
    /// Google's tokens live for an hour.
    private static let longestLife: Int64 = 24 * 3_600
    private static let maxBytes = 8 * 1_024

    /// The id of the key that signed it.
    public let keyID: String
    private let signed: [UInt8]
    private let signature: [UInt8]
    private let claims: [UInt8]

    /// Takes the token out of a request. Throws when there is none, and for one that is not signed with RS256: the token
    /// itself never decides how it is checked.
    public init(_ request: WebhookRequest) throws(WebhookRefusal) {
        let value = try request.header("Authorization")
        guard value.utf8.count <= Self.maxBytes, value.lowercased().hasPrefix("bearer ") else {
            throw WebhookRefusal(.unsigned, "Authorization is no bearer token")
        }
        let parts = value.dropFirst(7).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64.urlSafe.decode(parts[0]),
            let claims = Base64.urlSafe.decode(parts[1]), let signature = Base64.urlSafe.decode(parts[2])
        else { throw WebhookRefusal(.malformed, "the bearer token is no JWT") }
        let fields = try Self.read(["/alg", "/kid", "/crit"], header)
        guard fields[0] == .string("RS256"), case .string(let keyID)? = fields[1], fields[2] == nil else {
            throw WebhookRefusal(.malformed, "the token is not signed with RS256 and a named key")
        }
        self.keyID = keyID
        self.signature = signature
        self.claims = claims
        signed = Array("\(parts[0]).\(parts[1])".utf8)
    }

    /// Throws unless a key of the set signed the token, for this audience, account and time.
    public func verify(
        with keys: JSONWebKeys, expecting expectation: Expectation, now: Timestamp
    ) throws(WebhookRefusal) {
        guard !expectation.audience.isEmpty, !expectation.emails.isEmpty,
            !expectation.emails.contains("")
        else { throw WebhookRefusal(.noSecret, "no account is named that may push") }
        guard let key = keys[keyID] else {
            throw WebhookRefusal(.unknownKey, "no known key has the id that the token names")
        }
        guard key.isRS256Signature(signature, of: signed) else {
            throw WebhookRefusal(.wrongSignature, "the token's signature is not its key's")
        }
        let found = try Self.read(["/iss", "/aud", "/email", "/email_verified", "/exp", "/iat"], claims)
        guard Self.issuers.contains(where: { found[0] == .string($0) }) else {
            throw WebhookRefusal(.wrongSignature, "the token is of another issuer")
        }
        guard found[1] == .string(expectation.audience) else {
            throw WebhookRefusal(.wrongSignature, "the token is for another audience")
        }
        guard expectation.emails.contains(where: { found[2] == .string($0) }), found[3] == .bool(true) else {
            throw WebhookRefusal(.wrongSignature, "the token is of another account")
        }
        guard let end = Self.seconds(found[4]), let start = Self.seconds(found[5]) else {
            throw WebhookRefusal(.malformed, "the token does not say how long it holds")
        }
        guard end > now.seconds - Self.skew, start < now.seconds + Self.skew,
            end - start <= Self.longestLife, end >= start
        else { throw WebhookRefusal(.stale, "the token has expired, or is not valid yet") }
    }

    private static func seconds(_ value: JSONScalar?) -> Int64? {
        guard case .number(let text)? = value, let number = Int64(text), number > 0, number < 1 << 40 else {
            return nil
        }
        return number
    }

    private static func read(_ names: [String], _ json: [UInt8]) throws(WebhookRefusal) -> [JSONScalar?] {
        var pointers: [JSONPointer] = []
        do throws(PageScanError) {
            for name in names { pointers.append(try JSONPointer(name)) }
        } catch {
            throw WebhookRefusal(.malformed, error.message)
        }
        return JSONValueReader.scalars(at: pointers, in: json)
    }
}

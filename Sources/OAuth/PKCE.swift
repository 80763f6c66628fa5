// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model

/// A proof that who redeems a code is who asked for it (RFC 7636, method S256).
public struct PKCE: Sendable, Hashable {
    /// Kept until the code is redeemed.
    public let verifier: SecretString
    /// Sent with the user's browser.
    public let challenge: String

    /// The proof of a verifier that was kept.
    public init(verifier: SecretString) {
        self.verifier = verifier
        challenge = Base64.urlSafe.encode(SHA256.digest(of: Array(verifier.exposed.utf8)))
    }

    /// A fresh proof with 256 random bits.
    public static func random() throws(OAuthError) -> PKCE {
        PKCE(verifier: try OneTimeValue.random())
    }
}

/// Random values that are used once.
public enum OneTimeValue {
    /// 256 random bits as 43 characters that a URL carries as they are.
    public static func random() throws(OAuthError) -> SecretString {
        do {
            return SecretString(Base64.urlSafe.encode(try SecureRandom.bytes(32)))
        } catch {
            throw OAuthError(.unavailable, error.message)
        }
    }

    /// What is stored of such a value, or of a browser's session: who reads the store cannot use it.
    public static func hash(_ value: SecretString) -> [UInt8] {
        SHA256.digest(of: Array(value.exposed.utf8))
    }
}

/// Why a request cannot be made, or a callback not be taken. Its text carries no secret.
public struct OAuthError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What happened, for programs.
    public enum Code: String, Sendable {
        /// The configuration or the credential lacks something.
        case config
        /// The callback does not belong to what was begun.
        case invalidCallback = "invalid_callback"
        /// The user said no, or the provider did.
        case denied
        /// OpenSSL failed.
        case unavailable
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String

    /// An error without secrets in its message.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message, as operators read it.
    public var description: String { message }
}

// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
public import Model

/// The application that an operator has registered with a provider.
public struct OAuthClient: Sendable, Hashable {
    /// The public name of the application.
    public let id: String
    /// What proves it; nil for a public client.
    public let secret: SecretString?
    /// What it asks users for beside the scopes of the service's profile.
    public let scopes: [String]

    /// A registered application.
    public init(id: String, secret: SecretString?, scopes: [String] = []) {
        self.id = id
        self.secret = secret
        self.scopes = scopes
    }

    /// The value of an `Authorization` header (RFC 6749, 2.3.1): id and secret are form-encoded first, so that a colon in
    /// one of them does no harm.
    var basic: String {
        let pair = "\(FormEncoding.encoded(id)):\(FormEncoding.encoded(secret?.exposed ?? ""))"
        return "Basic \(Base64.standard.encode(Array(pair.utf8)))"
    }
}

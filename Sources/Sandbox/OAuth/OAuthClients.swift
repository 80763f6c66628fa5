// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// A program that may ask for tokens.
struct OAuthClient: Sendable {
    let id: String
    /// Nil for a client that has none; it has to use PKCE.
    let secret: String?
    /// Nil: any.
    var redirect: String?
    /// Whose data `client_credentials` opens.
    var user = 1
}

/// An account of a program at Google, which signs its own assertions.
struct ServiceAccount: Sendable {
    let email: String
    let key: RSAPublicKey
    /// Whose data it opens when the assertion names nobody.
    var user = 1
}

/// The registered clients. One is there from the start: `lockstep`, with the secret `lockstep-secret`.
struct OAuthClients: Sendable {
    private(set) var clients = ["lockstep": OAuthClient(id: "lockstep", secret: "lockstep-secret")]
    private(set) var accounts: [String: ServiceAccount] = [:]

    subscript(id: String) -> OAuthClient? { clients[id] }

    mutating func add(_ client: OAuthClient) { clients[client.id] = client }

    mutating func add(_ account: ServiceAccount) { accounts[account.email] = account }

    /// The client that a request proves to be: by Basic authentication, or by parameters in its body; not by
    /// both (RFC 6749, section 2.3).
    func authenticate(
        _ request: SandboxRequest, _ parameters: [String: String]
    ) throws(OAuthRefusal) -> OAuthClient {
        let refusal = OAuthRefusal("invalid_client", "The client is unknown or its secret is wrong.")
        var id = parameters["client_id"]
        var secret = parameters["client_secret"]
        if let header = request.authorization {
            guard header.prefix(6).lowercased() == "basic ",
                let bytes = Base64.standard.decode(header.dropFirst(6)),
                let text = String(validating: bytes, as: UTF8.self)
            else { throw refusal }
            guard secret == nil else {
                throw OAuthRefusal("invalid_request", "The client authenticates in two ways at once.")
            }
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw refusal }
            let named = SandboxRequest.decoded(parts[0], plusIsSpace: true)
            guard id == nil || id == named else { throw refusal }
            (id, secret) = (named, SandboxRequest.decoded(parts[1], plusIsSpace: true))
        }
        // Stripe's clients show their secret key and no id.
        if id == nil, let secret { id = clients.values.first { $0.secret == secret }?.id }
        guard let client = id.flatMap({ clients[$0] }), client.secret == secret || client.secret == nil else {
            throw refusal
        }
        return client
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Requests about the authorization servers.
extension SandboxControlRequest {
    /// Changes how a server (`oauth`, `google`, `slack`, `stripe`) treats the tokens of some clients and users.
    ///
    /// `rotation` is `none`, `strict` (using an old refresh token again revokes the family) or `single`;
    /// `expiresIn` is in seconds, 0 for never. What is nil stays as it is.
    public static func oauthBehaviour(
        server: String? = nil, client: String? = nil, user: String? = nil, rotation: String? = nil,
        expiresIn: Int? = nil, omitsExpiresIn: Bool? = nil, omitsRefreshToken: Bool? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "oauth/behaviour",
            body: [
                ("server", server.map(Value.text)), ("client", client.map(Value.text)),
                ("user", user.map(Value.text)), ("rotation", rotation.map(Value.text)),
                ("expires_in", expiresIn.map(Value.number)),
                ("omit_expires_in", omitsExpiresIn.map { .number($0 ? 1 : 0) }),
                ("omit_refresh_token", omitsRefreshToken.map { .number($0 ? 1 : 0) }),
            ])
    }

    /// Registers a client; one without a secret has to use PKCE. `user` is whose data `client_credentials`
    /// opens.
    public static func oauthClient(
        id: String, secret: String? = nil, redirectURI: String? = nil, user: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "oauth/clients",
            body: [
                ("id", .text(id)), ("secret", secret.map(Value.text)),
                ("redirect_uri", redirectURI.map(Value.text)), ("user", user.map(Value.text)),
            ])
    }

    /// Registers a service account with its public key in PEM.
    public static func serviceAccount(email: String, publicKey: String, user: String? = nil)
        -> SandboxControlRequest
    {
        SandboxControlRequest(
            "POST", "oauth/accounts",
            body: [
                ("email", .text(email)), ("public_key", .text(publicKey)), ("user", user.map(Value.text)),
            ])
    }

    /// Gives tokens as a consent of the user would; the answer is that of the token endpoint.
    public static func oauthTokens(
        server: String, user: String, client: String? = nil, scope: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "oauth/tokens",
            body: [
                ("server", .text(server)), ("user", .text(user)), ("client", client.map(Value.text)),
                ("scope", scope.map(Value.text)),
            ])
    }

    /// Makes access tokens expire now.
    public static func expireAccessTokens(
        server: String? = nil, client: String? = nil, user: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "oauth/expire", query: [("server", server), ("client", client), ("user", user)])
    }

    /// Revokes grants, with all their tokens.
    public static func revokeGrants(
        server: String? = nil, client: String? = nil, user: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "POST", "oauth/revoke", query: [("server", server), ("client", client), ("user", user)])
    }

    /// Lists grants, a line each: how often they were refreshed, whether an old refresh token was used again,
    /// whether they are revoked.
    public static func oauthGrants(
        server: String? = nil, client: String? = nil, user: String? = nil
    ) -> SandboxControlRequest {
        SandboxControlRequest(
            "GET", "oauth/grants", query: [("server", server), ("client", client), ("user", user)])
    }
}

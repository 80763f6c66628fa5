// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
public import Model

/// The page that asks a user for consent, and what comes back from it.
public enum Authorization {
    /// The URL to send the user's browser to. Throws `config` when the service has no such page, or a value is missing.
    public static func url(
        _ profile: OAuthProfile, client: OAuthClient, redirectURI: String, state: SecretString, proof: PKCE,
        configuration: [String: String]
    ) throws(OAuthError) -> String {
        guard case .authorizationCode(let consent) = profile.grant else {
            throw OAuthError(.config, "this service is not connected by a user's consent")
        }
        var fields = [
            (name: "response_type", value: "code"), (name: "client_id", value: client.id),
            (name: "redirect_uri", value: redirectURI), (name: "state", value: state.exposed),
            (name: "code_challenge", value: proof.challenge), (name: "code_challenge_method", value: "S256"),
        ]
        let scopes = profile.scopes + client.scopes.filter { !profile.scopes.contains($0) }
        if !scopes.isEmpty {
            fields.append((consent.scopeParameter, scopes.joined(separator: profile.scopeSeparator)))
        }
        for parameter in consent.parameters {
            fields.append((parameter.name, try parameter.value.required([:], configuration)))
        }
        let page = try OAuthProfile.required(consent.url, configuration)
        let separator = page.utf8.contains(UInt8(ascii: "?")) ? "&" : "?"
        return page + separator + String(decoding: FormEncoding.encoded(fields), as: UTF8.self)
    }

    /// What a provider sent back with the browser.
    public struct Callback: Sendable {
        /// The one-time value that was sent with the user.
        public let state: SecretString?
        /// What is redeemed for tokens.
        public let code: SecretString?
        /// Who the provider says it is (RFC 9207).
        public let issuer: String?
        /// A word for what went wrong.
        public let error: String?

        /// The parameters of a callback, as they were decoded.
        public init(state: SecretString?, code: SecretString?, issuer: String? = nil, error: String? = nil) {
            self.state = state
            self.code = code
            self.issuer = issuer
            self.error = error
        }

        /// The code to redeem, once the state was found to be ours.
        ///
        /// A callback that names another provider, mixed in by an attacker, would hand its code to the wrong token endpoint
        /// (RFC 9700, 4.4). One that names none is refused only where the provider promises a name (RFC 9207, 2.4).
        public func code(for profile: OAuthProfile) throws(OAuthError) -> SecretString {
            if case .authorizationCode(let consent) = profile.grant, let expected = consent.issuer {
                let isRight =
                    issuer.map { $0.utf8.elementsEqual(expected.utf8) } ?? !consent.requiresIssuer
                guard isRight else {
                    throw OAuthError(.invalidCallback, "the callback is not from the issuer \(expected)")
                }
            }
            if let error {
                throw OAuthError(.denied, "the provider refused: \(TokenAnswer.word(error))")
            }
            guard let code, code.byteCount > 0 else {
                throw OAuthError(.invalidCallback, "the callback has no code")
            }
            return code
        }
    }
}

extension OAuthProfile {
    /// An endpoint of one integration, or `config`.
    static func required(_ url: String, _ configuration: [String: String]) throws(OAuthError) -> String {
        guard let filled = endpoint(url, configuration) else {
            throw OAuthError(
                .config, "the integration has no usable value for a place of \(url): letters, digits and '-'")
        }
        return filled
    }
}

extension OAuthText {
    /// The filled text, or `config`.
    func required(
        _ secrets: [String: SecretString], _ configuration: [String: String]
    ) throws(OAuthError) -> String {
        switch filled(secrets: secrets, configuration: configuration) {
        case .success(let text): return text
        case .failure(let missing):
            throw OAuthError(.config, "the integration has no value for \(missing.place)")
        }
    }
}

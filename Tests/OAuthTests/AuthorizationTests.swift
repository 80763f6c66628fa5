// SPDX-License-Identifier: Apache-2.0

import Model
import OAuth
import Testing

@Suite struct `An authorization request` {
    @Test func `has the challenge of RFC 7636`() {
        let proof = PKCE(verifier: SecretString("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
        #expect(proof.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    @Test func `draws verifiers of 43 characters that differ`() throws {
        let first = try PKCE.random()
        #expect(first.verifier.byteCount == 43)
        #expect(try PKCE.random() != first)
    }

    @Test func `asks for scopes with state and proof`() throws {
        var profile = slack
        profile.scopes = ["a:read", "b"]
        profile.scopeSeparator = ","
        profile.grant = .authorizationCode(
            .init(
                url: "https://p.example/authorize?v=2", scopeParameter: "user_scope",
                parameters: [.init("tenant", OAuthText([.configuration("tenant")]))]))

        // What the operator asks for beside it comes behind it, each once.
        let client = OAuthClient(id: client.id, secret: client.secret, scopes: ["b", "c:write"])
        let url = try Authorization.url(
            profile, client: client, redirectURI: "https://l.example/cb", state: SecretString("st"),
            proof: PKCE(verifier: SecretString("v")), configuration: ["tenant": "x y"])

        #expect(
            url
                == "https://p.example/authorize?v=2&response_type=code&client_id=s6BhdRkqt3"
                + "&redirect_uri=https%3A%2F%2Fl.example%2Fcb&state=st"
                + "&code_challenge=\(PKCE(verifier: SecretString("v")).challenge)&code_challenge_method=S256"
                + "&user_scope=a%3Aread%2Cb%2Cc%3Awrite&tenant=x+y")
    }

    @Test func `is refused when the service asks no user, or a value is missing`() {
        var profile = code
        profile.grant = .clientCredentials
        for profile in [profile, withTenant] {
            #expect(throws: OAuthError.self) {
                try Authorization.url(
                    profile, client: client, redirectURI: "r", state: SecretString("s"),
                    proof: PKCE(verifier: SecretString("v")), configuration: [:])
            }
        }
    }

    private var withTenant: OAuthProfile {
        var profile = code
        profile.grant = .authorizationCode(
            .init(url: "https://a", parameters: [.init("t", OAuthText([.configuration("tenant")]))]))
        return profile
    }
}

@Suite struct `A callback` {
    private var issued: OAuthProfile {
        var profile = code
        profile.grant = .authorizationCode(.init(url: "https://p/authorize", issuer: "https://p.example"))
        return profile
    }

    private func callback(code: String? = "c", issuer: String? = nil, error: String? = nil)
        -> Authorization.Callback
    {
        .init(
            state: SecretString("s"), code: code.map { SecretString($0) }, issuer: issuer, error: error)
    }

    @Test func `gives its code`() throws {
        #expect(try callback().code(for: code) == SecretString("c"))
        #expect(try callback(issuer: "https://p.example").code(for: issued) == SecretString("c"))
    }

    @Test(arguments: ["", "https://evil.example", "https://p.example/"])
    func `of another issuer is refused`(issuer: String) {
        let error = #expect(throws: OAuthError.self) { try callback(issuer: issuer).code(for: issued) }
        #expect(error?.code == .invalidCallback)
    }

    @Test func `of no issuer is refused where the provider promises one`() throws {
        #expect(try callback().code(for: issued) == SecretString("c"))
        var profile = issued
        if case .authorizationCode(var consent) = profile.grant {
            consent.requiresIssuer = true
            profile.grant = .authorizationCode(consent)
        }
        let error = #expect(throws: OAuthError.self) { try callback().code(for: profile) }
        #expect(error?.code == .invalidCallback)
        #expect(try callback(issuer: "https://p.example").code(for: profile) == SecretString("c"))
    }

    @Test func `without a code is refused, and a refusal is told apart`() {
        #expect(throws: OAuthError.self) { try callback(code: nil).code(for: code) }
        #expect(throws: OAuthError.self) { try callback(code: "").code(for: code) }
        let denied = #expect(throws: OAuthError.self) { try callback(error: "access_denied").code(for: code) }
        #expect(denied?.code == .denied)
        #expect(denied?.message.contains("access_denied") == true)
    }
}

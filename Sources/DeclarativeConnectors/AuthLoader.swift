// SPDX-License-Identifier: Apache-2.0

import Model
import PageScanner

/// Reads the `auth` block of a manifest.
struct AuthLoader {
    /// How requests prove who asks, and how the service gives what they prove it with.
    struct Loaded {
        let authentication: Authentication
        var tokens: OAuthProfile?
        /// All templates of the block.
        var templates: [Template]
    }

    let root: MappingReader

    private enum Kind: String, CaseIterable {
        case bearer
        case header
        case query
        case basic
        case code = "oauth2_code"
        case clientCredentials = "oauth2_client_credentials"
        case jwtBearer = "jwt_bearer"
        case twoStep = "two_step"

        /// The keys with a meaning for this kind.
        var keys: [String] {
            switch self {
            case .bearer: ["token"]
            case .header, .query: ["name", "value"]
            case .basic: ["username", "password"]
            case .code:
                [
                    "authorize_url", "authorize_parameters", "exchange_parameters", "issuer",
                    "issuer_required", "scope_parameter", "client", "scopes", "scope_separator", "format",
                    "revoke_url", "revoke_style",
                ] + Self.tokenKeys
            case .clientCredentials: ["client", "scopes", "scope_separator", "format"] + Self.tokenKeys
            case .jwtBearer:
                ["issuer", "subject", "audience", "key", "key_id", "scopes", "scope_separator"]
                    + Self.tokenKeys
            case .twoStep: ["body", "format"] + Self.tokenKeys
            }
        }

        private static let tokenKeys = [
            "token_url", "answer", "reconnect_errors", "lifetime_seconds", "margin_seconds", "send",
        ]
    }

    private enum BodyFormat: String, CaseIterable {
        case form
        case json
    }

    /// Nil when something is wrong; the problems are noted.
    func load() -> Loaded? {
        var keys: [String] = []
        for key in ["kind"] + Kind.allCases.flatMap(\.keys) where !keys.contains(key) { keys.append(key) }
        guard let auth = root.mapping("auth", keys: keys),
            let kind = auth.word("kind", Kind.self, required: true)
        else { return nil }
        auth.complainUnless(kind.keys, for: kind.rawValue)
        switch kind {
        case .bearer, .header, .query, .basic:
            return fixed(auth, kind).map { Loaded(authentication: $0, templates: $0.templates) }
        case .code: return tokens(auth, consent(auth).map { (.authorizationCode($0.0), $0.1) })
        case .clientCredentials: return tokens(auth, (.clientCredentials, []))
        case .jwtBearer: return tokens(auth, assertion(auth).map { (.jwtBearer($0.0), $0.1) })
        case .twoStep: return tokens(auth, login(auth).map { (.login($0.0), $0.1) })
        }
    }

    private func fixed(_ auth: MappingReader, _ kind: Kind) -> Authentication? {
        switch kind {
        case .bearer: return auth.template("token", required: true).map { .bearer($0) }
        case .basic:
            guard let username = auth.template("username", required: true) else { return nil }
            let password =
                auth.has("password")
                ? auth.template("password", mayBeEmpty: true) : auth.template(from: "", "password")
            return password.map { .basic(username: username, password: $0) }
        default:
            guard let name = auth.text("name", required: true),
                let value = auth.template("value", required: true)
            else { return nil }
            return kind == .header ? .header(name: name, value: value) : .query(name: name, value: value)
        }
    }

    // MARK: - Kinds with tokens

    private func tokens(
        _ auth: MappingReader, _ grant: (OAuthProfile.Grant, [Template])?
    ) -> Loaded? {
        let url = endpoint(auth, "token_url", required: true)
        let client = auth.word("client", OAuthProfile.ClientAuthentication.self) ?? .basic
        var profile = OAuthProfile(
            grant: grant?.0 ?? .clientCredentials, tokenURL: url ?? "", clientAuthentication: client,
            scopes: words(auth, "scopes"),
            scopeSeparator: auth.text("scope_separator", mayBeEmpty: true) ?? " ",
            reconnectErrors: words(auth, "reconnect_errors"))
        profile.fields = fields(auth)
        profile.isJSON = auth.has("format") && auth.word("format", BodyFormat.self) == .json
        if let seconds = auth.integer("lifetime_seconds", in: 1...315_360_000) {
            profile.assumedLifetime = .seconds(seconds)
        }
        if let seconds = auth.integer("margin_seconds", in: 0...86_400) {
            profile.refreshMargin = .seconds(seconds)
        }
        profile.revocation = revocation(auth)
        let carried = carried(auth)
        guard url != nil, let grant, let carried else { return nil }
        return Loaded(authentication: carried, tokens: profile, templates: carried.templates + grant.1)
    }

    private func consent(_ auth: MappingReader) -> (OAuthProfile.Consent, [Template])? {
        let parameters = auth.templates("authorize_parameters")
        guard let url = endpoint(auth, "authorize_url", required: true) else { return nil }
        var consent = OAuthProfile.Consent(url: url, parameters: Self.parameters(parameters))
        consent.issuer = auth.text("issuer")
        consent.requiresIssuer = auth.bool("issuer_required") ?? false
        if consent.requiresIssuer, consent.issuer == nil { auth.complain("issuer_required", "needs issuer") }
        let exchanged = auth.templates("exchange_parameters")
        consent.exchangeParameters = Self.parameters(exchanged)
        allowConfig(auth, "exchange_parameters", exchanged.map(\.value))
        if let name = auth.text("scope_parameter") { consent.scopeParameter = name }
        for parameter in parameters where parameter.value.places.contains(where: { $0.namespace == .secret })
        {
            auth.complain(
                "authorize_parameters",
                "'\(parameter.name)' has a secret, and the user's browser would carry it")
        }
        return (consent, (parameters + exchanged).map(\.value))
    }

    private func assertion(_ auth: MappingReader) -> (OAuthProfile.Assertion, [Template])? {
        let subject = auth.has("subject") ? auth.template("subject") : nil
        let keyID = auth.has("key_id") ? auth.template("key_id") : nil
        guard let issuer = auth.template("issuer", required: true),
            let key = auth.template("key", required: true),
            let audience = auth.text("audience") ?? auth.text("token_url")
        else { return nil }
        let own = auth.has("audience") ? auth.template("audience") : nil
        allowConfig(auth, "audience", [own].compactMap(\.self))
        if !key.places.contains(where: { $0.namespace == .secret }) {
            auth.complain("key", "has to be a secret, such as ${secret.private_key}")
        }
        return (
            OAuthProfile.Assertion(
                issuer: issuer.profileText, subject: subject?.profileText, audience: audience,
                key: key.profileText, keyID: keyID?.profileText),
            [issuer, key] + [subject, keyID, own].compactMap { $0 }
        )
    }

    private func allowConfig(_ auth: MappingReader, _ key: String, _ templates: [Template]) {
        for place in templates.flatMap(\.places) where place.namespace != .config {
            auth.complain(key, "\(place.text) is not allowed here; ${config.NAME} is")
        }
    }

    private func login(_ auth: MappingReader) -> (OAuthProfile.Login, [Template])? {
        let body = auth.templates("body")
        let format = auth.word("format", BodyFormat.self) ?? .form
        guard !body.isEmpty else {
            auth.complain("body", "has to be a mapping of names to text, what the login request says")
            return nil
        }
        return (
            OAuthProfile.Login(fields: Self.parameters(body), isJSON: format == .json), body.map(\.value)
        )
    }

    /// How requests carry the token: as a bearer token, unless the manifest says otherwise.
    private func carried(_ auth: MappingReader) -> Authentication? {
        guard auth.has("send") else {
            return auth.template(from: "${secret.access_token}", "send").map { .bearer($0) }
        }
        let keys = ["kind", "token", "name", "value", "username", "password"]
        guard let send = auth.mapping("send", keys: keys),
            let kind = send.word("kind", Kind.self, required: true)
        else { return nil }
        guard [.bearer, .header, .query, .basic].contains(kind) else {
            send.complain("kind", "'\(kind.rawValue)' is not allowed; bearer, header, query or basic")
            return nil
        }
        send.complainUnless(kind.keys, for: kind.rawValue)
        return fixed(send, kind)
    }

    private func fields(_ auth: MappingReader) -> OAuthProfile.Fields {
        var fields = OAuthProfile.Fields()
        let keys = ["access_token", "refresh_token", "expires_in", "scope", "error", "success"]
        guard auth.has("answer"), let answer = auth.mapping("answer", keys: keys) else { return fields }
        func read(_ key: String, _ path: WritableKeyPath<OAuthProfile.Fields, OAuthProfile.Places>) {
            guard answer.has(key), let pointers = answer.pointers(key) else { return }
            fields[keyPath: path] = OAuthProfile.Places(pointers.map(\.text))
        }
        read("access_token", \.accessToken)
        read("refresh_token", \.refreshToken)
        read("expires_in", \.expiresIn)
        read("scope", \.scope)
        read("error", \.error)
        if answer.has("success") { fields.success = answer.pointer("success")?.text }
        return fields
    }

    private func revocation(_ auth: MappingReader) -> OAuthProfile.Revocation? {
        let style = auth.word("revoke_style", OAuthProfile.Revocation.Style.self)
        guard auth.has("revoke_url") else {
            if auth.has("revoke_style") { auth.complain("revoke_style", "needs revoke_url") }
            return nil
        }
        return endpoint(auth, "revoke_url", required: true).map {
            OAuthProfile.Revocation(url: $0, style: style ?? .rfc7009)
        }
    }

    /// An absolute URL that secrets may be sent to. Its places are as those of `base_url`: the host stays fixed but for labels.
    private func endpoint(_ auth: MappingReader, _ key: String, required: Bool) -> String? {
        guard let text = auth.text(key, required: required), let template = auth.template(key) else {
            return nil
        }
        for place in template.places where place.namespace != .config {
            auth.complain(key, "\(place.text) is not allowed here; ${config.NAME} is")
            return nil
        }
        guard ManifestLoader.isFixedHost(text) else {
            auth.complain(
                key,
                "'\(text)' is not allowed; https://HOST/PATH, in which ${config.NAME} may be a label of the host's name "
                    + "or a part of the path")
            return nil
        }
        return text
    }

    private func words(_ auth: MappingReader, _ key: String) -> [String] {
        ManifestLoader.scalars(auth, key).compactMap(\.text)
    }

    private static func parameters(
        _ templates: [(name: String, value: Template)]
    ) -> [OAuthProfile.Parameter] {
        templates.map { OAuthProfile.Parameter($0.name, $0.value.profileText) }
    }
}

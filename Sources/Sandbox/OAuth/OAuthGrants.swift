// SPDX-License-Identifier: Apache-2.0

/// What came of one consent: all its tokens live and die together.
struct OAuthGrant: Sendable {
    let number: Int
    let server: OAuthServer
    let client: String
    let user: Int
    let scopes: [String]
    /// Slack: a token of the person, not of the bot.
    var isOfUser = false
    var isRevoked = false
    /// A refresh token was used again after it had been replaced.
    var wasReplayed = false
    var refreshes = 0
}

/// Codes and tokens of all authorization servers.
struct OAuthGrants: Sendable {
    struct Code: Sendable {
        let server: OAuthServer
        let client: String
        let redirect: String
        let challenge: String?
        let user: Int
        let scopes: [String]
        let isOffline: Bool
        let isOfUser: Bool
        let expires: Int64
        /// The grant that was made of it.
        var grant: Int?
    }

    struct Access: Sendable {
        let grant: Int
        /// Microseconds of the monotonic clock; nil: never.
        var expires: Int64?
        var isRevoked = false
    }

    struct Refresh: Sendable {
        let grant: Int
        var isUsed = false
    }

    /// What a client gets.
    struct Issued: Sendable {
        let grant: OAuthGrant
        let access: String
        let refresh: String?
        let expiresIn: Int?
    }

    /// Google lets an account have so many refresh tokens for one client; the oldest goes silently.
    private static let googleLimit = 100
    /// Codes live for a minute, as Slack's ten and Google's few do in the eyes of a test.
    private static let codeLifetime: Int64 = 60_000_000

    private let seed: UInt64
    private(set) var grants: [OAuthGrant] = []
    private(set) var access: [String: Access] = [:]
    private(set) var refresh: [String: Refresh] = [:]
    private var codes: [String: Code] = [:]
    private var settings: [OAuthSetting] = []
    private var issued = 0

    init(seed: UInt64) {
        self.seed = seed
    }

    mutating func set(_ setting: OAuthSetting) { settings.append(setting) }

    func behaviour(_ grant: OAuthGrant) -> OAuthBehaviour {
        var behaviour = grant.server.behaviour
        for setting in settings where setting.matches(grant) { setting.apply(to: &behaviour) }
        return behaviour
    }

    mutating func makeCode(
        _ server: OAuthServer, client: String, redirect: String, challenge: String?, user: Int,
        scopes: [String], isOffline: Bool, isOfUser: Bool = false, at now: Int64
    ) -> String {
        let text = token("code_")
        codes[text] = Code(
            server: server, client: client, redirect: redirect, challenge: challenge, user: user,
            scopes: scopes, isOffline: isOffline, isOfUser: isOfUser, expires: now + Self.codeLifetime)
        return text
    }

    func user(ofCode text: String) -> Int? { codes[text]?.user }

    func user(ofRefresh text: String) -> Int? { refresh[text].map { grants[$0.grant].user } }

    /// Exchanges a code, once. A second use revokes what the first one gave (RFC 6749, section 4.1.2).
    mutating func redeem(
        _ text: String, _ server: OAuthServer, client: String, redirect: String?, challenge: String?,
        at now: Int64
    ) throws(OAuthRefusal) -> Issued {
        guard let code = codes[text], code.server == server, code.client == client else { throw .usedCode }
        if let grant = code.grant {
            revoke(grant)
            throw .usedCode
        }
        guard code.expires > now else { throw .usedCode }
        guard redirect == code.redirect || (redirect == nil && server == .stripe) else {
            throw OAuthRefusal("invalid_grant", "The redirect_uri differs from that of the authorization.")
        }
        if let expected = code.challenge, challenge != expected {
            throw OAuthRefusal("invalid_grant", "The code_verifier does not fit the code_challenge.")
        }
        let issued = grant(
            server, client: client, user: code.user, scopes: code.scopes, isOffline: code.isOffline,
            isOfUser: code.isOfUser, at: now)
        codes[text]?.grant = issued.grant.number
        return issued
    }

    /// Tokens of a new grant.
    mutating func grant(
        _ server: OAuthServer, client: String, user: Int, scopes: [String], isOffline: Bool,
        isOfUser: Bool = false, at now: Int64
    ) -> Issued {
        let grant = OAuthGrant(
            number: grants.count, server: server, client: client, user: user, scopes: scopes,
            isOfUser: isOfUser)
        grants.append(grant)
        if server == .google {
            let others = grants.filter {
                $0.server == server && $0.client == client && $0.user == user && !$0.isRevoked
            }
            if others.count > Self.googleLimit { revoke(others[0].number) }
        }
        // At Slack only tokens that expire come with a refresh token.
        let isRenewable = server != .slack || behaviour(grant).expiresIn != nil
        return issue(
            grant, refresh: isOffline && isRenewable ? makeRefresh(grant) : nil, isRefresh: false, at: now)
    }

    /// Exchanges a refresh token.
    mutating func refresh(
        _ text: String, _ server: OAuthServer, client: String, at now: Int64
    ) throws(OAuthRefusal) -> Issued {
        guard let token = refresh[text] else { throw .deadRefreshToken }
        let grant = grants[token.grant]
        guard grant.server == server, grant.client == client, !grant.isRevoked else {
            throw .deadRefreshToken
        }
        let behaviour = behaviour(grant)
        if token.isUsed {
            grants[grant.number].wasReplayed = true
            if behaviour.rotation == .strict { revoke(grant.number) }
            throw .deadRefreshToken
        }
        grants[grant.number].refreshes += 1
        guard behaviour.rotation != .none else {
            return issue(grant, refresh: text, isRefresh: true, at: now)
        }
        refresh[text]?.isUsed = true
        return issue(grant, refresh: makeRefresh(grant), isRefresh: true, at: now)
    }

    func caller(_ text: String, of service: SandboxService, at now: Int64) -> Caller? {
        guard let token = access[text] else { return nil }
        let grant = grants[token.grant]
        guard grant.server.opens(service) else { return .unknown }
        if token.isRevoked || grant.isRevoked { return .revoked }
        if let expires = token.expires, expires <= now { return .expired }
        return .account(grant.user, scopes: grant.server == .generic ? nil : grant.scopes)
    }

    /// RFC 7009: a refresh token takes all with it; an access token does so at Google and Slack. True when
    /// there was something to revoke.
    mutating func revoke(token text: String) -> Bool {
        if let token = refresh[text] {
            revoke(token.grant)
            return true
        }
        guard let token = access[text] else { return false }
        access[text]?.isRevoked = true
        if grants[token.grant].server != .generic { revoke(token.grant) }
        return true
    }

    mutating func revoke(_ grant: Int) { grants[grant].isRevoked = true }

    /// Makes the access tokens of some grants expire now; how many.
    mutating func expire(at now: Int64, where isMeant: (OAuthGrant) -> Bool) -> Int {
        var count = 0
        for (text, token) in access where isMeant(grants[token.grant]) && token.expires ?? .max > now {
            access[text]?.expires = now
            count += 1
        }
        return count
    }

    private mutating func makeRefresh(_ grant: OAuthGrant) -> String {
        let text = token(grant.server.refreshPrefix)
        refresh[text] = Refresh(grant: grant.number)
        return text
    }

    private mutating func issue(
        _ grant: OAuthGrant, refresh: String?, isRefresh: Bool, at now: Int64
    ) -> Issued {
        let behaviour = behaviour(grant)
        let text = token(
            grant.server.accessPrefix(expires: behaviour.expiresIn != nil, isOfUser: grant.isOfUser))
        access[text] = Access(
            grant: grant.number, expires: behaviour.expiresIn.map { now + Int64($0) * 1_000_000 })
        return Issued(
            grant: grant, access: text, refresh: isRefresh && behaviour.omitsRefreshToken ? nil : refresh,
            expiresIn: behaviour.omitsExpiresIn ? nil : behaviour.expiresIn)
    }

    private mutating func token(_ prefix: String) -> String {
        issued += 1
        var random = SplitMix64(state: SplitMix64.mix(seed ^ 0x0A07) ^ UInt64(issued))
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        return prefix + String(decoding: (0..<32).map { _ in letters[random.below(62)] }, as: UTF8.self)
    }
}

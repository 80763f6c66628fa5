// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import OAuth
import Testing

@Suite struct `The answer of a token endpoint` {
    private func granted(_ body: String, _ profile: OAuthProfile = code) throws -> TokenGrant {
        try TokenAnswer.read(response(200, body), profile).get()
    }

    private func failed(_ outcome: Result<HTTPResponse, HTTPError>, _ profile: OAuthProfile = code) throws
        -> TokenFailure
    {
        switch TokenAnswer.read(outcome, profile) {
        case .success: throw TokenFailure(.config, code: "granted", detail: "")
        case .failure(let failure): return failure
        }
    }

    @Test func `has the fields of RFC 6749`() throws {
        let grant = try granted(
            #"{"access_token":"2Yotn","token_type":"Bearer","expires_in":3600,"refresh_token":"tGzv","scope":"a b"}"#
        )

        #expect(grant.accessToken == SecretString("2Yotn"))
        #expect(grant.refreshToken == SecretString("tGzv"))
        #expect(grant.lifetime?.total == .seconds(3_600))
        #expect(grant.lifetime?.refreshDelay == .seconds(3_300))
        #expect(grant.scopes == ["a", "b"])
    }

    @Test func `has Slack's fields of a user`() throws {
        let body =
            #"{"ok":true,"access_token":"xoxb","authed_user":{"id":"U1","access_token":"xoxe.xoxp-1","#
            + #""refresh_token":"xoxe-1","expires_in":43200,"scope":"chat:write,im:read"}}"#

        let grant = try granted(body, slack)

        #expect(grant.accessToken == SecretString("xoxe.xoxp-1"))
        #expect(grant.refreshToken == SecretString("xoxe-1"))
        #expect(grant.scopes == ["chat:write", "im:read"])
    }

    @Test(
        arguments: [
            ("", nil), (#","expires_in":null"#, nil), (#","expires_in":0"#, nil), (#","expires_in":-5"#, nil),
            (#","expires_in":"soon""#, nil), (#","expires_in":"3600""#, 3_600), (#","expires_in":59.9"#, 59),
            (#","expires_in":1e30"#, 315_360_000),
        ] as [(String, Int64?)])
    func `without a usable lifetime has an unknown one`(member: String, seconds: Int64?) throws {
        let lifetime = try granted(#"{"access_token":"a"\#(member)}"#).lifetime
        #expect(lifetime?.total == seconds.map { .seconds($0) })
        #expect(try granted(#"{"access_token":"a"\#(member)}"#).refreshToken == nil)
    }

    @Test func `may leave the lifetime to the profile, and a short one is not all margin`() throws {
        var profile = code
        profile.assumedLifetime = .seconds(60)
        let lifetime = try granted(#"{"access_token":"a"}"#, profile).lifetime
        #expect(lifetime?.refreshDelay == .seconds(30))
    }

    @Test(arguments: [
        (400, #"{"error":"invalid_grant"}"#, TokenFailure.Kind.reconnect, "invalid_grant", false),
        (200, #"{"error":"invalid_grant"}"#, .reconnect, "invalid_grant", false),
        (401, #"{"error":"invalid_client"}"#, .config, "invalid_client", false),
        (400, #"{"error":"unauthorized_client"}"#, .config, "unauthorized_client", false),
        (403, "<html>", .config, "http_403", false),
        (429, "", .rateLimited, "http_429", false),
        (400, #"{"error":"slow_down"}"#, .rateLimited, "slow_down", false),
        (503, "", .transient, "http_503", true),
        (400, #"{"error":"temporarily_unavailable"}"#, .transient, "temporarily_unavailable", false),
        (200, "<html>", .transient, "not_json", true),
        (200, #"{"access_token":"#, .transient, "not_json", true),
        (200, #"{"token":"x"}"#, .transient, "token_missing", true),
        (400, #"{"error":"the token abc123 is bad"}"#, .config, "unreadable_error", false),
    ])
    func `tells what went wrong`(
        status: Int, body: String, kind: TokenFailure.Kind, word: String, inDoubt: Bool
    ) throws {
        let failure = try failed(response(status, body))
        #expect(failure.kind == kind)
        #expect(failure.code == word)
        #expect(failure.mayHaveTakenEffect == inDoubt)
        #expect(!failure.detail.contains("abc123"))
    }

    @Test(arguments: [
        ("invalid_refresh_token", TokenFailure.Kind.reconnect), ("ratelimited", .rateLimited),
        ("internal_error", .transient), ("bad_client_secret", .config),
    ])
    func `says no with status 200, as Slack does`(word: String, kind: TokenFailure.Kind) throws {
        let failure = try failed(response(200, #"{"ok":false,"error":"\#(word)"}"#), slack)
        #expect(failure.kind == kind)
        #expect(failure.code == word)
    }

    @Test func `may be missing: what was sent may have taken effect`() throws {
        let lost = try failed(.failure(HTTPError(.reset, "reset", requestWasSent: true)))
        #expect(lost.kind == .transient && lost.mayHaveTakenEffect)
        let refused = try failed(.failure(HTTPError(.connect, "refused")))
        #expect(refused.kind == .transient && !refused.mayHaveTakenEffect)
        let waits = try failed(response(429, "", headers: [("Retry-After", "7")]))
        #expect(waits.retryAfter == .seconds(7))
        // The same as a date, by the provider's own clock.
        let dated = [
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT"),
        ]
        #expect(try failed(response(429, "", headers: dated)).retryAfter == .seconds(30))
        #expect(try failed(response(503, "", headers: [("Retry-After", "-1e300")])).retryAfter == nil)
    }

    @Test func `of a revocation is good also when the token was unknown`() {
        #expect(TokenAnswer.revocationFailure(response(200, ""), code) == nil)
        #expect(TokenAnswer.revocationFailure(response(400, #"{"error":"invalid_grant"}"#), code) == nil)
        #expect(TokenAnswer.revocationFailure(response(503, ""), code)?.kind == .transient)
        #expect(TokenAnswer.revocationFailure(response(200, #"{"ok":true}"#), slack) == nil)
        #expect(TokenAnswer.revocationFailure(response(200, #"{"ok":false,"error":"x"}"#), slack) != nil)
    }
}

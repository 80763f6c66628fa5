// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Model
import Testing

@testable import Webhooks

@Suite struct `A bearer token of Google` {
    private static let now = Timestamp(seconds: 1_700_000_100)
    private static let expectation = IdentityToken.Expectation(
        audience: "https://example.com/webhooks/gmail", emails: ["push@project.iam.gserviceaccount.com"])
    private static let header = #"{"alg":"RS256","kid":"a/2","typ":"JWT"}"#

    private static func claims(_ changes: [String: String?] = [:]) -> String {
        var members = [
            "iss": #""https://accounts.google.com""#, "aud": #""https://example.com/webhooks/gmail""#,
            "email": #""push@project.iam.gserviceaccount.com""#, "email_verified": "true",
            "iat": "1700000000", "exp": "1700003600", "sub": #""1""#,
        ]
        for (name, value) in changes { members[name] = value }
        return "{" + members.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }

    private static func refusal(
        authorization: String?, now: Timestamp = now, keys: [UInt8] = TestKey.keys,
        expecting expectation: IdentityToken.Expectation = expectation
    ) throws -> WebhookRefusal.Code? {
        let keys = try #require(JSONWebKeys(keys))
        do throws(WebhookRefusal) {
            let token = try IdentityToken(
                WebhookRequest(
                    method: "POST", url: "",
                    headers: HTTPHeaders(authorization.map { [("Authorization", $0)] } ?? []),
                    body: []))
            try token.verify(with: keys, expecting: expectation, now: now)
            return nil
        } catch {
            return error.code
        }
    }

    private static func refusal(_ changes: [String: String?] = [:], header: String = header) throws
        -> WebhookRefusal.Code?
    {
        try refusal(authorization: "Bearer " + TestKey.token(header: header, claims: claims(changes)))
    }

    @Test func `is accepted from the account, for the audience and in its time`() throws {
        #expect(try Self.refusal() == nil)
        #expect(try Self.refusal(["iss": #""accounts.google.com""#]) == nil)
    }

    @Test func `that is missing is refused`() throws {
        #expect(try Self.refusal(authorization: nil) == .unsigned)
        for text in ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer a.b", "Bearer ..", "bearer a.b.c.d"] {
            #expect(try Self.refusal(authorization: text) != nil, "\(text)")
        }
    }

    @Test func `whose claims are others is refused`() throws {
        let changes: [[String: String?]] = [
            ["iss": #""https://evil.example""#], ["iss": nil], ["iss": #"["accounts.google.com"]"#],
            ["aud": #""https://example.com/webhooks/slack""#], ["aud": nil],
            ["aud": #"["https://example.com/webhooks/gmail"]"#],
            ["aud": #""HTTPS://example.com/webhooks/gmail""#],
            ["email": #""other@project.iam.gserviceaccount.com""#], ["email": nil],
            ["email": #""""#], ["email_verified": "false"], ["email_verified": #""true""#],
            ["email_verified": nil], ["exp": "1700000039"], ["exp": nil],
            ["exp": #""1700003600""#], ["exp": "1e12"], ["exp": "1800000000"],
            ["exp": "1699999999", "iat": "1700000000"],
            ["iat": "1700000161"], ["iat": nil], ["iat": "-1"], ["iat": "1.5"],
        ]
        for change in changes {
            #expect(try Self.refusal(change) != nil, "\(change)")
        }
    }

    @Test func `never says itself how it is checked`() throws {
        for header in [
            #"{"alg":"none","kid":"a/2"}"#, #"{"alg":"HS256","kid":"a/2"}"#, #"{"alg":"RS512","kid":"a/2"}"#,
            #"{"alg":"RS256"}"#, #"{"alg":"RS256","kid":"a/2","crit":"exp"}"#,
            #"{"alg":"rs256","kid":"a/2"}"#, "{}", "",
        ] {
            #expect(try Self.refusal(header: header) != nil, "\(header)")
        }
        #expect(try Self.refusal(header: #"{"alg":"RS256","kid":"ec"}"#) == .unknownKey)
        #expect(try Self.refusal(header: #"{"alg":"RS256","kid":"x"}"#) == .unknownKey)
    }

    @Test func `of which a character is changed is refused`() throws {
        let token = try TestKey.token(header: Self.header, claims: Self.claims())
        var refused = 0
        for place in stride(from: 0, to: token.count, by: max(1, token.count / 60)) {
            var changed = Array(token)
            changed[place] = changed[place] == "A" ? "B" : "A"
            #expect(try Self.refusal(authorization: "Bearer " + String(changed)) != nil, "\(place)")
            refused += 1
        }
        #expect(refused >= 40)
        #expect(try Self.refusal(authorization: "Bearer " + token.dropLast(2)) != nil)
        #expect(try Self.refusal(authorization: "Bearer " + token + "=") != nil)
    }

    @Test func `proves nothing where no account is named`() throws {
        let token =
            "Bearer " + (try TestKey.token(header: Self.header, claims: Self.claims(["email": #""""#])))
        for emails in [[], [""]] {
            let code = try Self.refusal(
                authorization: token,
                expecting: IdentityToken.Expectation(audience: Self.expectation.audience, emails: emails))
            #expect(code == .noSecret)
        }
    }

    @Test func `is checked with the RSA keys of a set`() throws {
        let keys = try #require(JSONWebKeys(TestKey.keys))
        #expect(keys["a/2"] != nil)
        #expect(keys["ec"] == nil)
        for text in ["", "{}", #"{"keys":[]}"#, #"{"keys":[{"kid":"a","n":"AQAB","e":"AQAB"}]}"#, "[]"] {
            #expect(JSONWebKeys(Array(text.utf8)) == nil)
        }
    }
}

@Suite struct `A pushed message` {
    @Test func `carries the notification of a mailbox`() throws {
        let data = "eyJlbWFpbEFkZHJlc3MiOiAidXNlckBleGFtcGxlLmNvbSIsICJoaXN0b3J5SWQiOiAiMTIzNDU2Nzg5MCJ9"
        let body = #"{"message":{"data":"\#(data)","messageId":"77"},"subscription":"s"}"#

        let message = try #require(PubSubMessage(Array(body.utf8)))

        #expect(message.id == "77")
        #expect(
            String(decoding: message.data, as: UTF8.self)
                == #"{"emailAddress": "user@example.com", "historyId": "1234567890"}"#)
    }

    @Test func `that lacks its data or id, or is no Base64, is none`() {
        for text in [
            "{}", #"{"message":{"messageId":"7"}}"#, #"{"message":{"data":"e30="}}"#,
            #"{"message":{"data":"e30=","messageId":7}}"#, #"{"message":{"data":"***","messageId":"7"}}"#,
            "e30=",
        ] {
            #expect(PubSubMessage(Array(text.utf8)) == nil, "\(text)")
        }
    }
}

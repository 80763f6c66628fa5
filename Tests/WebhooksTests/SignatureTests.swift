// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Model
import Testing

@testable import Webhooks

@Suite struct `A signature` {
    @Test(arguments: Vectors.all)
    func `of a known secret and content is accepted`(vector: SignedCase) {
        #expect(vector.refusal == nil)
    }

    @Test(arguments: Vectors.all)
    func `is refused in each of forty and more tampered forms`(vector: SignedCase) {
        let forms = vector.tampered

        #expect(forms.count >= 40)
        for (label, form) in forms {
            #expect(form.refusal != nil, "\(vector.name), \(label)")
        }
    }

    @Test(arguments: Vectors.all)
    func `is accepted by any of several secrets`(vector: SignedCase) {
        var rolled = vector
        rolled.secrets = [SecretString("whsec_AAAAAAAA"), vector.secrets[0], SecretString("")]

        #expect(rolled.refusal == nil)
    }

    @Test(arguments: Vectors.all)
    func `is found under a header name of any case`(vector: SignedCase) {
        var shouted = vector
        shouted.headers = vector.headers.map { ($0.name.uppercased(), $0.value) }

        #expect(shouted.refusal == nil)
    }

    @Test(arguments: Vectors.all.filter { $0.time != nil }, [Int64(-300), -1, 1, 300])
    func `holds within five minutes either way`(vector: SignedCase, seconds: Int64) {
        var later = vector
        later.now = Timestamp(seconds: vector.now.seconds + seconds)

        #expect(later.refusal == nil)
    }

    @Test func `of capital hexadecimal digits is another text`() {
        for vector in [Vectors.slack, Vectors.stripe, Vectors.github] {
            let text = vector.value(vector.signature.header)
            let head = text.prefix(vector.signature.start)
            let form = vector.with(
                vector.signature.header, head + text.dropFirst(vector.signature.start).uppercased())
            #expect(form.refusal?.code == .wrongSignature)
        }
    }

    @Test func `is said to be stale, missing or wrong`() {
        var late = Vectors.slack
        late.now = Timestamp(seconds: late.now.seconds + 301)

        #expect(late.refusal?.code == .stale)
        #expect(Vectors.slack.with("X-Slack-Signature", nil).refusal?.code == .unsigned)
        #expect(Vectors.slack.with(body: []).refusal?.code == .wrongSignature)
        var bare = Vectors.slack
        bare.secrets = []
        #expect(bare.refusal?.code == .noSecret)
    }
}

@Suite struct `A header with several signatures` {
    @Test func `vouches for a header that is signed, or that comes with a signed time`() {
        #expect(!WebhookScheme.github.vouches(forHeader: "X-GitHub-Delivery"))
        #expect(!WebhookScheme.shopify.vouches(forHeader: "X-Shopify-Webhook-Id"))
        #expect(WebhookScheme.standardWebhooks.vouches(forHeader: "webhook-id"))
        #expect(WebhookScheme.hubspot.vouches(forHeader: "X-Any"))
        #expect(!WebhookScheme.hmac(HMACScheme(header: "X-Sig")).vouches(forHeader: "X-Id"))
        let signed = HMACScheme(header: "X-Sig", signed: [.header("x-id"), .body])
        #expect(WebhookScheme.hmac(signed).vouches(forHeader: "X-Id"))
        #expect(!WebhookScheme.hmac(signed).vouches(forHeader: "X-Type"))
        let timed = HMACScheme(
            header: "X-Sig", signed: [.timestamp, .body], time: HMACScheme.Time(header: "X-Time"))
        #expect(WebhookScheme.hmac(timed).vouches(forHeader: "X-Id"))
    }

    @Test func `of Stripe holds under either secret while it is rolled`() {
        let both = Vectors.stripe.value("Stripe-Signature") + ",v1=" + Vectors.stripeOldCode
        var form = Vectors.stripe.with("Stripe-Signature", both)
        for secret in ["whsec_test_secret", "whsec_test_secret_old"] {
            form.secrets = [SecretString(secret)]
            #expect(form.refusal == nil)
        }
        form.secrets = [SecretString("whsec_test_secret_new")]
        #expect(form.refusal?.code == .wrongSignature)
    }

    @Test func `of Stripe proves nothing by v0, without a time or with two`() {
        let code = Vectors.stripe.value("Stripe-Signature").dropFirst(16)
        let forms = [
            "t=1700000000,v0=\(code)", "v1=\(code)", "t=1700000000,t=1700000001,v1=\(code)", "t=1700000000",
            "t=1700000000,v1=\(code)," + String(repeating: ",v1=\(code)", count: 8),
            "t=1700000000 v1=\(code)",
        ]
        for text in forms {
            #expect(Vectors.stripe.with("Stripe-Signature", text).refusal != nil, "\(text)")
        }
        #expect(
            Vectors.stripe.with("Stripe-Signature", "v0=00,v1=\(code),t=1700000000").refusal == nil)
    }

    @Test func `of Standard Webhooks is searched for one that fits`() {
        let right = Vectors.standard.value("webhook-signature")
        let list =
            "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= "
            + right + " v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
        #expect(Vectors.standard.with("webhook-signature", list).refusal == nil)
        #expect(
            Vectors.standard.with("webhook-signature", String(list.prefix(100))).refusal?.code
                == .wrongSignature)
    }

    @Test func `of Standard Webhooks needs all three headers, and a secret with or without its prefix`()
        throws
    {
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            #expect(Vectors.standard.with(name, nil).refusal?.code == .unsigned)
        }
        var bare = Vectors.standard
        bare.secrets = [SecretString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
        #expect(bare.refusal == nil)
        bare.secrets = [SecretString("whsec_not base64")]
        #expect(bare.refusal?.code == .noSecret)
        #expect(Vectors.standard.with("webhook-id", "msg.1").refusal?.code == .malformed)
    }

    @Test func `of Standard Webhooks may be over an empty body`() throws {
        let key = try #require(Base64.standard.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let code = try HMAC.sha256(key: key, message: Array("m1.1614265330.".utf8))
        let form = Vectors.standard.with(body: []).with("webhook-id", "m1")
            .with("webhook-signature", "v1," + Base64.standard.encode(code))
        #expect(form.refusal == nil)
    }
}

@Suite struct `A channel` {
    private static func request(_ changes: [String: String?] = [:]) -> WebhookRequest {
        var headers = [
            "X-Goog-Channel-ID": "c-1", "X-Goog-Message-Number": "7", "X-Goog-Resource-ID": "r",
            "X-Goog-Resource-State": "exists", "X-Goog-Channel-Token": "t0k3n",
        ]
        for (name, value) in changes { headers[name] = value }
        return WebhookRequest(
            method: "POST", url: "https://a.example",
            headers: HTTPHeaders(headers.map { ($0.key, $0.value) }),
            body: [])
    }

    @Test func `is proved by its token alone`() throws {
        let hash = ChannelNotice.hash(ofToken: "t0k3n")

        let notice = try ChannelNotice(Self.request())

        #expect(notice.eventID == "c-1/7")
        #expect(notice.isProved(byHash: hash))
        for token in ["t0k3N", "t0k3", "t0k3n ", "x", String(repeating: "t", count: 1_000)] {
            let other = try ChannelNotice(Self.request(["X-Goog-Channel-Token": token]))
            #expect(!other.isProved(byHash: hash))
        }
        #expect(!notice.isProved(byHash: []))
    }

    @Test func `that lacks a header, or has a bad one, is refused`() {
        for name in [
            "X-Goog-Channel-ID", "X-Goog-Message-Number", "X-Goog-Resource-ID", "X-Goog-Resource-State",
            "X-Goog-Channel-Token",
        ] {
            #expect(throws: WebhookRefusal.self) { try ChannelNotice(Self.request([name: nil])) }
            #expect(throws: WebhookRefusal.self) { try ChannelNotice(Self.request([name: ""])) }
        }
        for number in ["-1", "1.5", "x", "123456789012345678901"] {
            #expect(throws: WebhookRefusal.self) {
                try ChannelNotice(Self.request(["X-Goog-Message-Number": number]))
            }
        }
    }
}

@Suite struct `Slack's challenge` {
    @Test func `is found in its own request alone`() {
        func challenge(_ text: String) -> String? { SlackChallenge(Array(text.utf8))?.text }

        #expect(
            challenge(
                #"{"token":"T","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd","type":"url_verification"}"#)
                == "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd")
        #expect(challenge(#"{"challenge":"x","type":"event_callback"}"#) == nil)
        #expect(challenge(#"{"challenge":1,"type":"url_verification"}"#) == nil)
        #expect(challenge("challenge=x&type=url_verification") == nil)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

@testable import Webhooks

/// Signatures that providers published, and others of known secrets that were computed apart from this code.
enum Vectors {
    /// https://docs.slack.dev/authentication/verifying-requests-from-slack
    static let slack = SignedCase(
        "slack", .slack, secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: [
            ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ("X-Slack-Request-Timestamp", "1531420618"),
        ],
        body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
            + "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
            + "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgc"
            + "ZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        now: 1_531_420_618, signature: ("X-Slack-Signature", 3), time: ("X-Slack-Request-Timestamp", 1))

    static let stripe = SignedCase(
        "stripe", .stripe, secret: "whsec_test_secret",
        headers: [
            (
                "Stripe-Signature",
                "t=1700000000,v1=d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990"
            )
        ],
        body: #"{"id":"evt_test_webhook","object":"event"}"#, now: 1_700_000_000,
        signature: ("Stripe-Signature", 16), time: ("Stripe-Signature", 1))
    /// The same content, signed with `whsec_test_secret_old`.
    static let stripeOldCode = "0a97525639b2aebc7f6ef3a3f07752da37ca8d2c02879a10f6ee5c04599a5a1f"

    /// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    static let github = SignedCase(
        "github", .github, secret: "It's a Secret to Everybody",
        headers: [
            (
                "X-Hub-Signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            )
        ], body: "Hello, World!", now: 1_700_000_000, signature: ("X-Hub-Signature-256", 7))

    static let shopify = SignedCase(
        "shopify", .shopify, secret: "hush",
        headers: [("X-Shopify-Hmac-Sha256", "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=")],
        body: #"{"id":1}"#, now: 1_700_000_000, signature: ("X-Shopify-Hmac-Sha256", 0))

    static let hubspot = SignedCase(
        "hubspot", .hubspot, secret: "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        headers: [
            ("X-HubSpot-Signature-v3", "v2xf0TxPJQEDgLAv/7oGPMHTkgq0XS6SxTzrpViUgtY="),
            ("X-HubSpot-Request-Timestamp", "1700000000000"),
        ], body: #"[{"eventId":1}]"#, now: 1_700_000_000, signature: ("X-HubSpot-Signature-v3", 0),
        time: ("X-HubSpot-Request-Timestamp", 1_000), url: "https://example.com/webhooks/hubspot")

    /// From the tests of the reference implementations of Standard Webhooks.
    static let standard = SignedCase(
        "standard", .standardWebhooks, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ], body: #"{"test": 2432232314}"#, now: 1_614_265_330, signature: ("webhook-signature", 3),
        time: ("webhook-timestamp", 1))

    /// The key of RFC 8032, section 7.1, test 2, and the content of the vector before.
    static let standardPublic = SignedCase(
        "standard with a public key", .standardWebhooks,
        secret: "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
        headers: [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
            (
                "webhook-signature",
                "v1a,7anDmyOh9LNskt5GJUTacHmbvyUkT0/S1jnxFAp+h2hcVXnQLWhtWA2+wP6vO0AUwEYP23IIZVuneGRhNj7hDQ=="
            ),
        ], body: #"{"test": 2432232314}"#, now: 1_614_265_330, signature: ("webhook-signature", 4),
        time: ("webhook-timestamp", 1))

    /// A scheme as a manifest may describe it; the code is Python's
    /// `hmac.new(b'k3y', b'1700000000:POST:{"a":1}', 'sha512')` in Base64url without padding.
    static let generic = SignedCase(
        "a manifest's own",
        .hmac(
            HMACScheme(
                header: "X-Sig", prefix: "s=", algorithm: .sha512, encoding: .base64url,
                signed: [.timestamp, .text(":"), .method, .text(":"), .body],
                time: HMACScheme.Time(header: "X-Time"))),
        secret: "k3y",
        headers: [
            (
                "X-Sig",
                "s=TYXM_PHBFwrv2bZIB4YCr5hqInsOoKS6Ht4NRJt8vXyYzBqMkZohw0iHQPxIisUXnkxio8q_RTAVbgNehShWvA"
            ),
            ("X-Time", "1700000000"),
        ], body: #"{"a":1}"#, now: 1_700_000_000, signature: ("X-Sig", 2), time: ("X-Time", 1))

    static let all = [slack, stripe, github, shopify, hubspot, standard, standardPublic, generic]
}

// SPDX-License-Identifier: Apache-2.0

/// How a provider proves that a notification is its own.
public enum WebhookScheme: Sendable, Hashable {
    /// `X-Slack-Signature`, and the challenge that Slack sends first.
    /// https://docs.slack.dev/authentication/verifying-requests-from-slack
    case slack
    /// `Stripe-Signature` with a time and any number of signatures. https://docs.stripe.com/webhooks/signature
    case stripe
    /// `X-Hub-Signature-256`. https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    case github
    /// `X-Shopify-Hmac-Sha256`. https://shopify.dev/docs/apps/build/webhooks
    case shopify
    /// `X-HubSpot-Signature-v3`. https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
    case hubspot
    /// `webhook-signature`, by a shared key (`v1`) or a public one (`v1a`).
    /// https://github.com/standard-webhooks/standard-webhooks
    case standardWebhooks
    /// A channel's id and its token: nothing is signed.
    /// https://developers.google.com/workspace/calendar/api/guides/push
    case googleChannel
    /// A bearer token that Google signed, checked with the keys at `keysURL`.
    /// https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions
    case googlePubSub(keysURL: String)
    /// A code over a text that a manifest describes.
    case hmac(HMACScheme)
}

/// A keyed code in a header.
public struct HMACScheme: Sendable, Hashable {
    /// The hash of the code.
    public enum Algorithm: String, Sendable, CaseIterable {
        case sha256
        case sha512
        case sha1
    }

    /// How the code is written.
    public enum Encoding: String, Sendable, CaseIterable {
        /// Small letters.
        case hex
        /// With padding.
        case base64
        /// Without padding.
        case base64url
    }

    /// The unit of a time that is a number.
    public enum TimeUnit: String, Sendable, CaseIterable {
        case seconds
        case milliseconds
    }

    /// A part of what is signed.
    public enum Part: Sendable, Hashable {
        case text(String)
        case body
        case timestamp
        case method
        /// The whole address, as the provider knows it.
        case url
        /// The same with the escapes of `:/?@!$'()*,;` decoded, as HubSpot signs it.
        case readableURL
        /// The value of a header.
        case header(String)
    }

    /// The time inside of what is signed: what is older is a replay.
    public struct Time: Sendable, Hashable {
        /// The header that has it.
        public var header: String
        /// The unit of its number.
        public var unit: TimeUnit
        /// How far it may be from now, either way.
        public var tolerance: Duration

        /// A time in a header.
        public init(header: String, unit: TimeUnit = .seconds, tolerance: Duration = .seconds(300)) {
            self.header = header
            self.unit = unit
            self.tolerance = tolerance
        }
    }

    /// The header that has the code.
    public var header: String
    /// What stands before the code.
    public var prefix: String
    /// The hash of the code.
    public var algorithm: Algorithm
    /// How the code is written.
    public var encoding: Encoding
    /// What is signed.
    public var signed: [Part]
    /// Nil for a provider that signs no time: only the ids of its events tell a replay.
    public var time: Time?

    /// A code over these parts.
    public init(
        header: String, prefix: String = "", algorithm: Algorithm = .sha256, encoding: Encoding = .hex,
        signed: [Part] = [.body], time: Time? = nil
    ) {
        self.header = header
        self.prefix = prefix
        self.algorithm = algorithm
        self.encoding = encoding
        self.signed = signed
        self.time = time
    }
}

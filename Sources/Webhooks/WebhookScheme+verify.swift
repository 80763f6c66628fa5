// SPDX-License-Identifier: Apache-2.0

public import Model

extension WebhookScheme {
    /// Throws unless the request is signed with one of the secrets, and freshly where the provider signs a time.
    ///
    /// Only for schemes with a secret: a channel is checked by `ChannelNotice`, a bearer token by `IdentityToken`. They are
    /// refused here.
    public func verify(
        _ request: WebhookRequest, secrets: [SecretString], now: Timestamp
    ) throws(WebhookRefusal) {
        switch self {
        case .slack: try HMACScheme.slack.verify(request, secrets: secrets, now: now)
        case .github: try HMACScheme.github.verify(request, secrets: secrets, now: now)
        case .shopify: try HMACScheme.shopify.verify(request, secrets: secrets, now: now)
        case .hubspot: try HMACScheme.hubspot.verify(request, secrets: secrets, now: now)
        case .hmac(let scheme): try scheme.verify(request, secrets: secrets, now: now)
        case .stripe: try StripeSignature.verify(request, secrets: secrets, now: now)
        case .standardWebhooks: try StandardSignature.verify(request, secrets: secrets, now: now)
        case .googleChannel, .googlePubSub:
            throw WebhookRefusal(.noSecret, "this scheme is not proved by a secret")
        }
    }
}

/// Several secrets in one text, as while one is rolled: white space stands between them.
public enum SecretList {
    /// The secrets of a text; none of an empty one.
    public static func secrets(_ text: SecretString) -> [SecretString] {
        text.exposed.split(whereSeparator: \.isWhitespace).map { SecretString(String($0)) }
    }
}

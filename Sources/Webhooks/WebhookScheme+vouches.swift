// SPDX-License-Identifier: Apache-2.0

public import Model

extension WebhookScheme {
    /// Whether the proof says something about a header: it is part of what is signed, or a time is, so that a request cannot be
    /// sent again later with another value.
    public func vouches(forHeader name: String) -> Bool {
        switch self {
        case .github: HMACScheme.github.vouches(forHeader: name)
        case .shopify: HMACScheme.shopify.vouches(forHeader: name)
        case .hmac(let scheme): scheme.vouches(forHeader: name)
        case .slack, .stripe, .hubspot, .standardWebhooks, .googleChannel, .googlePubSub: true
        }
    }
}

extension HMACScheme {
    fileprivate func vouches(forHeader name: String) -> Bool {
        if time != nil { return true }
        return signed.contains { part in
            if case .header(let signed) = part { signed.lowercased() == name.lowercased() } else { false }
        }
    }
}
